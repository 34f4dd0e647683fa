#pragma once

/// Turns a step plan into the arrays of a gantry_batch_t, reusing its memory from step to step.

#include <gantry/ext/causal_lm.h>

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/engine/causal_model.hpp"
#include "runtime/engine/logit_summary.hpp"
#include "runtime/engine/scheduler.hpp"

namespace gantry::engine {

/// Used by one thread.
class BatchBuilder {
  public:
    BatchBuilder(uint32_t block_size, uint32_t vocab_size) : block_size_(block_size), vocab_size_(vocab_size) {}

    /// The batch for at least one item of a plan, whose first row of logits is number `first_row` of the step. It
    /// points into this object: valid until the next call.
    const gantry_batch_t& build(std::span<const StepItem> items, const Scheduler& scheduler, bool deterministic,
                                size_t first_row = 0);

    /// The batch again, which now asks the model for summaries of its rows, with these scales (0: no masses). For
    /// models with GANTRY_CAUSAL_LM_SUMMARIES; a batch of all of a step's rows.
    const gantry_batch_t& summarise(std::vector<float> scales);

    /// What the model said of the i-th row; empty where it was not asked.
    RowSummary summary(size_t i) const;

    /// The i-th row of logits, after the model has run. In the order of the items, each has its extra rows; then those
    /// that sample have one, and one for each token of their draft.
    std::span<float> logits(size_t i) { return {logits_.data() + i * vocab_size_, vocab_size_}; }

  private:
    uint32_t block_size_;
    uint32_t vocab_size_;
    std::vector<int32_t> token_ids_;
    /// Positions and parents of all tokens, which a draft with branches needs.
    void add_tree(std::span<const StepItem> items);

    std::vector<int32_t> tree_parent_;
    std::vector<uint32_t> positions_;
    std::vector<uint32_t> token_begin_, context_len_, block_begin_, block_ids_, logit_rows_, adapter_ids_;
    std::vector<float> logits_;
    std::vector<float> scales_, peaks_, masses_;  ///< of the rows that are summarised; else empty
    gantry_batch_t batch_{};
};

/// Runs a plan's items one after the other, and isolated sequences a token at a time: the same arithmetic whatever else
/// the plan has, on models that cannot promise it for a batch.
Status execute_apart(CausalModel& model, BatchBuilder& builder, const StepPlan& plan, const Scheduler& scheduler);

}  // namespace gantry::engine
