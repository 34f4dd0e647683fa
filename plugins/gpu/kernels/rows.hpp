#pragma once

/// Kernels without barriers: a thread an element.

#include <math.h>

#include "plugins/gpu/kernels/decode.hpp"

namespace gantry::gpu {

/// This thread's place in a one-dimensional grid.
template <class Thread>
GANTRY_GPU uint64_t global_index(const Thread& t) {
    return uint64_t{t.block_x()} * t.count() + t.index();
}

enum class Function : uint32_t { kSilu, kGelu, kGeluTanh, kRelu, kReluSquared, kTanh };

GANTRY_GPU inline float apply(Function function, float x) {
    switch (function) {
        case Function::kSilu:
            return x / (1 + expf(-x));
        case Function::kGelu:
            return 0.5F * x * (1 + erff(x * 0.70710678118654752F));
        case Function::kGeluTanh:
            return 0.5F * x * (1 + tanhf(0.79788456080286536F * (x + 0.044715F * x * x * x)));
        case Function::kRelu:
            return x > 0 ? x : 0;
        case Function::kReluSquared:
            return x > 0 ? x * x : 0;
        case Function::kTanh:
            return tanhf(x);
    }
    return x;
}

enum class Operation : uint32_t { kAdd, kScale, kSoftcap, kActivate, kGated };

/// out = x op y, element by element; out may be x.
struct Pointwise {
    static constexpr bool kCooperative = false;
    Operation operation = Operation::kAdd;
    Function function = Function::kSilu;
    float factor = 0;
    Global<float> x, y, out;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint64_t i = global_index(t);
        if (i >= out.size) return;
        const float value = x.get(t, i);
        float result = 0;
        switch (operation) {
            case Operation::kAdd:
                result = value + y.get(t, i);
                break;
            case Operation::kScale:
                result = value * factor;
                break;
            case Operation::kSoftcap:
                result = factor * tanhf(value / factor);
                break;
            case Operation::kActivate:
                result = apply(function, value);
                break;
            case Operation::kGated:
                result = apply(function, value) * y.get(t, i);
                break;
        }
        out.set(t, i, result);
    }
};

/// out[i] = table[ids[i]], decoded.
struct Lookup {
    static constexpr bool kCooperative = false;
    Format format = Format::kF32;
    uint32_t cols = 0;
    Bytes table;
    Global<uint32_t> ids;
    Global<float> out;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint64_t i = global_index(t);
        if (i >= out.size) return;
        const uint64_t row = ids.get(t, i / cols) * format_row_bytes(format, cols);
        out.set(t, i, decode(t, format, table, row, static_cast<uint32_t>(i % cols)));
    }
};

/// out[rows[i]] += factors[i] * x[i]; the rows are distinct.
struct AddScaledRows {
    static constexpr bool kCooperative = false;
    uint32_t cols = 0;
    Global<float> x, factors, out;
    Global<uint32_t> rows;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint64_t i = global_index(t);
        if (i >= rows.size * cols) return;
        const uint64_t to = uint64_t{rows.get(t, i / cols)} * cols + i % cols;
        out.set(t, to, out.get(t, to) + factors.get(t, i / cols) * x.get(t, i));
    }
};

/// out[s] = the mean of x's rows begin[s] .. begin[s+1].
struct MeanRows {
    static constexpr bool kCooperative = false;
    uint32_t cols = 0;
    Global<float> x, out;
    Global<uint32_t> begin;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint64_t i = global_index(t);
        if (i >= out.size) return;
        const uint32_t from = begin.get(t, i / cols);
        const uint32_t to = begin.get(t, i / cols + 1);
        float sum = 0;
        for (uint32_t r = from; r < to; ++r) sum += x.get(t, uint64_t{r} * cols + i % cols);
        out.set(t, i, sum / static_cast<float>(to - from));
    }
};

/// Rotates the first 2 * pairs values of every head in place (RoFormer, arXiv:2104.09864).
struct Rotate {
    static constexpr bool kCooperative = false;
    bool half = true;  ///< pairs (i, i + pairs), else (2i, 2i + 1)
    uint32_t pairs = 0;
    uint32_t head_dim = 0;
    uint32_t cols = 0;
    float magnitude = 1;
    Global<float> x, inv_freq;
    Global<uint32_t> positions;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint64_t i = global_index(t);
        const uint32_t heads = cols / head_dim;
        if (i >= positions.size * heads * pairs) return;
        const auto pair = static_cast<uint32_t>(i % pairs);
        const uint64_t head = i / pairs;  // of all tokens
        const float angle = static_cast<float>(positions.get(t, head / heads)) * inv_freq.get(t, pair);
        const float c = cosf(angle) * magnitude;
        const float s = sinf(angle) * magnitude;
        const uint64_t first = head * head_dim + (half ? pair : 2 * pair);
        const uint64_t second = half ? first + pairs : first + 1;
        const float a = x.get(t, first);
        const float b = x.get(t, second);
        x.set(t, first, a * c - b * s);
        x.set(t, second, b * c + a * s);
    }
};

}  // namespace gantry::gpu
