#include "plugins/cpu/packing.hpp"

#include <gantry/abi.h>

#include <cstring>

namespace gantry::cpu {
namespace {

/// One block of 32 elements of one row, taken apart.
struct Block {
    uint8_t q[kBlock];  ///< with the format's offset, unsigned
};

uint8_t low(uint8_t b) { return b & 15; }
uint8_t high(uint8_t b) { return static_cast<uint8_t>(b >> 4); }

/// 32 elements in 16 bytes: element i in the low nibble of byte i, element i + 16 in the high one.
void take_nibbles(const uint8_t* bytes, Block& out) {
    for (int i = 0; i < 16; ++i) {
        out.q[i] = low(bytes[i]);
        out.q[i + 16] = high(bytes[i]);
    }
}

void take_fifth_bits(const uint8_t* bytes, Block& out) {
    uint32_t bits = 0;
    std::memcpy(&bits, bytes, 4);
    for (uint32_t i = 0; i < kBlock; ++i) out.q[i] = static_cast<uint8_t>(out.q[i] | ((bits >> i) & 1U) << 4);
}

/// Where one row of a panel puts its parts.
class RowWriter {
  public:
    RowWriter(Pack pack, uint8_t* panel, uint32_t blocks, uint32_t row)
        : layout_(pack_layout(pack)),
          pack_(pack),
          scales_(panel),
          quants_(panel + layout_.scale_section(blocks)),
          row_(row) {}

    /// The two bytes of an F16, the `index`th of scale group `group` (a block, or 256 elements).
    void half(uint32_t group, uint32_t index, const uint8_t* value) {
        std::memcpy(scales_ + static_cast<size_t>(group) * layout_.scale_bytes + 32 * index + 2 * row_, value, 2);
    }
    /// A byte scale: the `index`th (0 or 1) of block `block`, behind `halves` F16 vectors.
    void small(uint32_t block, uint32_t halves, uint32_t index, uint8_t value) {
        scales_[static_cast<size_t>(block / 8) * layout_.scale_bytes + 32 * halves + block % 8 * 32 + 16 * index +
                row_] = value;
    }
    void quants(uint32_t block, const Block& values) {
        uint8_t* out = quants_ + static_cast<size_t>(block) * layout_.quant_bytes + 4 * row_;
        if (pack_ == Pack::kQ8_0) {
            for (uint32_t j = 0; j < 8; ++j) std::memcpy(out + 64 * j, values.q + 4 * j, 4);
            return;
        }
        for (uint32_t p = 0; p < 4; ++p) {
            for (uint32_t i = 0; i < 4; ++i) {
                const uint8_t first = values.q[4 * p + i];
                const uint8_t second = values.q[4 * (p + 4) + i];
                out[64 * p + i] = static_cast<uint8_t>((first & 15) | (second & 15) << 4);
            }
        }
        if (layout_.quant_bytes == 320) one_bit(out + 256, values);
        if (layout_.quant_bytes == 384) two_bits(out + 256, values);
    }

  private:
    static void one_bit(uint8_t* plane, const Block& values) {
        for (uint32_t k = 0; k < kBlock; ++k) {
            plane[k % 4] = static_cast<uint8_t>(plane[k % 4] | (values.q[k] >> 4) << (k / 4));
        }
    }
    static void two_bits(uint8_t* planes, const Block& values) {
        for (uint32_t k = 0; k < kBlock; ++k) {
            uint8_t& to = planes[64 * (k / 16) + k % 4];
            to = static_cast<uint8_t>(to | (values.q[k] >> 4) << (k / 4 % 4 * 2));
        }
    }

