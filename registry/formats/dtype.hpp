#pragma once

/// Sizes and names of tensor element types (GANTRY_DTYPE_* of <gantry/abi.h>; GGUF's ggml_type numbers among them).

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gantry::registry {

/// Elements are stored in blocks along the last dimension: `block_bytes` bytes hold `block_elements` elements.
struct DtypeTraits {
    int32_t id = 0;
    std::string_view name;  ///< "F32", "Q4_K", ...
    uint32_t block_elements = 1;
    uint32_t block_bytes = 0;
};

/// nullptr for an unknown number.
const DtypeTraits* dtype_traits(int32_t id);

/// The type's name, "?" for an unknown number.
std::string_view dtype_name(int32_t id);

/// The type that a safetensors header calls `name` ("BF16", "F8_E4M3"); nullptr for names without a number in the ABI.
const DtypeTraits* dtype_from_safetensors(std::string_view name);

/// Bytes of a row-major tensor; nullopt if the shape overflows 64 bits or its rows are not whole blocks.
std::optional<uint64_t> tensor_bytes(const DtypeTraits& dtype, std::span<const uint64_t> shape);

/// Product of the dimensions; nullopt on overflow.
std::optional<uint64_t> element_count(std::span<const uint64_t> shape);

}  // namespace gantry::registry
