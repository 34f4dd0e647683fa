#pragma once

/// Scalar decoding of the file types that the transformer library knows (block layouts of the GGUF specification).
/// The reference plugin computes with it; faster plugins use it as a fallback and as their own tests' oracle.
/// Everything here is pure and may be called from any thread.

#include <gantry/abi.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gantry::transformer {

/// How a GANTRY_DTYPE_* packs elements along the last dimension.
struct TypeTraits {
    uint32_t block_elements = 0;        ///< elements a block; 1 for plain types, 0 for a type that is not known
    uint32_t block_bytes = 0;           ///< bytes a block
    std::string_view name = "unknown";  ///< as GGUF spells it ("Q4_K"); static
    bool dequantizable = false;         ///< whether dequantize() takes it
};

/// Traits of a GANTRY_DTYPE_*; block_elements is 0 where the number means nothing to this library.
TypeTraits type_traits(int32_t dtype) noexcept;

/// Bytes of a row of `count` elements, or 0 where the type is unknown or `count` is no whole number of blocks.
uint64_t row_bytes(int32_t dtype, uint64_t count) noexcept;

/// Writes `count` elements as fp32. `src` needs no alignment and has row_bytes(dtype, count) bytes; they must not
/// overlap dst. Throws gantry::sdk::Error (GANTRY_ERR_UNIMPLEMENTED) for a type that is not dequantizable and
/// (INVALID_ARGUMENT) where count is no whole number of blocks.
void dequantize(int32_t dtype, const void* src, float* dst, size_t count);

/// IEEE 754 binary16 to fp32: exact, subnormals, infinities and NaN included.
inline float f16_to_f32(uint16_t h) noexcept {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000U) << 16;
    const uint32_t rest = h & 0x7fffU;
    if (rest >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (rest << 13));
    if (rest >= 0x0400U) return std::bit_cast<float>(sign | ((rest << 13) + (112U << 23)));
    const float magnitude = static_cast<float>(rest) * 0x1p-24F;  // zero and subnormals
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

/// fp32 to binary16, round to nearest even; too large becomes infinity.
inline uint16_t f32_to_f16(float f) noexcept {
    const uint32_t bits = std::bit_cast<uint32_t>(f);
    const uint32_t sign = (bits >> 16) & 0x8000U;
    const uint32_t rest = bits & 0x7fffffffU;
    if (rest > 0x7f800000U) return static_cast<uint16_t>(sign | 0x7e00U | ((rest >> 13) & 0x1ffU));
    if (rest >= 0x477ff000U) return static_cast<uint16_t>(sign | 0x7c00U);
    if (rest < 0x38800000U) {
        // Subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low mantissa bits.
        const float shifted = std::bit_cast<float>(rest) + 0.5F;
        return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000U));
    }
    const uint32_t odd = (rest >> 13) & 1U;
    return static_cast<uint16_t>(sign | ((rest - (112U << 23) + 0xfffU + odd) >> 13));
}

/// bfloat16 to fp32: exact.
inline float bf16_to_f32(uint16_t b) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }

/// fp32 to bfloat16, round to nearest even; NaN stays a quiet NaN.
inline uint16_t f32_to_bf16(float f) noexcept {
    const uint32_t bits = std::bit_cast<uint32_t>(f);
    if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
    return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace gantry::transformer
