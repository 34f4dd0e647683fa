#include "plugins/cpu/packing.hpp"

#include <gantry/abi.h>
#include <gantry/transformer/code_blocks.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace gantry::cpu {
namespace {

// Four elements of a row lie beside each other in a panel, so everything below moves 32-bit words.
constexpr uint32_t kLow = 0x0f0f0f0fU;

uint32_t load_word(const uint8_t* p) {
    uint32_t word;
    std::memcpy(&word, p, 4);
    return word;
}
void store_word(uint8_t* p, uint32_t word) { std::memcpy(p, &word, 4); }
void copy_half(uint8_t* to, const uint8_t* from) { std::memcpy(to, from, 2); }

/// The low four bits of `bits` as the lowest bits of four bytes.
constexpr uint32_t spread_bits(uint32_t bits) { return ((bits & 15U) * 0x00204081U) & 0x01010101U; }
static_assert(spread_bits(0b1010) == 0x01000100U);

/// One row's places in a panel.
struct Row {
    uint8_t* scales;
    uint8_t* quants;
    uint32_t index;

    uint8_t* half(size_t at) const { return scales + at + 2 * index; }
    uint8_t* byte(size_t at) const { return scales + at + index; }
};

void pack_q8_0(const uint8_t* src, uint32_t blocks, Row row) {
    for (uint32_t b = 0; b < blocks; ++b, src += 34, row.quants += 512) {
        copy_half(row.half(b * 32), src);
        for (uint32_t j = 0; j < 8; ++j) store_word(row.quants + 64 * j, load_word(src + 2 + 4 * j) ^ 0x80808080U);
    }
}

/// Q4_0, Q4_1, Q5_0 and Q5_1: a scale, perhaps a minimum, perhaps 32 fifth bits, then nibbles: element i low in byte i,
/// element i + 16 high in it. The panel pairs elements the same way.
template <bool kMin, bool kFifth>
void pack_nibbles(const uint8_t* src, uint32_t blocks, Row row) {
    constexpr uint32_t kBits = kMin ? 4 : 2;
    constexpr uint32_t kNibbles = kBits + (kFifth ? 4 : 0);
    for (uint32_t b = 0; b < blocks; ++b, src += kNibbles + 16, row.quants += kFifth ? 320 : 256) {
        copy_half(row.half(b * (kMin ? 64 : 32)), src);
        if (kMin) copy_half(row.half(b * 64 + 32), src + 2);
        for (uint32_t p = 0; p < 4; ++p) store_word(row.quants + 64 * p, load_word(src + kNibbles + 4 * p));
        if (kFifth) {
            const uint32_t bits = load_word(src + kBits);
            uint32_t plane = 0;
            for (uint32_t v = 0; v < 8; ++v) plane |= spread_bits(bits >> (4 * v)) << v;
            store_word(row.quants + 256, plane);
        }
    }
}

/// 32 nibbles, the low or the high ones of 32 bytes.
void pack_half_bytes(const uint8_t* bytes, bool high, uint8_t* quants) {
    for (uint32_t p = 0; p < 4; ++p) {
        const uint32_t first = load_word(bytes + 4 * p);
        const uint32_t second = load_word(bytes + 16 + 4 * p);
        store_word(quants + 64 * p,
                   high ? (first >> 4 & kLow) | (second & ~kLow) : (first & kLow) | (second & kLow) << 4);
    }
}

/// Six-bit scale and minimum j of a Q4_K or Q5_K block.
void small_scales(const uint8_t* s, uint32_t j, uint8_t& scale, uint8_t& min) {
    if (j < 4) {
        scale = s[j] & 63;
        min = s[j + 4] & 63;
    } else {
        scale = static_cast<uint8_t>((s[j + 4] & 15) | (s[j - 4] >> 6) << 4);
        min = static_cast<uint8_t>((s[j + 4] >> 4) | (s[j] >> 6) << 4);
    }
}

/// Q4_K: d, dmin, scales[12], q[128]. Q5_K: the same with qh[32] before q, whose bit j belongs to group j.
template <bool kFifth>
void pack_q45_k(const uint8_t* src, uint32_t blocks, Row row) {
    for (uint32_t super = 0; super < blocks / 8; ++super, src += kFifth ? 176 : 144) {
        const size_t scales = super * 320;
        copy_half(row.half(scales), src);
        copy_half(row.half(scales + 32), src + 2);
        const uint8_t* high = src + 16;
        const uint8_t* nibbles = high + (kFifth ? 32 : 0);
        for (uint32_t j = 0; j < 8; ++j, row.quants += kFifth ? 320 : 256) {
            small_scales(src + 4, j, *row.byte(scales + 64 + 32 * j), *row.byte(scales + 80 + 32 * j));
            pack_half_bytes(nibbles + 32 * (j / 2), j % 2 != 0, row.quants);
            if (kFifth) {
                uint32_t plane = 0;
                for (uint32_t v = 0; v < 8; ++v) plane |= (load_word(high + 4 * v) >> j & 0x01010101U) << v;
                store_word(row.quants + 256, plane);
            }
        }
    }
}

/// ql[128], qh[64], scales int8[16], d; each half of 256 elements takes 64 bytes of ql and 32 of qh.
void pack_q6_k(const uint8_t* src, uint32_t blocks, Row row) {
    for (uint32_t super = 0; super < blocks / 8; ++super, src += 210) {
        const size_t scales = super * 288;
        copy_half(row.half(scales), src + 208);
        for (uint32_t j = 0; j < 8; ++j, row.quants += 384) {
            *row.byte(scales + 32 + 32 * j) = src[192 + 2 * j];
            *row.byte(scales + 48 + 32 * j) = src[192 + 2 * j + 1];
            const uint32_t part = j % 4;
            pack_half_bytes(src + 64 * (j / 4) + 32 * (part % 2), part >= 2, row.quants);
            const uint8_t* high = src + 128 + 32 * (j / 4);
            for (uint32_t plane = 0; plane < 2; ++plane) {
                uint32_t bits = 0;
                for (uint32_t v = 0; v < 4; ++v) {
                    bits |= (load_word(high + 16 * plane + 4 * v) >> (2 * part) & 0x03030303U) << (2 * v);
                }
                store_word(row.quants + 256 + 64 * plane, bits);
            }
        }
    }
}

/// scales[16] (a nibble of scale, a nibble of minimum), q[64] with two bits a weight, d, dmin.
void pack_q2_k(const uint8_t* src, uint32_t blocks, Row row) {
    for (uint32_t super = 0; super < blocks / 8; ++super, src += 84) {
        const size_t scales = super * 320;
        copy_half(row.half(scales), src + 80);
        copy_half(row.half(scales + 32), src + 82);
        for (uint32_t j = 0; j < 8; ++j, row.quants += 128) {
            *row.byte(scales + 64 + 32 * j) = src[2 * j];
            *row.byte(scales + 80 + 32 * j) = src[2 * j + 1];
            const uint8_t* bytes = src + 16 + 32 * (j / 4);
            for (uint32_t plane = 0; plane < 2; ++plane) {
                uint32_t bits = 0;
                for (uint32_t v = 0; v < 4; ++v) {
                    bits |= (load_word(bytes + 16 * plane + 4 * v) >> (2 * (j % 4)) & 0x03030303U) << (2 * v);
                }
                store_word(row.quants + 64 * plane, bits);
            }
        }
    }
}

/// IQ4_NL: an F16 scale, then nibbles as in Q4_0.
void pack_iq4_nl(const uint8_t* src, uint32_t blocks, Row row) {
    for (uint32_t b = 0; b < blocks; ++b, src += 18, row.quants += 256) {
        copy_half(row.half(b * 32), src);
        for (uint32_t p = 0; p < 4; ++p) store_word(row.quants + 64 * p, load_word(src + 2 + 4 * p));
    }
}

/// MXFP4: the exponent of a power of two, then nibbles. The table's numbers are doubled, so the scale is halved.
void pack_mxfp4(const uint8_t* src, uint32_t blocks, Row row) {
    for (uint32_t b = 0; b < blocks; ++b, src += 17, row.quants += 256) {
        const auto scale = static_cast<uint16_t>(src[0] < 2 ? 0x20 << src[0] : (src[0] - 1) << 7);
        std::memcpy(row.half(b * 32), &scale, 2);
        for (uint32_t p = 0; p < 4; ++p) store_word(row.quants + 64 * p, load_word(src + 1 + 4 * p));
    }
}

/// Any type of few different integers: nibbles that index the type's table.
void pack_codes(int32_t dtype, const uint8_t* src, size_t block_bytes, uint32_t blocks, Row row) {
    std::array<uint8_t, 256> index{};
    for (uint8_t i = 16; i-- > 0;) index[static_cast<uint8_t>((*transformer::code_table(dtype))[i])] = i;
    transformer::CodeBlock block;
    const auto code = [&](uint32_t i) { return index[static_cast<uint8_t>(block.values[i])]; };
    for (uint32_t super = 0; super < blocks / 8; ++super, src += block_bytes) {
        transformer::decode_codes(dtype, src, block);
        const size_t scales = super * 320;
        std::memcpy(row.scales + scales + 4 * row.index, &block.d, 4);
        for (uint32_t j = 0; j < 8; ++j, row.quants += 256) {
            std::memcpy(row.byte(scales + 64 + 32 * j), &block.scales[2 * j], 1);
            std::memcpy(row.byte(scales + 80 + 32 * j), &block.scales[2 * j + 1], 1);
            for (uint32_t i = 0; i < 16; ++i) {
                row.quants[64 * (i / 4) + i % 4] = static_cast<uint8_t>(code(32 * j + i) | code(32 * j + 16 + i) << 4);
            }
        }
    }
}

/// The numbers of a type's table + 128, four times.
void put_table(int32_t dtype, uint8_t* head) {
    const transformer::CodeTable& table = *transformer::code_table(dtype);
    for (size_t i = 0; i < 64; ++i) head[i] = static_cast<uint8_t>(table[i % 16] + 128);
}

}  // namespace

