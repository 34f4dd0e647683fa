#include "plugins/cpu/attention.hpp"

#include <algorithm>
#include <cmath>

namespace gantry::cpu {
namespace {

using transformer::Step;

/// Query rows (tokens times heads) that a task takes together.
constexpr uint32_t kTaskRows = 32;
/// KV groups of one part of a long context: 1024 tokens in blocks of whole groups.
constexpr uint32_t kPartGroups = 64;
/// Sequences with more new tokens than this have enough tasks without dividing the context.
constexpr uint32_t kPartTokens = 4;
constexpr uint32_t kStepGroups = kStepTokens / kGroupTokens;

uint32_t new_tokens(const Step& step, uint32_t sequence) {
    return step.token_begin[sequence + 1] - step.token_begin[sequence];
}

/// The KV group that holds a token of a sequence; groups do not cross blocks.
uint32_t group_of(const KvLayout& layout, uint32_t block_size, uint32_t token) {
    return token / block_size * layout.groups + token % block_size / kGroupTokens;
}

}  // namespace

Attention::Attention(const Kernels& kernels, ThreadPool& pool)
    : kernels_(kernels), pool_(pool), scratch_(pool.size()) {}

uint64_t Attention::scratch_bytes(const transformer::ScratchSpec& s) {
    const uint64_t row_floats = uint64_t{s.head_dim} * 2 + 16 + kStepTokens + 8;
    const uint64_t expanded = uint64_t{kStepTokens} * (2 * s.head_dim + 16) * sizeof(float);
    const uint64_t groups = (s.max_context / kGroupTokens + 1) * sizeof(KvGroup);
    const uint64_t rows = std::max(kTaskRows, s.heads);
    const uint64_t per_thread = rows * row_floats * sizeof(float) + expanded + groups;
    // Long contexts of sequences with few new tokens are computed in parts.
    const uint64_t divided = std::min<uint64_t>(s.max_tokens, uint64_t{kPartTokens} * s.max_sequences);
    const uint64_t parts = s.max_context / (kPartGroups * kGroupTokens) + 1;
    const uint64_t merged = divided * s.heads * parts * (s.head_dim + 18) * sizeof(float);
    return s.threads * per_thread + merged + uint64_t{s.max_tokens} * s.max_tokens;  // and who sees whom in trees
}

size_t Attention::Call::part_floats(const Task& task) const {
    const size_t rows = static_cast<size_t>(task.end - task.begin) * group_heads;
    return rows * (kv.layout().v_stride + 2);
}

/// Depths and visibility of token trees. A token sees its ancestors within the window, and itself.
void Attention::fill_tree(const Step& step, uint32_t window) {
    tree_begin_.clear();
    tree_.clear();
    depth_.assign(step.tokens(), 0);
    for (uint32_t s = 0; s < step.sequences(); ++s) {
        const uint32_t first = step.token_begin[s];
        const size_t n = new_tokens(step, s);
        tree_begin_.push_back(tree_.size());
        tree_.resize(tree_.size() + n * n, 0);
        uint8_t* sees = tree_.data() + tree_begin_.back();
        for (size_t t = 0; t < n; ++t) {
            const int32_t parent = step.tree_parent[first + t];
            if (parent >= 0) depth_[first + t] = depth_[first + static_cast<uint32_t>(parent)] + 1;
            for (auto a = static_cast<int32_t>(t); a >= 0; a = step.tree_parent[first + static_cast<uint32_t>(a)]) {
                const uint32_t distance = depth_[first + t] - depth_[first + static_cast<uint32_t>(a)];
                if (window != 0 && distance >= window) break;
                sees[t * n + static_cast<size_t>(a)] = 1;
            }
        }
    }
}

/// The first token of the sequence's context that a new token sees.
uint32_t Attention::first_visible(const Call& call, uint32_t sequence, uint32_t token) const {
    const uint32_t window = call.params.sliding_window;
    if (window == 0) return 0;
    const uint32_t context = call.step.context_len[sequence];
    const bool tree = !call.step.tree_parent.empty();
    const uint32_t place = context + (tree ? depth_[token] : token - call.step.token_begin[sequence]);
    const uint32_t first = place + 1 > window ? place + 1 - window : 0;
    return tree ? std::min(first, context) : first;
}

void Attention::add_tasks(const Call& call, Task task) {
    const KvLayout& layout = call.kv.layout();
    const uint32_t block_size = call.kv.spec().block_size;
    const uint32_t last = call.step.context_len[task.sequence] + task.end - 1 - call.step.token_begin[task.sequence];
    // The first token of a range sees furthest back; trees may differ, but not by more than the loss of a few groups.
    uint32_t lowest = first_visible(call, task.sequence, task.begin);
    for (uint32_t t = task.begin + 1; t < task.end; ++t)
        lowest = std::min(lowest, first_visible(call, task.sequence, t));
    // Whole steps from the start of the context on, whoever computes it: the sums are formed in the same order.
    const uint32_t first_group = group_of(layout, block_size, lowest) / kStepGroups * kStepGroups;
    const uint32_t end_group = group_of(layout, block_size, last) + 1;
    const bool divide = new_tokens(call.step, task.sequence) <= kPartTokens && end_group - first_group > kPartGroups;
    const uint32_t begin_part = first_group / kPartGroups;
    task.parts = divide ? (end_group - 1) / kPartGroups - begin_part + 1 : 1;
    for (uint32_t part = 0; part < task.parts; ++part) {
        task.first_group = part == 0 ? first_group : (begin_part + part) * kPartGroups;
        task.end_group = part + 1 == task.parts ? end_group : (begin_part + part + 1) * kPartGroups;
        if (divide) {
            task.part_data = parts_.size();
            parts_.resize(parts_.size() + call.part_floats(task));
        }
        tasks_.push_back(task);
    }
}

void Attention::plan_tasks(const Call& call) {
    tasks_.clear();
    parts_.clear();
    const uint32_t tokens = std::max(1U, kTaskRows / call.group_heads);
    for (uint32_t s = 0; s < call.step.sequences(); ++s) {
        // Later tokens have more to see: they come first, so that the last tasks are short ones.
        const uint32_t first = call.step.token_begin[s];
        for (uint32_t end = call.step.token_begin[s + 1]; end > first;) {
            const uint32_t begin = first + (end - 1 - first) / tokens * tokens;
            for (uint32_t head = 0; head < call.params.kv_heads; ++head) {
                add_tasks(call, {s, head, begin, end, 0, 0, 1, 0});
            }
            end = begin;
        }
    }
}

void Attention::run(const CpuKvCache& kv, const transformer::AttentionParams& params, const Step& step,
                    transformer::Mat q, transformer::Mat out) {
    const Call call{kv, params, step, q, out, params.heads / params.kv_heads};
    if (!step.tree_parent.empty()) fill_tree(step, params.sliding_window);
    plan_tasks(call);
    pool_.for_each(tasks_.size(),
                   [&](size_t index, uint32_t thread) { attend(call, tasks_[index], scratch_[thread]); });
    for (size_t i = 0; i < tasks_.size(); i += tasks_[i].parts) {
        if (tasks_[i].parts > 1) merge(call, tasks_[i]);
    }
}

void Attention::list_groups(const Call& call, const Task& task, Scratch& scratch) const {
    const KvLayout& layout = call.kv.layout();
    const uint32_t block_size = call.kv.spec().block_size;
    const auto table = call.step.block_ids.subspan(call.step.block_begin[task.sequence]);
    scratch.groups.clear();
    for (uint32_t g = task.first_group; g < task.end_group; ++g) {
        const uint32_t block = g / layout.groups;
        const uint32_t in_block = g % layout.groups;
        const uint32_t offset = in_block * kGroupTokens;
        scratch.groups.push_back({call.kv.k_group(call.params.layer, table[block], task.kv_head, in_block),
                                  call.kv.v_group(call.params.layer, table[block], task.kv_head, in_block),
                                  block * block_size + offset, std::min(kGroupTokens, block_size - offset)});
    }
}

/// The same for quantised memory: expands as many groups as one step of the kernel takes, and goes on with the next.
void Attention::attend_expanded(const Call& call, const Task& task, AttentionTile tile, AttentionFn kernel,
                                Scratch& s) const {
    const size_t floats = call.kv.expanded_floats();
    const size_t keys = size_t{call.params.head_dim} * kGroupTokens;
    const auto table = call.step.block_ids.subspan(call.step.block_begin[task.sequence]);
    const uint32_t groups_in_block = call.kv.layout().groups;
    s.expanded.resize(floats * kStepGroups);
    for (uint32_t first = 0; first < s.groups.size(); first += kStepGroups) {
        tile.groups = s.groups.data() + first;
        tile.group_count = std::min(kStepGroups, static_cast<uint32_t>(s.groups.size()) - first);
        for (uint32_t i = 0; i < tile.group_count; ++i) {
            const uint32_t group = task.first_group + first + i;
            float* to = s.expanded.data() + i * floats;
            call.kv.expand_group(call.params.layer, table[group / groups_in_block], task.kv_head,
                                 group % groups_in_block, to);
            s.groups[first + i].k = to;
            s.groups[first + i].v = to + keys;
        }
        kernel(tile);
    }
}

void Attention::attend(const Call& call, const Task& task, Scratch& s) {
    const uint32_t head_dim = call.params.head_dim;
    const uint32_t heads = call.group_heads;
    const uint32_t rows = (task.end - task.begin) * heads;
    const uint32_t v_stride = call.kv.layout().v_stride;
    const uint32_t first = call.step.token_begin[task.sequence];
    const uint32_t context = call.step.context_len[task.sequence];
    const bool tree = !call.step.tree_parent.empty();
    list_groups(call, task, s);
    s.q.resize(static_cast<size_t>(rows) * head_dim);
    s.scores.resize(static_cast<size_t>(rows) * kStepTokens);
    s.acc.assign(static_cast<size_t>(rows) * v_stride, 0.0F);
    s.maximum.assign(rows, -INFINITY);
    s.sum.assign(rows, 0.0F);
    s.begin.resize(rows);
    s.end.resize(rows);
    s.mask.resize(rows);
    for (uint32_t r = 0; r < rows; ++r) {
        const uint32_t token = task.begin + r / heads;
        const float* from = call.q.data + static_cast<size_t>(token) * call.q.cols +
                            static_cast<size_t>(task.kv_head * heads + r % heads) * head_dim;
        for (uint32_t d = 0; d < head_dim; ++d)
            s.q[static_cast<size_t>(r) * head_dim + d] = from[d] * call.params.scale;
        s.begin[r] = first_visible(call, task.sequence, token);
        s.end[r] = context + token - first + 1;
        if (tree) {
            s.mask[r] = tree_.data() + tree_begin_[task.sequence] +
                        static_cast<size_t>(token - first) * new_tokens(call.step, task.sequence);
        }
    }
    AttentionTile tile{s.q.data(),
                       rows,
                       head_dim,
                       v_stride,
                       s.groups.data(),
                       static_cast<uint32_t>(s.groups.size()),
                       s.begin.data(),
                       s.end.data(),
                       tree ? s.mask.data() : nullptr,
                       context,
                       call.params.logit_softcap,
                       s.scores.data(),
                       s.acc.data(),
                       s.maximum.data(),
                       s.sum.data()};
    const AttentionFn kernel = kernels_.attention[static_cast<size_t>(call.kv.element())];
    if (call.kv.quantized()) {
        attend_expanded(call, task, tile, kernel, s);
    } else {
        kernel(tile);
    }
    if (task.parts == 1) {
        write_rows(call, task, s.acc.data(), s.sum.data());
        return;
    }
    float* part = parts_.data() + task.part_data;
    std::copy(s.acc.begin(), s.acc.end(), part);
    std::copy(s.maximum.begin(), s.maximum.end(), part + s.acc.size());
    std::copy(s.sum.begin(), s.sum.end(), part + s.acc.size() + rows);
}

void Attention::write_rows(const Call& call, const Task& task, const float* acc, const float* sum) const {
    const uint32_t v_dim = call.kv.spec().v_head_dim;
    const uint32_t v_stride = call.kv.layout().v_stride;
    const uint32_t rows = (task.end - task.begin) * call.group_heads;
    for (uint32_t r = 0; r < rows; ++r) {
        float* to = call.out.data + static_cast<size_t>(task.begin + r / call.group_heads) * call.out.cols +
                    static_cast<size_t>(task.kv_head * call.group_heads + r % call.group_heads) * v_dim;
        const float inverse = 1.0F / sum[r];
        for (uint32_t d = 0; d < v_dim; ++d) to[d] = acc[static_cast<size_t>(r) * v_stride + d] * inverse;
    }
}

/// Brings the parts of a context to their common maximum, in order.
void Attention::merge(const Call& call, const Task& first) {
    const size_t rows = static_cast<size_t>(first.end - first.begin) * call.group_heads;
    const size_t v_stride = call.kv.layout().v_stride;
    const size_t size = call.part_floats(first);
    float* acc = parts_.data() + first.part_data;
    float* maximum = acc + rows * v_stride;
    float* sum = maximum + rows;
    for (uint32_t part = 1; part < first.parts; ++part) {
        const float* other = acc + part * size;
        for (size_t r = 0; r < rows; ++r) {
            const float other_maximum = other[rows * v_stride + r];
            const float highest = std::max(maximum[r], other_maximum);
            if (highest == -INFINITY) continue;
            const float mine = std::exp(maximum[r] - highest);
            const float theirs = std::exp(other_maximum - highest);
            for (size_t d = 0; d < v_stride; ++d) {
                acc[r * v_stride + d] = acc[r * v_stride + d] * mine + other[r * v_stride + d] * theirs;
            }
            sum[r] = sum[r] * mine + other[rows * v_stride + rows + r] * theirs;
            maximum[r] = highest;
        }
    }
    write_rows(call, first, acc, sum);
}

}  // namespace gantry::cpu
