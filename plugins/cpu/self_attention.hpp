#pragma once

/// Attention of encoders: within each sequence of a ragged batch, nothing cached.
///
/// A task is one sequence with all query heads that share a KV head: it brings the head's keys and values into the form
/// of the paged memory's groups (they are small and stay in the core's cache) and runs the same kernels over them.

#include <gantry/transformer/device.hpp>

#include <vector>

#include "plugins/cpu/kernels/kernels.hpp"
#include "plugins/cpu/thread_pool.hpp"

namespace gantry::cpu {

class SelfAttention {
  public:
    SelfAttention(const Kernels& kernels, ThreadPool& pool);

    /// See transformer::Device::self_attention. [engine]
    void run(const transformer::SelfAttentionParams& params, std::span<const uint32_t> begin, transformer::Mat q,
             transformer::Mat k, transformer::Mat v, transformer::Mat out);

    /// Most that the scratch below grows to.
    static uint64_t scratch_bytes(const transformer::ScratchSpec& spec);

  private:
    struct Call {
        const transformer::SelfAttentionParams& params;
        transformer::Mat q, k, v, out;
        uint32_t group_heads;  ///< query heads per KV head
        uint32_t v_stride;
    };
    struct Scratch {
        std::vector<float> packed;  ///< keys and values of one head
        std::vector<KvGroup> groups;
        std::vector<float> q, scores, acc, maximum, sum;
        std::vector<uint32_t> begin, end;
    };

    void attend(const Call& call, uint32_t first, uint32_t count, uint32_t kv_head, Scratch& scratch) const;
    static void pack(const Call& call, uint32_t first, uint32_t count, uint32_t kv_head, Scratch& scratch);
    void attend_rows(const Call& call, uint32_t first, uint32_t count, uint32_t kv_head, uint32_t from, uint32_t to,
                     Scratch& scratch) const;

    const Kernels& kernels_;
    ThreadPool& pool_;
    std::vector<Scratch> scratch_;  ///< one per thread
};

}  // namespace gantry::cpu
