#pragma once

/// Attention over the paged KV memory: which queries and tokens a thread takes together.
///
/// A task is a few query tokens of one sequence with all query heads that share a KV head, so that K and V are read
/// once for all of them. A sequence with few new tokens and a long context is divided along the context as well, always
/// at the same places, and the parts are merged in order: the result depends on nothing but the sequence.

#include <gantry/transformer/device.hpp>

#include <vector>

#include "plugins/cpu/kv_cache.hpp"
#include "plugins/cpu/thread_pool.hpp"

namespace gantry::cpu {

class Attention {
  public:
    Attention(const Kernels& kernels, ThreadPool& pool);

    /// See transformer::Device::attention. [engine]
    void run(const CpuKvCache& kv, const transformer::AttentionParams& params, const transformer::Step& step,
             transformer::Mat q, transformer::Mat out);

    /// Most that the scratch below grows to.
    static uint64_t scratch_bytes(const transformer::ScratchSpec& spec);

  private:
    /// Tokens `begin` .. `end` of the step, one KV head, KV groups first_group .. end_group of the sequence.
    struct Task {
        uint32_t sequence;
        uint32_t kv_head;
        uint32_t begin, end;
        uint32_t first_group, end_group;
        uint32_t parts;    ///< tasks that the same queries are divided into
        size_t part_data;  ///< where in parts_ this one's result goes, if parts > 1
    };
    struct Call {
        const CpuKvCache& kv;
        const transformer::AttentionParams& params;
        const transformer::Step& step;
        transformer::Mat q;
        transformer::Mat out;
        uint32_t group_heads;  ///< query heads per KV head
        size_t part_floats(const Task& task) const;
    };
    struct Scratch {
        std::vector<float> q, scores, acc, maximum, sum;
        std::vector<uint32_t> begin, end;
        std::vector<const uint8_t*> mask;
        std::vector<KvGroup> groups;
        std::vector<float> expanded;  ///< one step's groups of a quantised cache, as fp32
    };

    void fill_tree(const transformer::Step& step, uint32_t window);
    uint32_t first_visible(const Call& call, uint32_t sequence, uint32_t token) const;
    void plan_tasks(const Call& call);
    void add_tasks(const Call& call, Task task);
    void list_groups(const Call& call, const Task& task, Scratch& scratch) const;
    void attend(const Call& call, const Task& task, Scratch& scratch);
    void attend_expanded(const Call& call, const Task& task, AttentionTile tile, AttentionFn kernel,
                         Scratch& scratch) const;
    void write_rows(const Call& call, const Task& task, const float* acc, const float* sum) const;
    void merge(const Call& call, const Task& first);

    const Kernels& kernels_;
    ThreadPool& pool_;
    std::vector<Task> tasks_;
    std::vector<Scratch> scratch_;  ///< one per thread
    std::vector<float> parts_;
    std::vector<uint32_t> depth_;     ///< of the step's tokens in their trees
    std::vector<uint8_t> tree_;       ///< who sees whom: [n][n] for each sequence
    std::vector<size_t> tree_begin_;  ///< per sequence
};

}  // namespace gantry::cpu