    PackLayout layout_;
    Pack pack_;
    uint8_t* scales_;
    uint8_t* quants_;
    uint32_t row_;
};

void pack_simple(Pack pack, const uint8_t* src, uint32_t blocks, RowWriter& out) {
    for (uint32_t b = 0; b < blocks; ++b) {
        Block block;
        out.half(b, 0, src);
        switch (pack) {
            case Pack::kQ8_0:
                for (uint32_t i = 0; i < kBlock; ++i) block.q[i] = src[2 + i] ^ 0x80;
                src += 34;
                break;
            case Pack::kQ4_0:
                take_nibbles(src + 2, block);
                src += 18;
                break;
            case Pack::kQ4_1:
                out.half(b, 1, src + 2);
                take_nibbles(src + 4, block);
                src += 20;
                break;
            case Pack::kQ5_0:
                take_nibbles(src + 6, block);
                take_fifth_bits(src + 2, block);
                src += 22;
                break;
            default:
                out.half(b, 1, src + 2);
                take_nibbles(src + 8, block);
                take_fifth_bits(src + 4, block);
                src += 24;
                break;
        }
        out.quants(b, block);
    }
}

/// Six-bit scale and minimum j of a Q4_K or Q5_K block.
void small_scales(const uint8_t* s, uint32_t j, uint8_t& scale, uint8_t& min) {
    if (j < 4) {
        scale = s[j] & 63;
        min = s[j + 4] & 63;
    } else {
        scale = static_cast<uint8_t>(low(s[j + 4]) | (s[j - 4] >> 6) << 4);
        min = static_cast<uint8_t>(high(s[j + 4]) | (s[j] >> 6) << 4);
    }
}

/// Q4_K: d, dmin, scales[12], q[128]. Q5_K: the same with qh[32] before q.
void pack_q45_k(bool five, const uint8_t* src, uint32_t blocks, RowWriter& out) {
    for (uint32_t b = 0; b < blocks; ++b) {
        const uint32_t j = b % 8;
        if (j == 0) {
            out.half(b / 8, 0, src);
            out.half(b / 8, 1, src + 2);
        }
        uint8_t scale = 0;
        uint8_t min = 0;
        small_scales(src + 4, j, scale, min);
        out.small(b, 2, 0, scale);
        out.small(b, 2, 1, min);
        const uint8_t* bytes = src + (five ? 48 : 16) + 32 * (j / 2);
        Block block;
        for (uint32_t i = 0; i < kBlock; ++i) {
            block.q[i] = j % 2 == 0 ? low(bytes[i]) : high(bytes[i]);
            if (five) block.q[i] = static_cast<uint8_t>(block.q[i] | ((src[16 + i] >> j) & 1) << 4);
        }
        out.quants(b, block);
        if (j == 7) src += five ? 176 : 144;
    }
}

/// ql[128], qh[64], scales int8[16], d.
void pack_q6_k(const uint8_t* src, uint32_t blocks, RowWriter& out) {
    for (uint32_t b = 0; b < blocks; ++b) {
        const uint32_t j = b % 8;
        if (j == 0) out.half(b / 8, 0, src + 208);
        out.small(b, 1, 0, src[192 + 2 * j]);
        out.small(b, 1, 1, src[192 + 2 * j + 1]);
        const uint32_t part = j % 4;
        const uint8_t* ql = src + 64 * (j / 4) + 32 * (part % 2);
        const uint8_t* qh = src + 128 + 32 * (j / 4);
        Block block;
        for (uint32_t i = 0; i < kBlock; ++i) {
            const uint8_t nibble = part < 2 ? low(ql[i]) : high(ql[i]);
            block.q[i] = static_cast<uint8_t>(nibble | ((qh[i] >> (2 * part)) & 3) << 4);
        }
        out.quants(b, block);
        if (j == 7) src += 210;
    }
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
        default:
            return std::nullopt;
    }
}

uint64_t packed_bytes(Pack pack, uint64_t rows, uint64_t depth) noexcept {
    return (rows + kPanelRows - 1) / kPanelRows * pack_layout(pack).panel_bytes(static_cast<uint32_t>(depth / kBlock));
}

void pack_panel(Pack pack, const std::byte* rows, size_t row_bytes, uint32_t count, uint32_t depth, uint8_t* panel) {
    const uint32_t blocks = depth / kBlock;
    for (uint32_t r = 0; r < count; ++r) {
        const auto* src = reinterpret_cast<const uint8_t*>(rows + r * row_bytes);
        RowWriter out(pack, panel, blocks, r);
        if (pack == Pack::kQ6K) {
            pack_q6_k(src, blocks, out);
        } else if (pack == Pack::kQ4K || pack == Pack::kQ5K) {
            pack_q45_k(pack == Pack::kQ5K, src, blocks, out);
        } else {
            pack_simple(pack, src, blocks, out);
        }
    }
}

}  // namespace gantry::cpu
