#pragma once

/// From the ABI's batch, which comes from outside and may be wrong, to a Step that operations can trust.

#include <gantry/ext/causal_lm.h>
#include <gantry/transformer/device.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace gantry::transformer {

/// What a batch must keep to; fixed at load.
struct BatchLimits {
    uint32_t vocab_size = 0;
    uint32_t hidden_size = 0;
    uint32_t block_size = 0;
    uint64_t block_count = 0;
    uint32_t max_step_tokens = 0;
    uint32_t max_sequences = 0;
    uint32_t max_logit_rows = 0;
    uint32_t max_context = 0;
    bool deterministic = false;  ///< whether the device can
};

/// Everything that one step needs, in host memory. The spans point into the batch and into the builder.
struct CheckedBatch {
    Step step;
    std::span<const int32_t> token_ids;    ///< [T]; 0 at rows that take an embedding
    std::span<const uint32_t> logit_rows;  ///< ascending
    std::span<const uint32_t> embedding_rows;
    std::span<const uint32_t> adapter_ids;  ///< one a sequence, 0: none; empty: nobody has one
    const float* embeddings = nullptr;      ///< [embedding_rows.size(), hidden_size]
    float* logits = nullptr;                ///< [logit_rows.size(), vocab_size] or null
    float* hidden = nullptr;                ///< [logit_rows.size(), hidden_size] or null
    LogitSummary summary;                   ///< of the logits
};

/// Holds the arrays that a step needs beside the batch's own, sized once: check allocates nothing unless it throws.
class BatchChecker {
  public:
    explicit BatchChecker(const BatchLimits& limits);

    /// Throws gantry::sdk::Error, INVALID_ARGUMENT or UNIMPLEMENTED, that names the member, sequence or token and the
    /// limit. The result is valid until the next call and as long as the batch. [engine]
    CheckedBatch check(const gantry_batch_t& batch);

    const BatchLimits& limits() const { return limits_; }

  private:
    void check_sizes(const gantry_batch_t& batch) const;
    void check_offsets(const gantry_batch_t& batch) const;
    void check_tree(const gantry_batch_t& batch) const;
    void check_logit_rows(const gantry_batch_t& batch) const;
    void place_tokens(const gantry_batch_t& batch);
    void take_ids(const gantry_batch_t& batch);

    BatchLimits limits_;
    std::vector<int32_t> ids_;         ///< [max_step_tokens]
    std::vector<uint32_t> positions_;  ///< [max_step_tokens]
    std::vector<uint32_t> slots_;      ///< [max_step_tokens]
    std::vector<uint64_t> written_;    ///< [block_count] stamp of the table entry that last wrote to the block
    uint64_t stamp_ = 0;
};

}  // namespace gantry::transformer
