// Products of int8 activations with packed quantised panels: integer dot products. Written once over the vectors of
// simd_*.hpp; included by kernel translation units only, after panel_blocks.inc.hpp.
#pragma once

#include "plugins/cpu/kernels/kernels.hpp"
#include "plugins/cpu/kernels/panel_blocks.inc.hpp"

namespace {

using gantry::cpu::OutTile;
using gantry::cpu::QuantRows;

template <Pack kPack>
inline I dot_weights(I acc, B weights, B x) {
    constexpr bool kWide = kPack == Pack::kQ8_0 || has_codes<kPack>();
    return kWide ? dot4_wide(acc, weights, x) : dot4(acc, weights, x);
}

/// Two vectors of weights times the activations at q.
template <Pack kPack, uint32_t kRows, int kPair>
inline void dot_pair(const Pair& w, const int8_t* q, size_t q_stride, I* first, I* second) {
    for (uint32_t r = 0; r < kRows; ++r) {
        first[r] = dot_weights<kPack>(first[r], w.low, spread4(q + r * q_stride + 4 * kPair));
        second[r] = dot_weights<kPack>(second[r], w.high, spread4(q + r * q_stride + 4 * kPair + 16));
    }
}

inline void store_out(const OutTile& out, size_t row, uint32_t lane, uint32_t n, F value) {
    float* to = out.data + row * out.stride + lane;
    if (out.bias != nullptr) value = add(value, load_n(out.bias + lane, n));
    if (out.accumulate) value = add(load_n(to, n), value);
    store_n(to, value, n);
}

/// The least significant part of a sum of products: what a block's minima add to kLanes columns of a row.
template <Pack kPack>
inline F add_minima(F acc, const BlockInfo& info, F first, F second) {
    if constexpr (has_min<kPack>()) acc = fma(first, set1(info.scaled_sum), acc);
    if constexpr (kPack == Pack::kQ2K) {
        acc = fma(first, set1(info.scale * static_cast<float>(info.offset32[0])), acc);
        acc = fma(second, set1(info.scale * static_cast<float>(info.offset32[1])), acc);
    }
    return acc;
}

/// Which columns of the output a tile computes: from `first` on, but not beyond `count`.
struct Columns {
    uint32_t first;
    uint32_t count;
};

inline void store_columns(const OutTile& out, size_t row, Columns columns, F value) {
    const uint32_t left = columns.count - columns.first;
    store_out(out, row, columns.first, left < kLanes ? left : kLanes, value);
}

/// kRows rows of activations times kLanes weight rows, which are decoded on the way: few rows.
template <Pack kPack, uint32_t kRows>
inline void packed_tile(const PanelBlocks<kPack>& blocks, const QuantRows& x, uint32_t row, Columns columns,
                        const OutTile& out) {
    // Sums of the two halves of a block are separate only where their scales are.
    constexpr bool kHalves = has_halves<kPack>();
    const int8_t* q = x.q + row * x.q_stride;
    const BlockInfo* info = x.info + row * x.info_stride;
    F acc[kRows];
    for (uint32_t r = 0; r < kRows; ++r) acc[r] = zero();
    for (uint32_t b = 0; b < x.blocks; ++b, q += kBlock, ++info) {
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
            acc[r] = add_minima<kPack>(acc[r], i, s.min[0], s.min[1]);
        }
    }
    for (uint32_t r = 0; r < kRows; ++r) store_columns(out, row + r, columns, acc[r]);
}

/// Rows from `row` on in tiles of kRows, then what is left in smaller tiles.
template <Pack kPack, uint32_t kRows>
inline void packed_rows(const PanelBlocks<kPack>& blocks, const QuantRows& x, uint32_t row, Columns columns,
                        const OutTile& out) {
    for (; row + kRows <= x.rows; row += kRows) packed_tile<kPack, kRows>(blocks, x, row, columns, out);
    if constexpr (kRows > 1) {
        if (row < x.rows) packed_rows<kPack, kRows / 2>(blocks, x, row, columns, out);
    }
}

