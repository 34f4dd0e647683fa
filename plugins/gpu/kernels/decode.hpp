#pragma once

/// Numbers as files and KV caches hold them, decoded in registers (block layouts: GGUF specification; see
/// <gantry/transformer/dequantize.hpp>, which the tests compare with).

#include "plugins/gpu/portable.hpp"

namespace gantry::gpu {

/// Formats with a decoder here; the host turns the others into kF32 when it loads them.
enum class Format : uint32_t { kF32, kF16, kBf16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ4_K, kQ5_K, kQ6_K };

GANTRY_GPU inline float half_to_float(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000U) << 16;
    const uint32_t rest = h & 0x7fffU;
    if (rest >= 0x7c00U) return bits_as<float>(sign | 0x7f800000U | rest << 13);
    if (rest >= 0x0400U) return bits_as<float>(sign | ((rest << 13) + (112U << 23)));
    return bits_as<float>(sign | bits_as<uint32_t>(static_cast<float>(rest) * 5.9604644775390625e-8F));
}

GANTRY_GPU inline uint16_t float_to_half(float f) {
    const uint32_t bits = bits_as<uint32_t>(f);
    const uint32_t sign = bits >> 16 & 0x8000U;
    const uint32_t rest = bits & 0x7fffffffU;
    if (rest > 0x7f800000U) return static_cast<uint16_t>(sign | 0x7e00U);
    if (rest >= 0x477ff000U) return static_cast<uint16_t>(sign | 0x7c00U);
    if (rest < 0x38800000U) {  // subnormal: 0.5 leaves the rounded multiple of 2^-24 in the low mantissa bits
        return static_cast<uint16_t>(sign | (bits_as<uint32_t>(bits_as<float>(rest) + 0.5F) - 0x3f000000U));
    }
    return static_cast<uint16_t>(sign | (rest - (112U << 23) + 0xfffU + (rest >> 13 & 1U)) >> 13);
}

GANTRY_GPU inline float bf16_to_float(uint16_t b) { return bits_as<float>(static_cast<uint32_t>(b) << 16); }

