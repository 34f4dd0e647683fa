// Products of fp32 rows with weights: packed quantised panels (integer dot products) and plain rows. Written once over
// the vectors of simd_*.hpp; included by kernel translation units only, after math.inc.hpp.
#pragma once

#include "plugins/cpu/kernels/kernels.hpp"
#include "plugins/cpu/kernels/math.inc.hpp"
#include "plugins/cpu/kernels/pack_layout.hpp"

namespace {

using gantry::cpu::DotArgs;
using gantry::cpu::Element;
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
    return iset1(0);
}

/// Scale (of each half of the block) and minimum of kLanes weight rows in one block.
struct Scales {
    F d[2];
    F min;
};

template <Pack kPack>
inline Scales block_scales(const uint8_t* scales, uint32_t block, uint32_t lane) {
    const auto halves = [](const uint8_t* p) { return load_f16(reinterpret_cast<const uint16_t*>(p)); };
    if constexpr (kPack == Pack::kQ8_0 || kPack == Pack::kQ4_0 || kPack == Pack::kQ5_0) {
        const F d = halves(scales + block * 32 + 2 * lane);
        return {{d, d}, d};
    } else if constexpr (kPack == Pack::kQ4_1 || kPack == Pack::kQ5_1) {
        const F d = halves(scales + block * 64 + 2 * lane);
        return {{d, d}, halves(scales + block * 64 + 32 + 2 * lane)};
    } else if constexpr (kPack == Pack::kQ6K) {
        const uint8_t* super = scales + block / 8 * 288;
        const F d = halves(super + 2 * lane);
        const uint8_t* small = super + 32 + block % 8 * 32 + lane;
        return {{mul(d, load_s8(small)), mul(d, load_s8(small + 16))}, d};
    } else {
        const uint8_t* super = scales + block / 8 * 320;
        const uint8_t* small = super + 64 + block % 8 * 32 + lane;
        const F d = mul(halves(super + 2 * lane), load_u8(small));
        const F min = mul(halves(super + 32 + 2 * lane), load_u8(small + 16));
        return {{d, d}, sub(zero(), min)};
    }
}

template <Pack kPack>
constexpr bool has_min() {
    return kPack == Pack::kQ4_1 || kPack == Pack::kQ5_1 || kPack == Pack::kQ4K || kPack == Pack::kQ5K;
}

/// How far ahead weights are asked for: the sums are long enough that the processor's own look-ahead would not reach
/// the next lines in time. The last blocks of a panel ask for the next panel.
constexpr size_t kPrefetchBytes = 4096;
inline void prefetch(const uint8_t* p) { __builtin_prefetch(p + kPrefetchBytes); }

/// Weight vectors kPair and kPair + 4 of a block (elements 4 kPair .. + 3 and 16 more on) times the activations.
template <Pack kPack, uint32_t kRows, int kPair>
inline void dot_pair(const uint8_t* quants, const int8_t* q, size_t q_stride, I* first, I* second) {
    if constexpr (kPack == Pack::kQ8_0) {
        const B low = load_bytes(quants + 64 * kPair);
        const B high = load_bytes(quants + 64 * (kPair + 4));
        prefetch(quants + 64 * kPair);
        prefetch(quants + 64 * (kPair + 4));
        for (uint32_t r = 0; r < kRows; ++r) {
            first[r] = dot4_wide(first[r], low, spread4(q + r * q_stride + 4 * kPair));
            second[r] = dot4_wide(second[r], high, spread4(q + r * q_stride + 4 * kPair + 16));
        }
    } else {
        const B nibbles = load_bytes(quants + 64 * kPair);
        prefetch(quants + 64 * kPair);
        B low = low_nibbles(nibbles);
        B high = high_nibbles(nibbles);
        if constexpr (kPack == Pack::kQ5_0 || kPack == Pack::kQ5_1 || kPack == Pack::kQ5K) {
            const B bits = load_bytes(quants + 256);
            low = with_high<kPair, 0x10>(low, bits);
            high = with_high<kPair + 4, 0x10>(high, bits);
        } else if constexpr (kPack == Pack::kQ6K) {
            low = with_high<2 * kPair, 0x30>(low, load_bytes(quants + 256));
            high = with_high<2 * kPair, 0x30>(high, load_bytes(quants + 320));
        }
        for (uint32_t r = 0; r < kRows; ++r) {
            first[r] = dot4(first[r], low, spread4(q + r * q_stride + 4 * kPair));
            second[r] = dot4(second[r], high, spread4(q + r * q_stride + 4 * kPair + 16));
        }
    }
}

