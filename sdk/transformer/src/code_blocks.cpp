#include <gantry/transformer/code_blocks.hpp>

#include <bit>
#include <cstddef>

#include <gantry/transformer/dequantize.hpp>

namespace gantry::transformer {
namespace {

#include "iq_grids.inc"

constexpr CodeTable kQ3Codes = {-4, -3, -2, -1, 0, 1, 2, 3};
constexpr CodeTable kIq1Codes = {-9, -7, -1, 1, 7, 9};
constexpr CodeTable kIq2Codes = {-43, -25, -8, 8, 25, 43};
constexpr CodeTable kIq3XxsCodes = {-62, -52, -44, -36, -28, -20, -12, -4, 4, 12, 20, 28, 36, 44, 52, 62};
constexpr CodeTable kIq3SCodes = {-15, -13, -11, -9, -7, -5, -3, -1, 1, 3, 5, 7, 9, 11, 13, 15};
constexpr CodeTable kIq4Codes = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr CodeTable kFp4Codes = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

uint32_t load_u16(const uint8_t* p) { return p[0] | static_cast<uint32_t>(p[1]) << 8; }
uint32_t load_u32(const uint8_t* p) { return load_u16(p) | load_u16(p + 2) << 16; }
float load_f16(const uint8_t* p) { return f16_to_f32(static_cast<uint16_t>(load_u16(p))); }
uint32_t nibble(const uint8_t* p, size_t i) { return p[i / 2] >> (4 * (i % 2)) & 15U; }
int8_t odd(uint32_t scale) { return static_cast<int8_t>(2 * scale + 1); }

/// Seven stored signs of eight; the last makes their number even.
uint32_t eight_signs(uint32_t seven) { return seven | (static_cast<uint32_t>(std::popcount(seven)) & 1U) << 7; }

/// Eight numbers from a book of two-bit indices.
void put_eight(uint32_t word, uint32_t signs, int8_t* out) {
    constexpr std::array<int, 3> kNumbers = {8, 25, 43};
    for (uint32_t i = 0; i < 8; ++i) {
        const int value = kNumbers[word >> (2 * i) & 3U];
        out[i] = static_cast<int8_t>((signs >> i & 1U) != 0 ? -value : value);
    }
}

/// Four numbers from a book of four-bit indices.
void put_four(uint32_t word, const std::array<int, 8>& numbers, uint32_t signs, int8_t* out) {
    for (uint32_t i = 0; i < 4; ++i) {
        const int value = numbers[word >> (4 * i) & 7U];
        out[i] = static_cast<int8_t>((signs >> i & 1U) != 0 ? -value : value);
    }
}

/// Eight numbers -1, 0, 1 with a shift of 1/8 either way, times eight.
void put_shifted(uint32_t word, bool down, int8_t* out) {
    for (uint32_t i = 0; i < 8; ++i) {
        out[i] = static_cast<int8_t>(8 * (static_cast<int>(word >> (2 * i) & 3U) - 1) + (down ? -1 : 1));
    }
}

// hmask[32], two bits a weight in q[64], 16 six-bit scales in 12 bytes, d. A bit of hmask that is not set takes 4 away.
void codes_q3_k(const uint8_t* b, CodeBlock& out) {
    const uint8_t* q = b + 32;
    const uint8_t* s = b + 96;
    out.d = load_f16(b + 108);
    for (uint32_t k = 0; k < 16; ++k) {
        const uint32_t low = k < 8 ? s[k] & 15U : s[k - 8] >> 4;
        const uint32_t high = s[8 + k % 4] >> (2 * (k / 4)) & 3U;
        out.scales[k] = static_cast<int8_t>(static_cast<int>(low | high << 4) - 32);
    }
    for (uint32_t i = 0; i < 256; ++i) {
        const uint32_t group = i / 32;
        const int low = q[32 * (group / 4) + i % 32] >> (2 * (group % 4)) & 3;
        out.values[i] = static_cast<int8_t>(low - ((b[i % 32] >> group & 1) != 0 ? 0 : 4));
    }
}

// d, then for each 32 weights four book indices and a word of four times seven signs with the scale on top.
void codes_iq2_xxs(const uint8_t* b, CodeBlock& out) {
    out.d = load_f16(b) * 0.125F;
    for (uint32_t k = 0; k < 8; ++k) {
        const uint8_t* index = b + 2 + 8 * k;
        const uint32_t word = load_u32(index + 4);
        out.scales[2 * k] = out.scales[2 * k + 1] = odd(word >> 28);
        for (uint32_t l = 0; l < 4; ++l) {
            put_eight(kIq2XxsGrid[index[l]], eight_signs(word >> (7 * l) & 127U), &out.values[32 * k + 8 * l]);
        }
    }
}

// d, for each 8 weights nine bits of book index and seven signs, 16 scales of four bits.
void codes_iq2_xs(const uint8_t* b, CodeBlock& out) {
    out.d = load_f16(b) * 0.125F;
    for (uint32_t k = 0; k < 16; ++k) out.scales[k] = odd(nibble(b + 66, k));
    for (uint32_t l = 0; l < 32; ++l) {
        const uint32_t word = load_u16(b + 2 + 2 * l);
        put_eight(kIq2XsGrid[word & 511U], eight_signs(word >> 9), &out.values[8 * l]);
    }
}

// d, q[32], signs[32], two more index bits for each 8 weights in qh[8], 16 scales of four bits.
void codes_iq2_s(const uint8_t* b, CodeBlock& out) {
    out.d = load_f16(b) * 0.125F;
    for (uint32_t k = 0; k < 16; ++k) out.scales[k] = odd(nibble(b + 74, k));
    for (uint32_t l = 0; l < 32; ++l) {
        const uint32_t index = b[2 + l] | (b[66 + l / 4] >> (2 * (l % 4)) & 3U) << 8;
        put_eight(kIq2SGrid[index], b[34 + l], &out.values[8 * l]);
    }
}

// d, a book index for each 4 weights in q[64], then for each 32 weights a word as in IQ2_XXS.
void codes_iq3_xxs(const uint8_t* b, CodeBlock& out) {
    constexpr std::array<int, 8> kNumbers = {4, 12, 20, 28, 36, 44, 52, 62};
    out.d = load_f16(b) * 0.25F;
    for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t word = load_u32(b + 66 + 4 * k);
        out.scales[2 * k] = out.scales[2 * k + 1] = odd(word >> 28);
        for (uint32_t l = 0; l < 8; ++l) {
            const uint32_t signs = eight_signs(word >> (7 * (l / 2)) & 127U);
            put_four(kIq3XxsGrid[b[2 + 8 * k + l]], kNumbers, signs >> (4 * (l % 2)), &out.values[32 * k + 4 * l]);
        }
    }
}

// d, q[64], the ninth index bits in qh[8], signs[32], 8 scales of four bits.
void codes_iq3_s(const uint8_t* b, CodeBlock& out) {
    constexpr std::array<int, 8> kNumbers = {1, 3, 5, 7, 9, 11, 13, 15};
    out.d = load_f16(b);
    for (uint32_t k = 0; k < 8; ++k) out.scales[2 * k] = out.scales[2 * k + 1] = odd(nibble(b + 106, k));
    for (uint32_t l = 0; l < 64; ++l) {
        const uint32_t index = b[2 + l] | (b[66 + l / 8] >> (l % 8) & 1U) << 8;
        put_four(kIq3SGrid[index], kNumbers, nibble(b + 74, l), &out.values[4 * l]);
    }
}

// d, q[32], for each 32 weights 16 bits: three more index bits for each eight, the scale, the shift's sign.
void codes_iq1_s(const uint8_t* b, CodeBlock& out) {
    out.d = load_f16(b) * 0.125F;
    for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t word = load_u16(b + 34 + 2 * k);
        out.scales[2 * k] = out.scales[2 * k + 1] = odd(word >> 12 & 7U);
        for (uint32_t l = 0; l < 4; ++l) {
            const uint32_t index = b[2 + 4 * k + l] | (word >> (3 * l) & 7U) << 8;
            put_shifted(kIq1SGrid[index], word >= 0x8000U, &out.values[32 * k + 8 * l]);
        }
    }
}

