#pragma once

/// Norms and products: kernels whose threads work together.

#include "plugins/gpu/kernels/rows.hpp"

namespace gantry::gpu {

/// The sum of `value` over the block, in every thread. Shared floats 0 .. warps-1 are used; begins with a barrier, so
/// that what was read from them before is safe.
template <class Thread>
GANTRY_GPU float block_sum(Thread& t, float value) {
    const float mine = t.warp_sum(value);
    t.barrier();
    if (t.index() % t.warp_size() == 0) t.shared_store(t.index() / t.warp_size(), mine);
    t.barrier();
    float sum = 0;
    for (uint32_t warp = 0; warp < t.count() / t.warp_size(); ++warp) sum += t.shared_load(warp);
    return sum;
}

/// One block a row. RMS norm (arXiv:1910.07467), or with `centred` layer norm (arXiv:1607.06450); out may be x.
struct Norm {
    static constexpr bool kCooperative = true;
    bool centred = false;
    uint32_t cols = 0;
    float eps = 0;
    float gain_offset = 0;
    Global<float> x, gain, bias, out;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint64_t row = uint64_t{t.block_x()} * cols;
        const auto n = static_cast<float>(cols);
        float mean = 0;
        if (centred) {
            for (uint32_t i = t.index(); i < cols; i += t.count()) mean += x.get(t, row + i);
            mean = block_sum(t, mean) / n;
        }
        float squares = 0;
        for (uint32_t i = t.index(); i < cols; i += t.count()) {
            const float value = x.get(t, row + i) - mean;
            squares += value * value;
        }
        const float inverse = 1 / sqrtf(block_sum(t, squares) / n + eps);
        for (uint32_t i = t.index(); i < cols; i += t.count()) {
            float value = (x.get(t, row + i) - mean) * inverse * (gain.get(t, i) + gain_offset);
            if (bias.size != 0) value += bias.get(t, i);
            out.set(t, row + i, value);
        }
    }
};

/// What both products compute: out[rows, n] (+)= x[rows, k] * weight[n, k]^T + bias.
struct Product {
    Format format = Format::kF32;
    uint32_t rows = 0;
    uint32_t n = 0;
    uint32_t k = 0;
    bool accumulate = false;
    Bytes weight;
    Global<float> x, bias, out;

    template <class Thread>
    GANTRY_GPU void finish(Thread& t, uint32_t row, uint32_t col, float sum) const {
        const uint64_t to = uint64_t{row} * n + col;
        if (bias.size != 0) sum += bias.get(t, col);
        out.set(t, to, accumulate ? out.get(t, to) + sum : sum);
    }
};

/// For few rows: a warp an output column, which decodes its weights once for kRows rows. Every row's sum has one order,
/// whatever the other rows are.
struct MatVec {
    static constexpr bool kCooperative = true;
    static constexpr uint32_t kRows = 4;
    Product p;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint32_t lane = t.index() % t.warp_size();
        const uint32_t col = t.block_x() * (t.count() / t.warp_size()) + t.index() / t.warp_size();
        const uint32_t first = t.block_y() * kRows;
        float sums[kRows] = {};
        if (col < p.n) {
            const uint64_t row = col * format_row_bytes(p.format, p.k);
            for (uint32_t i = lane; i < p.k; i += t.warp_size()) {
                const float w = decode(t, p.format, p.weight, row, i);
                for (uint32_t r = 0; r < kRows && first + r < p.rows; ++r) {
                    sums[r] += w * p.x.get(t, uint64_t{first + r} * p.k + i);
                }
            }
        }
        for (uint32_t r = 0; r < kRows && first + r < p.rows; ++r) {
            const float sum = t.warp_sum(sums[r]);
            if (lane == 0 && col < p.n) p.finish(t, first + r, col, sum);
        }
    }
};

/// For many rows: tiles of kTile x kTile outputs, both factors staged in shared memory; kTile^2 threads.
struct MatMat {
    static constexpr bool kCooperative = true;
    static constexpr uint32_t kTile = 16;
    Product p;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint32_t along = t.index() % kTile;
        const uint32_t across = t.index() / kTile;
        const uint32_t row = t.block_y() * kTile + across;
        const uint32_t col = t.block_x() * kTile + along;
        const uint32_t staged_col = t.block_x() * kTile + across;  // consecutive threads read one weight row
        const uint64_t weight_row = staged_col * format_row_bytes(p.format, p.k);
        float sum = 0;
        for (uint32_t begin = 0; begin < p.k; begin += kTile) {
            const uint32_t i = begin + along;
            const bool inside = i < p.k;
            t.shared_store(across * kTile + along, inside && row < p.rows ? p.x.get(t, uint64_t{row} * p.k + i) : 0.0F);
            // Padded rows: threads of a warp then read different banks.
            t.shared_store(kTile * kTile + across * (kTile + 1) + along,
                           inside && staged_col < p.n ? decode(t, p.format, p.weight, weight_row, i) : 0.0F);
            t.barrier();
            for (uint32_t j = 0; j < kTile; ++j) {
                sum += t.shared_load(across * kTile + j) * t.shared_load(kTile * kTile + along * (kTile + 1) + j);
            }
            t.barrier();
        }
        if (row < p.rows && col < p.n) p.finish(t, row, col, sum);
    }

    static constexpr uint32_t shared_floats() { return kTile * kTile + kTile * (kTile + 1); }
};

}  // namespace gantry::gpu