inline void store_out(const OutTile& out, size_t row, uint32_t lane, uint32_t n, F value) {
    float* to = out.data + row * out.stride + lane;
    if (out.bias != nullptr) value = add(value, load_n(out.bias + lane, n));
    if (out.accumulate) value = add(load_n(to, n), value);
    store_n(to, value, n);
}

/// kRows rows of activations times kLanes rows of a panel, beginning at `lane`.
template <Pack kPack, uint32_t kRows>
inline void packed_tile(const uint8_t* panel, const QuantRows& x, uint32_t row, uint32_t lane, uint32_t columns,
                        const OutTile& out) {
    constexpr auto kLayout = pack_layout(kPack);
    // Sums of the two halves of a block are separate only where their scales are.
    constexpr bool kHalves = kPack == Pack::kQ6K;
    const uint8_t* quants = panel + kLayout.scale_section(x.blocks) + 4 * lane;
    const int8_t* q = x.q + row * x.q_stride;
    const BlockInfo* info = x.info + static_cast<size_t>(row) * x.blocks;
    F acc[kRows];
    for (uint32_t r = 0; r < kRows; ++r) acc[r] = zero();
    for (uint32_t b = 0; b < x.blocks; ++b, quants += kLayout.quant_bytes, q += kBlock, ++info) {
        I first[kRows];
        I second[kHalves ? kRows : 1];
        for (uint32_t r = 0; r < kRows; ++r) {
            first[r] = start<kPack>(info[static_cast<size_t>(r) * x.blocks], 0);
            if constexpr (kHalves) second[r] = start<kPack>(info[static_cast<size_t>(r) * x.blocks], 1);
        }
        I* other = kHalves ? second : first;
        dot_pair<kPack, kRows, 0>(quants, q, x.q_stride, first, other);
        dot_pair<kPack, kRows, 1>(quants, q, x.q_stride, first, other);
        dot_pair<kPack, kRows, 2>(quants, q, x.q_stride, first, other);
        dot_pair<kPack, kRows, 3>(quants, q, x.q_stride, first, other);
        const Scales s = block_scales<kPack>(panel, b, lane);
        for (uint32_t r = 0; r < kRows; ++r) {
            const BlockInfo& i = info[static_cast<size_t>(r) * x.blocks];
            const F scale = set1(i.scale);
            acc[r] = fma(to_float(first[r]), mul(s.d[0], scale), acc[r]);
            if constexpr (kHalves) acc[r] = fma(to_float(second[r]), mul(s.d[1], scale), acc[r]);
            if constexpr (has_min<kPack>()) acc[r] = fma(s.min, set1(i.scaled_sum), acc[r]);
        }
    }
    const uint32_t n = columns - lane < kLanes ? columns - lane : kLanes;
    for (uint32_t r = 0; r < kRows; ++r) store_out(out, row + r, lane, n, acc[r]);
}

/// Rows from `row` on in tiles of kRows, then what is left in smaller tiles.
template <Pack kPack, uint32_t kRows>
inline void packed_rows(const uint8_t* panel, const QuantRows& x, uint32_t row, uint32_t lane, uint32_t columns,
                        const OutTile& out) {
    for (; row + kRows <= x.rows; row += kRows) packed_tile<kPack, kRows>(panel, x, row, lane, columns, out);
    if constexpr (kRows > 1) {
        if (row < x.rows) packed_rows<kPack, kRows / 2>(panel, x, row, lane, columns, out);
    }
}

