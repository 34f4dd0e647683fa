#pragma once

/// Turns a step plan into the arrays of a gantry_batch_t, reusing its memory from step to step.

#include <gantry/ext/causal_lm.h>

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/engine/scheduler.hpp"

namespace gantry::engine {

/// Used by one thread.
class BatchBuilder {
  public:
    BatchBuilder(uint32_t block_size, uint32_t vocab_size) : block_size_(block_size), vocab_size_(vocab_size) {}

    /// The batch for a plan with at least one item. It points into this object: valid until the next call.
    const gantry_batch_t& build(const StepPlan& plan, const Scheduler& scheduler, bool deterministic);

    /// The i-th row of logits, after the model has run. In the order of the items, those that sample have one row, and
    /// then one for each token of their draft.
    std::span<float> logits(size_t i) { return {logits_.data() + i * vocab_size_, vocab_size_}; }

  private:
    uint32_t block_size_;
    uint32_t vocab_size_;
    std::vector<int32_t> token_ids_;
    /// Positions and parents of all tokens, which a draft with branches needs.
    void add_tree(const StepPlan& plan);

    std::vector<int32_t> tree_parent_;
    std::vector<uint32_t> positions_;
    std::vector<uint32_t> token_begin_, context_len_, block_begin_, block_ids_, logit_rows_, adapter_ids_;
    std::vector<float> logits_;
    gantry_batch_t batch_{};
};

}  // namespace gantry::engine