// q[32], for each 8 weights three index bits and the shift's sign in qh[16], four words with 16 scales of three bits
// and, in their top bits, d.
void codes_iq1_m(const uint8_t* b, CodeBlock& out) {
    const uint8_t* s = b + 48;
    uint32_t d = 0;
    for (uint32_t i = 0; i < 4; ++i) d |= load_u16(s + 2 * i) >> 12 << (4 * i);
    out.d = f16_to_f32(static_cast<uint16_t>(d)) * 0.125F;
    for (uint32_t k = 0; k < 16; ++k) out.scales[k] = odd(load_u16(s + 2 * (k / 4)) >> (3 * (k % 4)) & 7U);
    for (uint32_t l = 0; l < 32; ++l) {
        const uint32_t high = nibble(b + 32, l);
        put_shifted(kIq1SGrid[b[l] | (high & 7U) << 8], high >= 8, &out.values[8 * l]);
    }
}

// d, the high two bits of 8 scales, their low four, nibbles in q[128]: 16 bytes hold 32 weights as in IQ4_NL.
void codes_iq4_xs(const uint8_t* b, CodeBlock& out) {
    const uint32_t high = load_u16(b + 2);
    out.d = load_f16(b);
    for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t scale = nibble(b + 4, k) | (high >> (2 * k) & 3U) << 4;
        out.scales[2 * k] = out.scales[2 * k + 1] = static_cast<int8_t>(static_cast<int>(scale) - 32);
        for (uint32_t i = 0; i < 16; ++i) {
            const uint8_t byte = b[8 + 16 * k + i];
            out.values[32 * k + i] = kIq4Codes[byte & 15U];
            out.values[32 * k + 16 + i] = kIq4Codes[byte >> 4];
        }
    }
}

