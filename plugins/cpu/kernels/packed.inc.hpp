// Products of int8 activations with packed quantised panels: integer dot products. Written once over the vectors of
// simd_*.hpp; included by kernel translation units only, after math.inc.hpp.
#pragma once

#include "plugins/cpu/kernels/kernels.hpp"
#include "plugins/cpu/kernels/math.inc.hpp"
#include "plugins/cpu/kernels/pack_layout.hpp"

namespace {

using gantry::cpu::kBlock;
using gantry::cpu::kPanelRows;
using gantry::cpu::OutTile;
using gantry::cpu::Pack;
using gantry::cpu::pack_layout;
using gantry::cpu::QuantRows;

/// The int32 that a sum starts from, which undoes the offset of the stored weights.
template <Pack kPack>
inline I start(const BlockInfo& info, uint32_t half) {
    if constexpr (kPack == Pack::kQ8_0) return iset1(kVnni ? info.offset128 : 0);
    if constexpr (kPack == Pack::kQ4_0) return iset1(info.offset8);
    if constexpr (kPack == Pack::kQ5_0) return iset1(info.offset16);
    if constexpr (kPack == Pack::kQ6K) return iset1(info.offset32[half]);
    if constexpr (kPack == Pack::kIq4Nl || kPack == Pack::kMxfp4) return iset1(kVnni ? info.offset128 : 0);
    if constexpr (kPack == Pack::kCodes) return iset1(kVnni ? 4 * info.offset32[half] : 0);
    return iset1(0);
}

/// Scale and minimum (of each half of the block) of kLanes weight rows in one block.
struct Scales {
    F d[2];
    F min[2];
};

/// Whether nibbles are indices into the panel's table.
template <Pack kPack>
constexpr bool has_codes() {
    return kPack == Pack::kIq4Nl || kPack == Pack::kMxfp4 || kPack == Pack::kCodes;
}

/// Numbers of four bits each, two in a byte.
struct ScaleNibbles {
    F low;
    F high;
};
inline ScaleNibbles load_scale_nibbles(const uint8_t* p) {
    const F byte = load_u8(p);
    const F high = round(fma(byte, set1(1.0F / 16), set1(-15.0F / 32)));  // rounded down
    return {fma(high, set1(-16.0F), byte), high};
}

template <Pack kPack>
inline Scales block_scales(const uint8_t* scales, uint32_t block, uint32_t lane) {
    const auto halves = [](const uint8_t* p) { return load_f16(reinterpret_cast<const uint16_t*>(p)); };
    if constexpr (kPack == Pack::kQ8_0 || kPack == Pack::kQ4_0 || kPack == Pack::kQ5_0 || kPack == Pack::kIq4Nl) {
        const F d = halves(scales + block * 32 + 2 * lane);
        return {{d, d}, {}};
    } else if constexpr (kPack == Pack::kMxfp4) {
        const F d = load_bf16(reinterpret_cast<const uint16_t*>(scales + block * 32 + 2 * lane));
        return {{d, d}, {}};
    } else if constexpr (kPack == Pack::kQ4_1 || kPack == Pack::kQ5_1) {
        const F d = halves(scales + block * 64 + 2 * lane);
        const F min = halves(scales + block * 64 + 32 + 2 * lane);
        return {{d, d}, {min, min}};
    } else if constexpr (kPack == Pack::kQ6K) {
        const uint8_t* super = scales + block / 8 * 288;
        const F d = halves(super + 2 * lane);
        const uint8_t* small = super + 32 + block % 8 * 32 + lane;
        return {{mul(d, load_s8(small)), mul(d, load_s8(small + 16))}, {}};
    } else if constexpr (kPack == Pack::kCodes) {
        const uint8_t* super = scales + block / 8 * 320;
        const F d = load(reinterpret_cast<const float*>(super + 4 * lane));
        const uint8_t* small = super + 64 + block % 8 * 32 + lane;
        return {{mul(d, load_s8(small)), mul(d, load_s8(small + 16))}, {}};
    } else if constexpr (kPack == Pack::kQ2K) {
        // The products below are of 16 times the weights' two bits, the sums of -32 times the activations.
        const uint8_t* super = scales + block / 8 * 320;
        const uint8_t* small = super + 64 + block % 8 * 32 + lane;
        const F d = mul(halves(super + 2 * lane), set1(1.0F / 16));
        const F min = mul(halves(super + 32 + 2 * lane), set1(1.0F / 32));
        const ScaleNibbles first = load_scale_nibbles(small);
        const ScaleNibbles second = load_scale_nibbles(small + 16);
        return {{mul(d, first.low), mul(d, second.low)}, {mul(min, first.high), mul(min, second.high)}};
    } else {
        const uint8_t* super = scales + block / 8 * 320;
        const uint8_t* small = super + 64 + block % 8 * 32 + lane;
        const F d = mul(halves(super + 2 * lane), load_u8(small));
        const F min = mul(halves(super + 32 + 2 * lane), load_u8(small + 16));
        const F negative = sub(zero(), min);
        return {{d, d}, {negative, negative}};
    }
}

template <Pack kPack>
constexpr bool has_min() {
    return kPack == Pack::kQ4_1 || kPack == Pack::kQ5_1 || kPack == Pack::kQ4K || kPack == Pack::kQ5K;
}
/// Whether the two halves of a block have scales of their own.
template <Pack kPack>
constexpr bool has_halves() {
    return kPack == Pack::kQ6K || kPack == Pack::kCodes || kPack == Pack::kQ2K;
}

/// How far ahead weights are asked for: the sums are long enough that the processor's own look-ahead would not reach
/// the next lines in time. The last blocks of a panel ask for the next panel.
constexpr size_t kPrefetchBytes = 4096;
inline void prefetch(const uint8_t* p) { __builtin_prefetch(p + kPrefetchBytes); }

/// Two of a block's eight vectors: elements 4 k .. 4 k + 3 of each weight row, and those 16 further on.
struct Pair {
    B low;
    B high;
};

/// The blocks of kLanes weight rows of a panel, beginning at `lane`, decoded as they are asked for.
template <Pack kPack>
class PanelBlocks {
  public:
    PanelBlocks(const uint8_t* panel, uint32_t blocks, uint32_t lane)
        : scales_(panel + kLayout.head_bytes),
          quants_(panel + kLayout.scale_section(blocks) + 4 * lane),
          table_(has_codes<kPack>() ? load_bytes(panel) : no_bits()),
          lane_(lane) {}

