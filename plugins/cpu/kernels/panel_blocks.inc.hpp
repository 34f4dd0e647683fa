// The blocks of packed quantised panels as vectors of unsigned bytes and fp32 scales. Written once over the vectors of
// simd_*.hpp; included by kernel translation units only, after math.inc.hpp.
#pragma once

#include "plugins/cpu/kernels/kernels.hpp"
#include "plugins/cpu/kernels/math.inc.hpp"
#include "plugins/cpu/kernels/pack_layout.hpp"

namespace {

using gantry::cpu::kBlock;
using gantry::cpu::kPanelRows;
using gantry::cpu::Pack;
using gantry::cpu::pack_layout;

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

/// Activation rows that pass over a part of the weights, and the blocks of such a part: the decoded part and the rows
/// of a tile stay in the L1 cache together, the rows of a pass in the L2 cache.
constexpr uint32_t kPassRows = 96;
constexpr uint32_t kPassBlocks = 16;
/// From this many rows on it is worth decoding weights into the cache.
constexpr uint32_t kLeastPassRows = 32;

/// Blocks of a part of kLanes weight rows, decoded once for all rows of a pass.
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

    B vector(uint32_t block, uint32_t index) const { return load_bytes(values_[block - begin_][index]); }
    F scale(uint32_t block, uint32_t half) const { return load(scales_[block - begin_][half]); }
    F min(uint32_t block, uint32_t half) const { return load(scales_[block - begin_][2 + half]); }

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

}  // namespace