struct CodeType {
    int32_t dtype;
    const CodeTable* table;
    void (*decode)(const uint8_t*, CodeBlock&);
};

constexpr std::array kCodeTypes = {
    CodeType{GANTRY_DTYPE_Q3_K, &kQ3Codes, codes_q3_k},
    CodeType{GANTRY_DTYPE_IQ2_XXS, &kIq2Codes, codes_iq2_xxs},
    CodeType{GANTRY_DTYPE_IQ2_XS, &kIq2Codes, codes_iq2_xs},
    CodeType{GANTRY_DTYPE_IQ2_S, &kIq2Codes, codes_iq2_s},
    CodeType{GANTRY_DTYPE_IQ3_XXS, &kIq3XxsCodes, codes_iq3_xxs},
    CodeType{GANTRY_DTYPE_IQ3_S, &kIq3SCodes, codes_iq3_s},
    CodeType{GANTRY_DTYPE_IQ1_S, &kIq1Codes, codes_iq1_s},
    CodeType{GANTRY_DTYPE_IQ1_M, &kIq1Codes, codes_iq1_m},
    CodeType{GANTRY_DTYPE_IQ4_XS, &kIq4Codes, codes_iq4_xs},
    CodeType{GANTRY_DTYPE_IQ4_NL, &kIq4Codes, nullptr},
    CodeType{GANTRY_DTYPE_MXFP4, &kFp4Codes, nullptr},
};

const CodeType* find(int32_t dtype) noexcept {
    for (const CodeType& type : kCodeTypes) {
        if (type.dtype == dtype) return &type;
    }
    return nullptr;
}

}  // namespace

const CodeTable* code_table(int32_t dtype) noexcept {
    const CodeType* type = find(dtype);
    return type == nullptr ? nullptr : type->table;
}

bool has_code_blocks(int32_t dtype) noexcept {
    const CodeType* type = find(dtype);
    return type != nullptr && type->decode != nullptr;
}

void decode_codes(int32_t dtype, const uint8_t* block, CodeBlock& out) { find(dtype)->decode(block, out); }

}  // namespace gantry::transformer