template <Pack kPack>
void packed(const uint8_t* panel, const QuantRows& x, uint32_t columns, const OutTile& out) {
    for (uint32_t lane = 0; lane < columns; lane += kLanes) {
        packed_rows<kPack, kPackedRows>(panel, x, 0, lane, columns, out);
    }
}

template <Element kElement>
inline F load_element(const void* base, size_t index) {
    if constexpr (kElement == Element::kF32) return load(static_cast<const float*>(base) + index);
    if constexpr (kElement == Element::kF16) return load_f16(static_cast<const uint16_t*>(base) + index);
    return load_bf16(static_cast<const uint16_t*>(base) + index);
}

/// The last `n` < kLanes elements of a row.
template <Element kElement>
inline F load_last(const void* base, size_t index, uint32_t n) {
    if constexpr (kElement == Element::kF32) {
        return load_part(static_cast<const float*>(base) + index, n);
    } else {
        uint16_t last[kLanes] = {};
        const uint16_t* from = static_cast<const uint16_t*>(base) + index;
        for (uint32_t i = 0; i < n; ++i) last[i] = from[i];
        return load_element<kElement>(last, 0);
    }
}

template <Element kElement, uint32_t kRows, uint32_t kColumns>
inline void dot_tile(const DotArgs& a, uint32_t row, uint32_t column) {
    const float* x = a.x + row * a.x_stride;
    const auto* w = static_cast<const uint8_t*>(a.weights) + column * a.weight_stride;
    F acc[kRows][kColumns];
    for (uint32_t r = 0; r < kRows; ++r) {
        for (uint32_t c = 0; c < kColumns; ++c) acc[r][c] = zero();
    }
    const auto step = [&](uint32_t k, auto load_weight, auto load_x) {
        F weights[kColumns];
        for (uint32_t c = 0; c < kColumns; ++c) weights[c] = load_weight(w + c * a.weight_stride, k);
        for (uint32_t r = 0; r < kRows; ++r) {
            const F value = load_x(x + r * a.x_stride + k);
            for (uint32_t c = 0; c < kColumns; ++c) acc[r][c] = fma(value, weights[c], acc[r][c]);
        }
    };
    const uint32_t whole = a.depth / kLanes * kLanes;
    for (uint32_t k = 0; k < whole; k += kLanes) {
        step(
            k, [](const uint8_t* p, uint32_t i) { return load_element<kElement>(p, i); },
            [](const float* p) { return load(p); });
    }
    if (const uint32_t rest = a.depth - whole; rest > 0) {
        step(
            whole, [&](const uint8_t* p, uint32_t i) { return load_last<kElement>(p, i, rest); },
            [&](const float* p) { return load_part(p, rest); });
    }
    for (uint32_t r = 0; r < kRows; ++r) {
        for (uint32_t c = 0; c < kColumns; ++c) {
            float value = sum(acc[r][c]);
            float& to = a.out.data[(row + r) * a.out.stride + column + c];
            if (a.out.bias != nullptr) value += a.out.bias[column + c];
            to = a.out.accumulate ? to + value : value;
        }
    }
}

template <Element kElement, uint32_t kRows, uint32_t kColumns>
inline void dot_rows(const DotArgs& a, uint32_t row, uint32_t column) {
    for (; row + kRows <= a.rows; row += kRows) dot_tile<kElement, kRows, kColumns>(a, row, column);
    if constexpr (kRows > 1) {
        if (row < a.rows) dot_rows<kElement, kRows / 2, kColumns>(a, row, column);
    }
}

template <Element kElement>
void dot(const DotArgs& a) {
    uint32_t column = 0;
    for (; column + 4 <= a.columns; column += 4) dot_rows<kElement, kDotRows, 4>(a, 0, column);
    for (; column < a.columns; ++column) dot_rows<kElement, kDotRows, 1>(a, 0, column);
}

}  // namespace