std::optional<Pack> pack_of(int32_t dtype) noexcept {
    switch (dtype) {
        case GANTRY_DTYPE_Q8_0:
            return Pack::kQ8_0;
        case GANTRY_DTYPE_Q4_0:
            return Pack::kQ4_0;
        case GANTRY_DTYPE_Q4_1:
            return Pack::kQ4_1;
        case GANTRY_DTYPE_Q5_0:
            return Pack::kQ5_0;
        case GANTRY_DTYPE_Q5_1:
            return Pack::kQ5_1;
        case GANTRY_DTYPE_Q4_K:
            return Pack::kQ4K;
        case GANTRY_DTYPE_Q5_K:
            return Pack::kQ5K;
        case GANTRY_DTYPE_Q6_K:
            return Pack::kQ6K;
        case GANTRY_DTYPE_Q2_K:
            return Pack::kQ2K;
        case GANTRY_DTYPE_IQ4_NL:
            return Pack::kIq4Nl;
        case GANTRY_DTYPE_MXFP4:
            return Pack::kMxfp4;
        default:
            if (transformer::has_code_blocks(dtype)) return Pack::kCodes;
            return std::nullopt;
    }
}

uint64_t packed_bytes(Pack pack, uint64_t rows, uint64_t depth) noexcept {
    return (rows + kPanelRows - 1) / kPanelRows * pack_layout(pack).panel_bytes(static_cast<uint32_t>(depth / kBlock));
}

