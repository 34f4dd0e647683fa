#pragma once

/// What a model says of a row of logits beside itself (GANTRY_CAUSAL_LM_SUMMARIES), so that few of them need be read.

#include <gantry/ext/causal_lm.h>

#include <cstddef>
#include <span>

namespace gantry::engine {

constexpr size_t logit_blocks(size_t n) { return (n + GANTRY_LOGIT_BLOCK - 1) / GANTRY_LOGIT_BLOCK; }

/// Of a row as the model left it; see gantry_batch_t. Borrowed.
struct RowSummary {
    std::span<const float> peaks = {};   ///< one a block; empty: nothing is known of the row
    std::span<const float> masses = {};  ///< one a block; they mean nothing where scale is 0
    float scale = 0;
};

}  // namespace gantry::engine
