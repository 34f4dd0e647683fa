// Products of fp32 rows with plain weight rows. Written once over the vectors of simd_*.hpp; included by kernel
// translation units only, after packed.inc.hpp.
#pragma once

#include "plugins/cpu/kernels/kernels.hpp"
#include "plugins/cpu/kernels/packed.inc.hpp"

namespace {

using gantry::cpu::DotArgs;
using gantry::cpu::Element;

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