void pack_panel(int32_t dtype, const std::byte* rows, size_t row_bytes, uint32_t count, uint32_t depth,
                uint8_t* panel) {
    constexpr uint32_t kPart = 8;  // blocks; all rows of a part before the next, so that its lines stay in the L1 cache
    const Pack pack = *pack_of(dtype);
    const PackLayout layout = pack_layout(pack);
    const uint32_t blocks = depth / kBlock;
    if (layout.head_bytes != 0) put_table(dtype, panel);
    uint8_t* const quants = panel + layout.scale_section(blocks);
    for (uint32_t b = 0; b < blocks; b += kPart) {
        const uint32_t n = std::min(kPart, blocks - b);
        for (uint32_t r = 0; r < count; ++r) {
            const auto* src = reinterpret_cast<const uint8_t*>(rows + r * row_bytes + row_bytes * b / blocks);
            const Row row{panel + layout.head_bytes + static_cast<size_t>(b / layout.scale_blocks) * layout.scale_bytes,
                          quants + static_cast<size_t>(b) * layout.quant_bytes + 4 * r, r};
            switch (pack) {
                case Pack::kQ8_0:
                    pack_q8_0(src, n, row);
                    break;
                case Pack::kQ4_0:
                    pack_nibbles<false, false>(src, n, row);
                    break;
                case Pack::kQ4_1:
                    pack_nibbles<true, false>(src, n, row);
                    break;
                case Pack::kQ5_0:
                    pack_nibbles<false, true>(src, n, row);
                    break;
                case Pack::kQ5_1:
                    pack_nibbles<true, true>(src, n, row);
                    break;
                case Pack::kQ4K:
                    pack_q45_k<false>(src, n, row);
                    break;
                case Pack::kQ5K:
                    pack_q45_k<true>(src, n, row);
                    break;
                case Pack::kQ6K:
                    pack_q6_k(src, n, row);
                    break;
                case Pack::kQ2K:
                    pack_q2_k(src, n, row);
                    break;
                case Pack::kIq4Nl:
                    pack_iq4_nl(src, n, row);
                    break;
                case Pack::kMxfp4:
                    pack_mxfp4(src, n, row);
                    break;
                case Pack::kCodes:
                    pack_codes(dtype, src, row_bytes / (blocks / 8), n, row);
                    break;
            }
        }
    }
}

}  // namespace gantry::cpu