    template <int kPair>
    Pair pair(uint32_t block) const {
        const uint8_t* quants = quants_ + static_cast<size_t>(block) * kLayout.quant_bytes;
        if constexpr (kPack == Pack::kQ8_0) {
            prefetch(quants + 64 * kPair);
            prefetch(quants + 64 * (kPair + 4));
            return {load_bytes(quants + 64 * kPair), load_bytes(quants + 64 * (kPair + 4))};
        } else if constexpr (kPack == Pack::kQ2K) {
            if constexpr (kPair % 2 == 0) prefetch(quants + 32 * kPair);
            return {with_high<2 * kPair, 0x30>(no_bits(), load_bytes(quants)),
                    with_high<2 * kPair, 0x30>(no_bits(), load_bytes(quants + 64))};
        } else {
            const B nibbles = load_bytes(quants + 64 * kPair);
            prefetch(quants + 64 * kPair);
            const Pair q{low_nibbles(nibbles), high_nibbles(nibbles)};
            if constexpr (has_codes<kPack>()) {
                return {lookup(table_, q.low), lookup(table_, q.high)};
            } else if constexpr (kPack == Pack::kQ5_0 || kPack == Pack::kQ5_1 || kPack == Pack::kQ5K) {
                const B bits = load_bytes(quants + 256);
                return {with_high<kPair, 0x10>(q.low, bits), with_high<kPair + 4, 0x10>(q.high, bits)};
            } else if constexpr (kPack == Pack::kQ6K) {
                return {with_high<2 * kPair, 0x30>(q.low, load_bytes(quants + 256)),
                        with_high<2 * kPair, 0x30>(q.high, load_bytes(quants + 320))};
            } else {
                return q;
            }
        }
    }

    Scales scales(uint32_t block) const { return block_scales<kPack>(scales_, block, lane_); }

  private:
    static constexpr auto kLayout = pack_layout(kPack);
    const uint8_t* scales_;
    const uint8_t* quants_;
    B table_;
    uint32_t lane_;
};

/// Activation rows that pass over a part of a panel, and the blocks of such a part: the decoded part and the rows of a
/// tile stay in the L1 cache together, the rows of a pass in the L2 cache.
constexpr uint32_t kPassRows = 64;
constexpr uint32_t kPassBlocks = 16;

/// Blocks of a part, decoded once for all rows of a pass.
template <Pack kPack>
class DecodedBlocks {
  public:
    /// Blocks begin .. end, not more than kPassBlocks.
    void decode(const PanelBlocks<kPack>& panel, uint32_t begin, uint32_t end) {
        begin_ = begin;
        for (uint32_t b = begin; b < end; ++b) {
            put<0>(panel, b);
            put<1>(panel, b);
            put<2>(panel, b);
            put<3>(panel, b);
            const Scales s = panel.scales(b);
            auto& to = scales_[b - begin];
            store(to[0], s.d[0]);
            if constexpr (has_halves<kPack>()) store(to[1], s.d[1]);
            if constexpr (has_min<kPack>() || kPack == Pack::kQ2K) store(to[2], s.min[0]);
            if constexpr (kPack == Pack::kQ2K) store(to[3], s.min[1]);
        }
    }

