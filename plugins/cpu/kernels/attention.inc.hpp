// Attention of query rows that share a KV head over groups of 16 tokens, with a running softmax. Written once over the
// vectors of simd_*.hpp; included by kernel translation units only, after products.inc.hpp.
#pragma once

#include "plugins/cpu/kernels/kernels.hpp"
#include "plugins/cpu/kernels/products.inc.hpp"

namespace {

using gantry::cpu::AttentionTile;
using gantry::cpu::kGroupTokens;
using gantry::cpu::kStepTokens;
using gantry::cpu::KvGroup;

constexpr uint32_t kGroupVectors = kGroupTokens / kLanes;
constexpr uint32_t kStepGroups = kStepTokens / kGroupTokens;

/// Scores of kRows query rows against the tokens of one group.
template <Element kElement, uint32_t kRows>
inline void group_scores(const AttentionTile& t, uint32_t row, const KvGroup& group, uint32_t at) {
    F acc[kRows][kGroupVectors];
    for (uint32_t r = 0; r < kRows; ++r) {
        for (uint32_t i = 0; i < kGroupVectors; ++i) acc[r][i] = zero();
    }
    const float* q = t.q + static_cast<size_t>(row) * t.head_dim;
    for (uint32_t d = 0; d < t.head_dim; ++d) {
        F k[kGroupVectors];
        for (uint32_t i = 0; i < kGroupVectors; ++i) {
            k[i] = load_element<kElement>(group.k, static_cast<size_t>(d) * kGroupTokens + i * kLanes);
        }
        for (uint32_t r = 0; r < kRows; ++r) {
            const F value = set1(q[static_cast<size_t>(r) * t.head_dim + d]);
            for (uint32_t i = 0; i < kGroupVectors; ++i) acc[r][i] = fma(value, k[i], acc[r][i]);
        }
    }
    for (uint32_t r = 0; r < kRows; ++r) {
        float* to = t.scores + static_cast<size_t>(row + r) * kStepTokens + at;
        for (uint32_t i = 0; i < kGroupVectors; ++i) {
            F score = acc[r][i];
            if (t.softcap > 0.0F) score = mul(tanh_lanes(div(score, set1(t.softcap))), set1(t.softcap));
            store(to + i * kLanes, score);
        }
    }
}

/// Sets what the row must not see to -infinity.
inline void mask_scores(const AttentionTile& t, uint32_t row, const KvGroup& group, uint32_t at) {
    const bool whole = group.count == kGroupTokens && group.first >= t.begin[row] &&
                       group.first + kGroupTokens <= t.end[row] &&
                       (t.mask == nullptr || group.first + kGroupTokens <= t.mask_first);
    if (whole) return;
    float* scores = t.scores + static_cast<size_t>(row) * kStepTokens + at;
    for (uint32_t i = 0; i < kGroupTokens; ++i) {
        const uint32_t token = group.first + i;
        bool seen = i < group.count && token >= t.begin[row] && token < t.end[row];
        if (seen && t.mask != nullptr && token >= t.mask_first) {
            seen = t.mask[row][token - t.mask_first] != 0;
        }
        if (!seen) scores[i] = -INFINITY;
    }
}

/// Turns a row's scores into weights relative to the new maximum and rescales what was accumulated before.
inline void update_row(const AttentionTile& t, uint32_t row, uint32_t groups) {
    float* scores = t.scores + static_cast<size_t>(row) * kStepTokens;
    const uint32_t n = groups * kGroupTokens;
    F peak = set1(-INFINITY);
    for (uint32_t i = 0; i < n; i += kLanes) peak = max(peak, load(scores + i));
    const float before = t.maximum[row];
    const float step = largest(peak);
    const float now = step > before ? step : before;
    if (now == -INFINITY) {
        for (uint32_t i = 0; i < n; i += kLanes) store(scores + i, zero());
        return;
    }
    F total = zero();
    for (uint32_t i = 0; i < n; i += kLanes) {
        const F weight = exp_lanes(sub(load(scores + i), set1(now)));
        store(scores + i, weight);
        total = add(total, weight);
    }
    if (now != before) {
        const F factor = set1(expf(before - now));
        float* acc = t.acc + static_cast<size_t>(row) * t.v_stride;
        for (uint32_t i = 0; i < t.v_stride; i += kLanes) store(acc + i, mul(load(acc + i), factor));
        t.sum[row] *= expf(before - now);
        t.maximum[row] = now;
    }
    t.sum[row] += sum(total);
}

/// acc[kRows] += weights * V over the tokens of a step that any of the rows can see.
template <Element kElement, uint32_t kRows, uint32_t kVectors>
inline void add_values(const AttentionTile& t, uint32_t row, const KvGroup* groups, uint32_t count, uint32_t end,
                       uint32_t column) {
    float* acc = t.acc + static_cast<size_t>(row) * t.v_stride + column;
    const float* weights = t.scores + static_cast<size_t>(row) * kStepTokens;
    F out[kRows][kVectors];
    for (uint32_t r = 0; r < kRows; ++r) {
        for (uint32_t i = 0; i < kVectors; ++i) out[r][i] = load(acc + r * t.v_stride + i * kLanes);
    }
    for (uint32_t g = 0; g < count; ++g) {
        if (groups[g].first >= end) break;
        const uint32_t left = end - groups[g].first;
        const uint32_t tokens = groups[g].count < left ? groups[g].count : left;
        for (uint32_t j = 0; j < tokens; ++j) {
            F v[kVectors];
            for (uint32_t i = 0; i < kVectors; ++i) {
                v[i] = load_element<kElement>(groups[g].v, static_cast<size_t>(j) * t.v_stride + column + i * kLanes);
            }
            for (uint32_t r = 0; r < kRows; ++r) {
                const F weight = set1(weights[r * kStepTokens + g * kGroupTokens + j]);
                for (uint32_t i = 0; i < kVectors; ++i) out[r][i] = fma(weight, v[i], out[r][i]);
            }
        }
    }
    for (uint32_t r = 0; r < kRows; ++r) {
        for (uint32_t i = 0; i < kVectors; ++i) store(acc + r * t.v_stride + i * kLanes, out[r][i]);
    }
}

/// One step (up to eight groups) for kRows rows.
template <Element kElement, uint32_t kRows>
inline void attend_step(const AttentionTile& t, uint32_t row, const KvGroup* groups, uint32_t count) {
    uint32_t begin = t.begin[row];
    uint32_t end = t.end[row];
    for (uint32_t r = 1; r < kRows; ++r) {
        begin = t.begin[row + r] < begin ? t.begin[row + r] : begin;
        end = t.end[row + r] > end ? t.end[row + r] : end;
    }
    if (groups[0].first >= end || groups[count - 1].first + groups[count - 1].count <= begin) return;
    for (uint32_t g = 0; g < count; ++g) {
        group_scores<kElement, kRows>(t, row, groups[g], g * kGroupTokens);
        for (uint32_t r = 0; r < kRows; ++r) mask_scores(t, row + r, groups[g], g * kGroupTokens);
    }
    for (uint32_t r = 0; r < kRows; ++r) update_row(t, row + r, count);
    uint32_t column = 0;
    for (; column + kTileVectors * kLanes <= t.v_stride; column += kTileVectors * kLanes) {
        add_values<kElement, kRows, kTileVectors>(t, row, groups, count, end, column);
    }
    for (; column < t.v_stride; column += kLanes) add_values<kElement, kRows, 1>(t, row, groups, count, end, column);
}

template <Element kElement, uint32_t kRows>
inline void attend_rows(const AttentionTile& t, uint32_t row, const KvGroup* groups, uint32_t count) {
    for (; row + kRows <= t.rows; row += kRows) attend_step<kElement, kRows>(t, row, groups, count);
    if constexpr (kRows > 1) {
        if (row < t.rows) attend_rows<kElement, kRows / 2>(t, row, groups, count);
    }
}

template <Element kElement>
void attention(const AttentionTile& t) {
    for (uint32_t g = 0; g < t.group_count; g += kStepGroups) {
        const uint32_t count = t.group_count - g < kStepGroups ? t.group_count - g : kStepGroups;
        attend_rows<kElement, kTileRows>(t, 0, t.groups + g, count);
    }
}

// Loops of 16 independent lanes: the compiler makes vectors of them for each instruction set.
void expand_q8_keys(const uint8_t* q, const float* scales, uint32_t rows, float* out) {
    for (uint32_t d = 0; d < rows; ++d, q += kGroupTokens, out += kGroupTokens) {
        for (uint32_t i = 0; i < kGroupTokens; ++i) {
            out[i] = scales[i] * static_cast<float>(static_cast<int8_t>(q[i]));
        }
    }
}

void expand_q8_values(const uint8_t* q, float scale, uint32_t n, float* out) {
    for (uint32_t i = 0; i < n; ++i) out[i] = scale * static_cast<float>(static_cast<int8_t>(q[i]));
}

void expand_q4_keys(const uint8_t* q, const float* scales, uint32_t rows, float* out) {
    for (uint32_t d = 0; d < rows; d += 2, q += kGroupTokens, out += size_t{2} * kGroupTokens) {
        for (uint32_t i = 0; i < kGroupTokens; ++i) {
            out[i] = scales[i] * static_cast<float>((q[i] & 15) - 8);
        }
        if (d + 1 == rows) return;
        for (uint32_t i = 0; i < kGroupTokens; ++i) {
            out[kGroupTokens + i] = scales[i] * static_cast<float>((q[i] >> 4) - 8);
        }
    }
}

void expand_q4_values(const uint8_t* q, float scale, uint32_t n, float* out) {
    for (uint32_t i = 0; i < n; i += 2) {
        out[i] = scale * static_cast<float>((q[i / 2] & 15) - 8);
        out[i + 1] = scale * static_cast<float>((q[i / 2] >> 4) - 8);
    }
}

}  // namespace