GANTRY_GPU inline uint16_t float_to_bf16(float f) {
    const uint32_t bits = bits_as<uint32_t>(f);
    if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>(bits >> 16 | 0x40U);
    return static_cast<uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

/// Bytes of a row of `count` elements; a short last block takes a whole one's bytes.
GANTRY_GPU inline uint64_t format_row_bytes(Format format, uint64_t count) {
    const uint64_t blocks = (count + 31) / 32;
    switch (format) {
        case Format::kF32:
            return count * 4;
        case Format::kF16:
        case Format::kBf16:
            return count * 2;
        case Format::kQ8_0:
            return blocks * 34;
        case Format::kQ4_0:
            return blocks * 18;
        case Format::kQ4_1:
            return blocks * 20;
        case Format::kQ5_0:
            return blocks * 22;
        case Format::kQ5_1:
            return blocks * 24;
        case Format::kQ4_K:
            return (count + 255) / 256 * 144;
        case Format::kQ5_K:
            return (count + 255) / 256 * 176;
        case Format::kQ6_K:
            return (count + 255) / 256 * 210;
    }
    return 0;
}

/// Decodes single elements of rows that lie in `bytes`.
template <class Thread>
struct Decoder {
    Thread& t;
    Bytes bytes;

    /// Element i of the row that begins at byte `row`.
    GANTRY_GPU float element(Format format, uint64_t row, uint32_t i) const {
        switch (format) {
            case Format::kF32:
                return load_as<float>(t, bytes, row + uint64_t{i} * 4);
            case Format::kF16:
                return half(row + uint64_t{i} * 2);
            case Format::kBf16:
                return bf16_to_float(load_as<uint16_t>(t, bytes, row + uint64_t{i} * 2));
            case Format::kQ8_0: {
                const uint64_t b = row + uint64_t{i / 32} * 34;
                return half(b) * static_cast<float>(static_cast<int8_t>(byte(b + 2 + i % 32)));
            }
            case Format::kQ4_0: {
                const uint64_t b = row + uint64_t{i / 32} * 18;
                return half(b) * static_cast<float>(nibble(b + 2, i % 32) - 8);
            }
            case Format::kQ4_1: {
                const uint64_t b = row + uint64_t{i / 32} * 20;
                return half(b) * static_cast<float>(nibble(b + 4, i % 32)) + half(b + 2);
            }
            case Format::kQ5_0: {
                const uint64_t b = row + uint64_t{i / 32} * 22;
                return half(b) * static_cast<float>((nibble(b + 6, i % 32) | fifth(b + 2, i % 32)) - 16);
            }
            case Format::kQ5_1: {
                const uint64_t b = row + uint64_t{i / 32} * 24;
                return half(b) * static_cast<float>(nibble(b + 8, i % 32) | fifth(b + 4, i % 32)) + half(b + 2);
            }
            case Format::kQ4_K:
                return k_element(row + uint64_t{i / 256} * 144, i % 256, false);
            case Format::kQ5_K:
                return k_element(row + uint64_t{i / 256} * 176, i % 256, true);
            case Format::kQ6_K:
                return q6_k(row + uint64_t{i / 256} * 210, i % 256);
        }
        return 0;
    }

  private:
    GANTRY_GPU uint32_t byte(uint64_t at) const { return load_as<uint8_t>(t, bytes, at); }
    GANTRY_GPU float half(uint64_t at) const { return half_to_float(load_as<uint16_t>(t, bytes, at)); }
    /// Element i of 32: the low halves of 16 bytes are the first 16.
    GANTRY_GPU int nibble(uint64_t at, uint32_t i) const {
        const uint32_t both = byte(at + i % 16);
        return static_cast<int>(i < 16 ? both & 15U : both >> 4);
    }
    GANTRY_GPU int fifth(uint64_t at, uint32_t i) const {
        return static_cast<int>((byte(at + i / 8) >> i % 8 & 1U) << 4);
    }
    /// Q4_K, and Q5_K, which has 32 bytes of fifth bits before the nibbles.
    GANTRY_GPU float k_element(uint64_t b, uint32_t i, bool five) const {
        const uint32_t group = i / 32;
        uint32_t scale = 0;
        uint32_t min = 0;
        if (group < 4) {
            scale = byte(b + 4 + group) & 63U;
            min = byte(b + 8 + group) & 63U;
        } else {
            const uint32_t both = byte(b + 8 + group);
            scale = (both & 15U) | byte(b + group) >> 6 << 4;
            min = both >> 4 | byte(b + 4 + group) >> 6 << 4;
        }
        const uint32_t pair = byte(b + (five ? 48 : 16) + 32 * (group / 2) + i % 32);
        uint32_t value = group % 2 == 0 ? pair & 15U : pair >> 4;
        if (five) value |= (byte(b + 16 + i % 32) >> group & 1U) << 4;
        return half(b) * static_cast<float>(scale) * static_cast<float>(value) - half(b + 2) * static_cast<float>(min);
    }
    GANTRY_GPU float q6_k(uint64_t b, uint32_t i) const {
        const uint32_t which = i / 128;
        const uint32_t part = i % 128 / 32;
        const uint32_t pair = byte(b + 64 * which + 32 * (part % 2) + i % 32);
        const uint32_t low = part < 2 ? pair & 15U : pair >> 4;
        const uint32_t high = byte(b + 128 + 32 * which + i % 32) >> 2 * part & 3U;
        const auto scale = static_cast<int8_t>(byte(b + 192 + i / 16));
        return half(b + 208) * static_cast<float>(scale) * static_cast<float>(static_cast<int>(low | high << 4) - 32);
    }
};

template <class Thread>
GANTRY_GPU float decode(Thread& t, Format format, Bytes bytes, uint64_t row, uint32_t i) {
    return Decoder<Thread>{t, bytes}.element(format, row, i);
}

}  // namespace gantry::gpu
