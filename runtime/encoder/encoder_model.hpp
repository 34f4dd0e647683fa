#pragma once

/// A loaded model that turns token sequences into vectors or scores, as the engine sees it: the C++ face of
/// gantry.encoder/1. Called from the engine thread only.

#include <gantry/ext/encoder.h>

#include <cstdint>

#include "base/result.hpp"

namespace gantry::encoder {

struct EncoderLimits {
    uint32_t vocab_size = 0;
    uint32_t max_context = 0;      ///< tokens of one sequence
    uint32_t max_step_tokens = 0;  ///< of one batch, all sequences together; at least max_context
    uint32_t max_sequences = 0;    ///< of one batch
    uint64_t embed_width = 0;      ///< of a pooled vector; 0: the model gives none
    uint64_t score_width = 0;      ///< outputs of the classification head; 0: it has none
};

class EncoderModel {
  public:
    virtual ~EncoderModel() = default;
    virtual const EncoderLimits& limits() const = 0;
    /// One ragged batch. kInternal: the model is unusable from now on.
    virtual Status encode(const gantry_encode_batch_t& batch) = 0;
};

}  // namespace gantry::encoder
