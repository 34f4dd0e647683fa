#include "registry/formats/dtype.hpp"

#include <gantry/abi.h>

#include <algorithm>
#include <array>

namespace gantry::registry {
namespace {

// The last rows have no enumerator in the ABI; plugins see GGUF's own number and refuse what they do not know.
constexpr auto kDtypes = std::to_array<DtypeTraits>({
    {GANTRY_DTYPE_F32, "F32", 1, 4},
    {GANTRY_DTYPE_F16, "F16", 1, 2},
    {GANTRY_DTYPE_BF16, "BF16", 1, 2},
    {GANTRY_DTYPE_F64, "F64", 1, 8},
    {GANTRY_DTYPE_I8, "I8", 1, 1},
    {GANTRY_DTYPE_I16, "I16", 1, 2},
    {GANTRY_DTYPE_I32, "I32", 1, 4},
    {GANTRY_DTYPE_I64, "I64", 1, 8},
    {GANTRY_DTYPE_U8, "U8", 1, 1},
    {GANTRY_DTYPE_U16, "U16", 1, 2},
    {GANTRY_DTYPE_U32, "U32", 1, 4},
    {GANTRY_DTYPE_U64, "U64", 1, 8},
    {GANTRY_DTYPE_BOOL, "BOOL", 1, 1},
    {GANTRY_DTYPE_F8_E4M3, "F8_E4M3", 1, 1},
    {GANTRY_DTYPE_F8_E5M2, "F8_E5M2", 1, 1},
    {GANTRY_DTYPE_Q4_0, "Q4_0", 32, 18},
    {GANTRY_DTYPE_Q4_1, "Q4_1", 32, 20},
    {GANTRY_DTYPE_Q5_0, "Q5_0", 32, 22},
    {GANTRY_DTYPE_Q5_1, "Q5_1", 32, 24},
    {GANTRY_DTYPE_Q8_0, "Q8_0", 32, 34},
    {GANTRY_DTYPE_Q8_1, "Q8_1", 32, 36},
    {GANTRY_DTYPE_Q2_K, "Q2_K", 256, 84},
    {GANTRY_DTYPE_Q3_K, "Q3_K", 256, 110},
    {GANTRY_DTYPE_Q4_K, "Q4_K", 256, 144},
    {GANTRY_DTYPE_Q5_K, "Q5_K", 256, 176},
    {GANTRY_DTYPE_Q6_K, "Q6_K", 256, 210},
    {GANTRY_DTYPE_Q8_K, "Q8_K", 256, 292},
    {GANTRY_DTYPE_IQ2_XXS, "IQ2_XXS", 256, 66},
    {GANTRY_DTYPE_IQ2_XS, "IQ2_XS", 256, 74},
    {GANTRY_DTYPE_IQ3_XXS, "IQ3_XXS", 256, 98},
    {GANTRY_DTYPE_IQ1_S, "IQ1_S", 256, 50},
    {GANTRY_DTYPE_IQ4_NL, "IQ4_NL", 32, 18},
    {GANTRY_DTYPE_IQ3_S, "IQ3_S", 256, 110},
    {GANTRY_DTYPE_IQ2_S, "IQ2_S", 256, 82},
    {GANTRY_DTYPE_IQ4_XS, "IQ4_XS", 256, 136},
    {GANTRY_DTYPE_IQ1_M, "IQ1_M", 256, 56},
    {GANTRY_DTYPE_MXFP4, "MXFP4", 32, 17},
    {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},
    {40, "NVFP4", 64, 36},
    {41, "Q1_0", 128, 18},
});

}  // namespace

const DtypeTraits* dtype_traits(int32_t id) {
    const auto it = std::ranges::find(kDtypes, id, &DtypeTraits::id);
    return it == kDtypes.end() ? nullptr : &*it;
}

std::string_view dtype_name(int32_t id) {
    const auto* traits = dtype_traits(id);
    return traits == nullptr ? "?" : traits->name;
}

const DtypeTraits* dtype_from_safetensors(std::string_view name) {
    // Safetensors has no block formats; its names for the plain types are ours.
    const auto it =
        std::ranges::find_if(kDtypes, [&](const auto& t) { return t.name == name && t.block_elements == 1; });
    return it == kDtypes.end() ? nullptr : &*it;
}

std::optional<uint64_t> element_count(std::span<const uint64_t> shape) {
    uint64_t count = 1;
    for (const uint64_t dim : shape) {
        if (__builtin_mul_overflow(count, dim, &count)) {
            return std::nullopt;
        }
    }
    return count;
}

std::optional<uint64_t> tensor_bytes(const DtypeTraits& dtype, std::span<const uint64_t> shape) {
    const auto count = element_count(shape);
    const uint64_t row = shape.empty() ? 1 : shape.back();
    uint64_t bytes = 0;
    if (!count || row % dtype.block_elements != 0 ||
        __builtin_mul_overflow(*count / dtype.block_elements, uint64_t{dtype.block_bytes}, &bytes)) {
        return std::nullopt;
    }
    return bytes;
}

}  // namespace gantry::registry