/// A part of the depth, in blocks. Sums of parts that are not the last one wait in `partial`, kPassColumns a row.
struct Depth {
    uint32_t begin;
    uint32_t end;
    float* partial;
};
constexpr uint32_t kPassColumns = kPassVectors * kLanes;

/// Sums of one block, or of a half of it, in registers.
template <uint32_t kRows>
struct PassSums {
    I sums[kRows][kPassVectors];
};

/// Vectors kVector .. kEnd - 1 of a block times the activations at q. A recursion and no loop: the compiler must not
/// keep it rolled, or it moves all the sums from register to register each time.
template <Pack kPack, uint32_t kRows, uint32_t kVector, uint32_t kEnd>
inline void pass_vectors(const DecodedBlocks<kPack>* decoded, uint32_t block, const int8_t* q, size_t q_stride,
                         PassSums<kRows>& to) {
    B w[kPassVectors];
    for (uint32_t v = 0; v < kPassVectors; ++v) w[v] = decoded[v].vector(block, kVector);
    for (uint32_t r = 0; r < kRows; ++r) {
        const B four = spread4(q + r * q_stride + size_t{4} * kVector);
        for (uint32_t v = 0; v < kPassVectors; ++v) to.sums[r][v] = dot_weights<kPack>(to.sums[r][v], w[v], four);
    }
    if constexpr (kVector + 1 < kEnd) {
        pass_vectors<kPack, kRows, kVector + 1, kEnd>(decoded, block, q, q_stride, to);
    }
}

/// What a block, or one half of it, adds to the sums of a tile.
template <Pack kPack, uint32_t kRows, uint32_t kPart>
inline void pass_part(const DecodedBlocks<kPack>* decoded, uint32_t block, const QuantRows& x, const int8_t* q,
                      const BlockInfo* info, F (&acc)[kRows][kPassVectors]) {
    constexpr uint32_t kPartVectors = has_halves<kPack>() ? 4 : 8;
    PassSums<kRows> part;
    for (uint32_t r = 0; r < kRows; ++r) {
        for (uint32_t v = 0; v < kPassVectors; ++v) part.sums[r][v] = start<kPack>(info[r * x.info_stride], kPart);
    }
    pass_vectors<kPack, kRows, kPart * kPartVectors, (kPart + 1) * kPartVectors>(decoded, block, q, x.q_stride, part);
    F d[kPassVectors];
    for (uint32_t v = 0; v < kPassVectors; ++v) d[v] = decoded[v].scale(block, kPart);
    for (uint32_t r = 0; r < kRows; ++r) {
        const F scale = set1(info[r * x.info_stride].scale);
        for (uint32_t v = 0; v < kPassVectors; ++v) {
            acc[r][v] = fma(to_float(part.sums[r][v]), mul(d[v], scale), acc[r][v]);
        }
    }
}

