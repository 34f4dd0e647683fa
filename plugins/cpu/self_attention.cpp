#include "plugins/cpu/self_attention.hpp"

#include <algorithm>
#include <cmath>

namespace gantry::cpu {
namespace {

using transformer::Mat;

/// Query rows (tokens times heads) that a kernel takes together.
constexpr uint32_t kTaskRows = 32;
constexpr uint32_t kStepGroups = kStepTokens / kGroupTokens;

constexpr uint32_t round_up(uint32_t value, uint32_t to) { return (value + to - 1) / to * to; }

}  // namespace

SelfAttention::SelfAttention(const Kernels& kernels, ThreadPool& pool)
    : kernels_(kernels), pool_(pool), scratch_(pool.size()) {}

uint64_t SelfAttention::scratch_bytes(const transformer::ScratchSpec& s) {
    const uint64_t v_stride = round_up(s.head_dim, kGroupTokens);
    const uint64_t groups = round_up(s.max_context, kGroupTokens) / kGroupTokens;
    const uint64_t packed = groups * kGroupTokens * (s.head_dim + v_stride) * sizeof(float);
    const uint64_t group_heads = s.kv_heads == 0 ? s.heads : s.heads / s.kv_heads;
    const uint64_t rows = std::max<uint64_t>(kTaskRows, group_heads);
    const uint64_t row_floats = s.head_dim + v_stride + kStepTokens + 4;
    return s.threads * (packed + groups * sizeof(KvGroup) + rows * row_floats * sizeof(float));
}

void SelfAttention::run(const transformer::SelfAttentionParams& params, std::span<const uint32_t> begin, Mat q, Mat k,
                        Mat v, Mat out) {
    const Call call{params, q, k, v, out, params.heads / params.kv_heads, round_up(params.head_dim, kGroupTokens)};
    const size_t tasks = (begin.size() - 1) * params.kv_heads;
    pool_.for_each(tasks, [&](size_t task, uint32_t thread) {
        const size_t s = task / params.kv_heads;
        attend(call, begin[s], begin[s + 1] - begin[s], static_cast<uint32_t>(task % params.kv_heads),
               scratch_[thread]);
    });
}

/// Groups of 16 tokens: keys [head_dim][16], values [16][v_stride]. What is beyond the last token is masked by the
/// rows' ends, but has to be numbers.
void SelfAttention::pack(const Call& call, uint32_t first, uint32_t count, uint32_t kv_head, Scratch& s) {
    const uint32_t dim = call.params.head_dim;
    const uint32_t groups = round_up(count, kGroupTokens) / kGroupTokens;
    const size_t group_floats = size_t{kGroupTokens} * (dim + call.v_stride);
    s.packed.resize(std::max(s.packed.size(), groups * group_floats));
    s.groups.clear();
    for (uint32_t g = 0; g < groups; ++g) {
        float* keys = s.packed.data() + g * group_floats;
        float* values = keys + size_t{kGroupTokens} * dim;
        const uint32_t tokens = std::min(kGroupTokens, count - g * kGroupTokens);
        if (tokens < kGroupTokens) std::fill_n(keys, size_t{kGroupTokens} * dim, 0.0F);
        for (uint32_t j = 0; j < tokens; ++j) {
            const size_t row = first + g * kGroupTokens + j;
            const float* key = call.k.data + row * call.k.cols + size_t{kv_head} * dim;
            const float* value = call.v.data + row * call.v.cols + size_t{kv_head} * dim;
            for (uint32_t d = 0; d < dim; ++d) keys[size_t{d} * kGroupTokens + j] = key[d];
            float* to = values + size_t{j} * call.v_stride;
            std::copy_n(value, dim, to);
            std::fill(to + dim, to + call.v_stride, 0.0F);
        }
        s.groups.push_back({keys, values, g * kGroupTokens, tokens});
    }
}

void SelfAttention::attend(const Call& call, uint32_t first, uint32_t count, uint32_t kv_head, Scratch& s) const {
    pack(call, first, count, kv_head, s);
    const uint32_t tokens = std::max(1U, kTaskRows / call.group_heads);
    for (uint32_t from = 0; from < count; from += tokens) {
        attend_rows(call, first, count, kv_head, from, std::min(count, from + tokens), s);
    }
}

/// Tokens from .. to of the sequence.
void SelfAttention::attend_rows(const Call& call, uint32_t first, uint32_t count, uint32_t kv_head, uint32_t from,
                                uint32_t to, Scratch& s) const {
    const uint32_t dim = call.params.head_dim;
    const uint32_t heads = call.group_heads;
    const uint32_t rows = (to - from) * heads;
    const uint32_t window = call.params.window;
    s.q.resize(size_t{rows} * dim);
    s.scores.resize(size_t{rows} * kStepTokens);
    s.acc.assign(size_t{rows} * call.v_stride, 0.0F);
    s.maximum.assign(rows, -INFINITY);
    s.sum.assign(rows, 0.0F);
    s.begin.resize(rows);
    s.end.resize(rows);
    for (uint32_t r = 0; r < rows; ++r) {
        const uint32_t token = from + r / heads;
        const float* query =
            call.q.data + size_t{first + token} * call.q.cols + size_t{kv_head * heads + r % heads} * dim;
        for (uint32_t d = 0; d < dim; ++d) s.q[size_t{r} * dim + d] = query[d] * call.params.scale;
        s.begin[r] = window != 0 && token > window ? token - window : 0;
        s.end[r] = call.params.causal ? token + 1 : count;
        if (window != 0) s.end[r] = std::min(s.end[r], token + window + 1);
    }
    // Whole steps of the kernel that any of the rows can see: begins and ends rise with the rows.
    const uint32_t first_group = s.begin.front() / kStepTokens * kStepGroups;
    const uint32_t end_group = round_up(s.end.back(), kGroupTokens) / kGroupTokens;
    kernels_.attention[static_cast<size_t>(Element::kF32)](AttentionTile{
        s.q.data(), rows, dim, call.v_stride, s.groups.data() + first_group, end_group - first_group, s.begin.data(),
        s.end.data(), nullptr, 0, 0.0F, s.scores.data(), s.acc.data(), s.maximum.data(), s.sum.data()});
    for (uint32_t r = 0; r < rows; ++r) {
        float* row = call.out.data + size_t{first + from + r / heads} * call.out.cols +
                     size_t{kv_head * heads + r % heads} * dim;
        const float inverse = 1.0F / s.sum[r];
        for (uint32_t d = 0; d < dim; ++d) row[d] = s.acc[size_t{r} * call.v_stride + d] * inverse;
    }
}

}  // namespace gantry::cpu