    template <int kPair>
    Pair pair(uint32_t block) const {
        const auto& vectors = values_[block - begin_];
        return {load_bytes(vectors[kPair]), load_bytes(vectors[kPair + 4])};
    }

    Scales scales(uint32_t block) const {
        const auto& from = scales_[block - begin_];
        Scales s{};
        s.d[0] = load(from[0]);
        if constexpr (has_halves<kPack>()) s.d[1] = load(from[1]);
        if constexpr (has_min<kPack>() || kPack == Pack::kQ2K) s.min[0] = load(from[2]);
        if constexpr (kPack == Pack::kQ2K) s.min[1] = load(from[3]);
        return s;
    }

  private:
    template <int kPair>
    void put(const PanelBlocks<kPack>& panel, uint32_t block) {
        auto& vectors = values_[block - begin_];
        const Pair q = panel.template pair<kPair>(block);
        store_bytes(vectors[kPair], q.low);
        store_bytes(vectors[kPair + 4], q.high);
    }

    alignas(64) uint8_t values_[kPassBlocks][8][4 * kLanes];
    alignas(64) float scales_[kPassBlocks][4][kLanes];
    uint32_t begin_ = 0;
};

/// Two vectors of weights times the activations at q.
template <Pack kPack, uint32_t kRows, int kPair>
inline void dot_pair(const Pair& w, const int8_t* q, size_t q_stride, I* first, I* second) {
    constexpr bool kWide = kPack == Pack::kQ8_0 || has_codes<kPack>();
    const auto dot = [](I acc, B weights, B x) { return kWide ? dot4_wide(acc, weights, x) : dot4(acc, weights, x); };
    for (uint32_t r = 0; r < kRows; ++r) {
        first[r] = dot(first[r], w.low, spread4(q + r * q_stride + 4 * kPair));
        second[r] = dot(second[r], w.high, spread4(q + r * q_stride + 4 * kPair + 16));
    }
}

inline void store_out(const OutTile& out, size_t row, uint32_t lane, uint32_t n, F value) {
    float* to = out.data + row * out.stride + lane;
    if (out.bias != nullptr) value = add(value, load_n(out.bias + lane, n));
    if (out.accumulate) value = add(load_n(to, n), value);
    store_n(to, value, n);
}

/// A part of the depth, in blocks. Sums of parts that are not the last one wait in `partial`, kPanelRows a row.
struct Depth {
    uint32_t begin;
    uint32_t end;
    float* partial;
};

/// Which columns of the output a tile computes: kLanes from `lane` on, but not beyond `columns`.
struct Columns {
    uint32_t lane;
    uint32_t columns;
};

/// kRows rows of activations times kLanes weight rows over a part of the depth. The sums are formed in the same order
/// whatever the parts are.
template <Pack kPack, uint32_t kRows, class Blocks>
inline void packed_tile(const Blocks& blocks, const QuantRows& x, uint32_t row, const Depth& depth, Columns columns,
                        const OutTile& out) {
    // Sums of the two halves of a block are separate only where their scales are.
    constexpr bool kHalves = has_halves<kPack>();
    const int8_t* q = x.q + row * x.q_stride + static_cast<size_t>(depth.begin) * kBlock;
    const BlockInfo* info = x.info + row * x.info_stride + depth.begin;
    F acc[kRows];
    for (uint32_t r = 0; r < kRows; ++r) {
        acc[r] = depth.begin == 0 ? zero() : load(depth.partial + r * kPanelRows + columns.lane);
    }
    for (uint32_t b = depth.begin; b < depth.end; ++b, q += kBlock, ++info) {
        I first[kRows];
        I second[kHalves ? kRows : 1];
        for (uint32_t r = 0; r < kRows; ++r) {
            first[r] = start<kPack>(info[r * x.info_stride], 0);
            if constexpr (kHalves) second[r] = start<kPack>(info[r * x.info_stride], 1);
        }
        I* other = kHalves ? second : first;
        dot_pair<kPack, kRows, 0>(blocks.template pair<0>(b), q, x.q_stride, first, other);
        dot_pair<kPack, kRows, 1>(blocks.template pair<1>(b), q, x.q_stride, first, other);
        dot_pair<kPack, kRows, 2>(blocks.template pair<2>(b), q, x.q_stride, first, other);
        dot_pair<kPack, kRows, 3>(blocks.template pair<3>(b), q, x.q_stride, first, other);
        const Scales s = blocks.scales(b);
        for (uint32_t r = 0; r < kRows; ++r) {
            const BlockInfo& i = info[r * x.info_stride];
            const F scale = set1(i.scale);
            acc[r] = fma(to_float(first[r]), mul(s.d[0], scale), acc[r]);
            if constexpr (kHalves) acc[r] = fma(to_float(second[r]), mul(s.d[1], scale), acc[r]);
            if constexpr (has_min<kPack>()) acc[r] = fma(s.min[0], set1(i.scaled_sum), acc[r]);
            if constexpr (kPack == Pack::kQ2K) {
                for (int half = 0; half < 2; ++half) {
                    const float sum = i.scale * static_cast<float>(i.offset32[half]);
                    acc[r] = fma(s.min[half], set1(sum), acc[r]);
                }
            }
        }
    }
    const uint32_t lane = columns.lane;
    if (depth.end < x.blocks) {
        for (uint32_t r = 0; r < kRows; ++r) store(depth.partial + r * kPanelRows + lane, acc[r]);
        return;
    }
    const uint32_t n = columns.columns - lane < kLanes ? columns.columns - lane : kLanes;
    for (uint32_t r = 0; r < kRows; ++r) store_out(out, row + r, lane, n, acc[r]);
}

/// Rows row .. end in tiles of kRows, then what is left in smaller tiles.
template <Pack kPack, uint32_t kRows>
inline void packed_rows(const PanelBlocks<kPack>& blocks, const QuantRows& x, uint32_t row, uint32_t end, Depth depth,
                        Columns columns, const OutTile& out) {
    for (; row + kRows <= end; row += kRows, depth.partial += kRows * kPanelRows) {
        packed_tile<kPack, kRows>(blocks, x, row, depth, columns, out);
    }
    if constexpr (kRows > 1) {
        if (row < end) packed_rows<kPack, kRows / 2>(blocks, x, row, end, depth, columns, out);
    }
}

/// Many rows of formats that are dear to decode: a part of the panel is decoded once and all of them pass over it.
/// Others are as fast without, and fewer rows faster.
template <Pack kPack>
inline void packed_pass(const PanelBlocks<kPack>& blocks, const QuantRows& x, uint32_t first, uint32_t end,
                        Columns columns, const OutTile& out) {
    alignas(64) float partial[kPassRows * kPanelRows];
    DecodedBlocks<kPack> decoded;
    for (uint32_t begin = 0; begin < x.blocks; begin += kPassBlocks) {
        Depth depth{begin, x.blocks - begin < kPassBlocks ? x.blocks : begin + kPassBlocks, partial};
        decoded.decode(blocks, depth.begin, depth.end);
        uint32_t row = first;
        for (; row + kPackedRows <= end; row += kPackedRows, depth.partial += kPackedRows * kPanelRows) {
            packed_tile<kPack, kPackedRows>(decoded, x, row, depth, columns, out);
        }
        if constexpr (kPackedRows > 1) {
            if (row < end) packed_rows<kPack, kPackedRows / 2>(blocks, x, row, end, depth, columns, out);
        }
    }
}

template <Pack kPack>
void packed(const uint8_t* panel, const QuantRows& x, uint32_t columns, const OutTile& out) {
    for (uint32_t lane = 0; lane < columns; lane += kLanes) {
        const PanelBlocks<kPack> blocks(panel, x.blocks, lane);
        for (uint32_t row = 0; row < x.rows; row += kPassRows) {
            const uint32_t end = x.rows - row < kPassRows ? x.rows : row + kPassRows;
            if constexpr (has_halves<kPack>()) {
                if (end - row == kPassRows) {
                    packed_pass<kPack>(blocks, x, row, end, {lane, columns}, out);
                    continue;
                }
            }
            float partial[kPassRows * kPanelRows];  // not used: there is only one part
            packed_rows<kPack, kPackedRows>(blocks, x, row, end, {0, x.blocks, partial}, {lane, columns}, out);
        }
    }
}

}  // namespace