/// kRows rows of activations times kPassColumns weight rows over a part of the depth. Sums of a row are formed in the
/// same order as in packed_tile.
template <Pack kPack, uint32_t kRows>
inline void pass_tile(const DecodedBlocks<kPack>* decoded, const QuantRows& x, uint32_t row, const Depth& depth,
                      Columns columns, const OutTile& out) {
    const int8_t* q = x.q + row * x.q_stride + static_cast<size_t>(depth.begin) * kBlock;
    const BlockInfo* info = x.info + row * x.info_stride + depth.begin;
    F acc[kRows][kPassVectors];
    for (uint32_t r = 0; r < kRows; ++r) {
        for (uint32_t v = 0; v < kPassVectors; ++v) {
            acc[r][v] = depth.begin == 0 ? zero() : load(depth.partial + r * kPassColumns + v * kLanes);
        }
    }
    for (uint32_t b = depth.begin; b < depth.end; ++b, q += kBlock, ++info) {
        pass_part<kPack, kRows, 0>(decoded, b, x, q, info, acc);
        if constexpr (has_halves<kPack>()) pass_part<kPack, kRows, 1>(decoded, b, x, q, info, acc);
        if constexpr (has_min<kPack>() || kPack == Pack::kQ2K) {
            for (uint32_t v = 0; v < kPassVectors; ++v) {
                const F first = decoded[v].min(b, 0);
                const F second = kPack == Pack::kQ2K ? decoded[v].min(b, 1) : first;
                for (uint32_t r = 0; r < kRows; ++r) {
                    acc[r][v] = add_minima<kPack>(acc[r][v], info[r * x.info_stride], first, second);
                }
            }
        }
    }
    for (uint32_t r = 0; r < kRows; ++r) {
        for (uint32_t v = 0; v < kPassVectors; ++v) {
            if (depth.end < x.blocks) {
                store(depth.partial + r * kPassColumns + v * kLanes, acc[r][v]);
            } else {
                store_columns(out, row + r, {columns.first + v * kLanes, columns.count}, acc[r][v]);
            }
        }
    }
}

/// Rows row .. end in tiles of kRows, then what is left in smaller tiles.
template <Pack kPack, uint32_t kRows>
inline void pass_rows(const DecodedBlocks<kPack>* decoded, const QuantRows& x, uint32_t row, uint32_t end, Depth depth,
                      Columns columns, const OutTile& out) {
    for (; row + kRows <= end; row += kRows, depth.partial += kRows * kPassColumns) {
        pass_tile<kPack, kRows>(decoded, x, row, depth, columns, out);
    }
    if constexpr (kRows > 1) {
        if (row < end) pass_rows<kPack, (kRows > 4 ? 4 : kRows / 2)>(decoded, x, row, end, depth, columns, out);
    }
}

/// Many rows: a part of the weights is decoded once, and up to kPassRows rows pass over it.
template <Pack kPack>
inline void packed_passes(const PanelBlocks<kPack>* blocks, const QuantRows& x, Columns columns, const OutTile& out) {
    alignas(64) float partial[kPassRows * kPassColumns];
    DecodedBlocks<kPack> decoded[kPassVectors];
    for (uint32_t row = 0; row < x.rows; row += kPassRows) {
        const uint32_t end = x.rows - row < kPassRows ? x.rows : row + kPassRows;
        for (uint32_t begin = 0; begin < x.blocks; begin += kPassBlocks) {
            const uint32_t stop = x.blocks - begin < kPassBlocks ? x.blocks : begin + kPassBlocks;
            for (uint32_t v = 0; v < kPassVectors; ++v) decoded[v].decode(blocks[v], begin, stop);
            pass_rows<kPack, kPassTileRows>(decoded, x, row, end, {begin, stop, partial}, columns, out);
        }
    }
}

template <Pack kPack>
void packed(const uint8_t* panel, const QuantRows& x, uint32_t columns, const OutTile& out) {
    constexpr auto kLayout = pack_layout(kPack);
    const auto blocks_at = [&](uint32_t column) {
        const size_t offset = column / kPanelRows * kLayout.panel_bytes(x.blocks);
        return PanelBlocks<kPack>(panel + offset, x.blocks, column % kPanelRows);
    };
    uint32_t column = 0;
    if constexpr (kPassVectors > 1) {
        for (; x.rows >= kLeastPassRows && column + kLanes < columns; column += kPassColumns) {
            const PanelBlocks<kPack> both[] = {blocks_at(column), blocks_at(column + kLanes)};
            packed_passes<kPack>(both, x, {column, columns}, out);
        }
    }
    for (; column < columns; column += kLanes) {
        packed_rows<kPack, kPackedRows>(blocks_at(column), x, 0, {column, columns}, out);
    }
}

}  // namespace
