#pragma once

/// A loaded autoregressive model as the engine sees it: the C++ face of gantry.causal-lm/1. runtime/plugins implements
/// it over a plugin; tests implement fakes.

#include <gantry/ext/causal_lm.h>
#include <gantry/ext/sampler.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"

namespace gantry::engine {

struct ModelLimits {
    uint32_t vocab_size = 0;
    uint32_t block_size = 0;  ///< tokens
    uint64_t block_count = 0;
    uint32_t max_context = 0;
    uint32_t max_step_tokens = 0;
    uint32_t max_sequences = 0;
    uint32_t max_logit_rows = 0;
    uint32_t features = 0;     ///< GANTRY_CAUSAL_LM_*
    uint64_t block_bytes = 0;  ///< of one block in host memory; 0: blocks cannot be moved there
};

/// Used by the engine thread only.
class CausalModel {
  public:
    virtual ~CausalModel() = default;
    virtual const ModelLimits& limits() const = 0;
    /// One step; see gantry_batch_t. kInternal means that the model is unusable from now on.
    virtual Status execute(const gantry_batch_t& batch) = 0;
    virtual Status copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) = 0;

    /// Loads an adapter (gantry.adapter/1) and gives the number by which batches name it; `adapter` is borrowed for the
    /// call. kUnimplemented where the model takes none.
    virtual Result<uint32_t> load_adapter(const gantry_manifest_t& adapter, double scale) {
        static_cast<void>(adapter);
        static_cast<void>(scale);
        return Error{Code::kUnimplemented, "the model's engine takes no adapters", "launch it with another engine"};
    }
    /// No sequence may name it any more.
    virtual Status drop_adapter(uint32_t id) {
        return Error{Code::kNotFound, "there is no adapter " + std::to_string(id)};
    }
    /// Moves blocks to and from host memory, block_bytes each; only where block_bytes > 0.
    virtual Status read_blocks(std::span<const uint32_t> blocks, void* host) = 0;
    virtual Status write_blocks(std::span<const uint32_t> blocks, const void* host) = 0;
    /// Copies single slots, in order. Models with GANTRY_CAUSAL_LM_TREE have it.
    virtual Status copy_slots(std::span<const uint32_t> /*src*/, std::span<const uint32_t> /*dst*/) {
        return Error{Code::kUnimplemented, "the model cannot copy single slots"};
    }
    /// Whether the model has gantry.sampler/1, and so sample().
    virtual bool has_sampler() const { return false; }
    /// Draws from rows of the last execute, whose `logits` was null; see ext/sampler.h. The lists are parallel.
    virtual Status sample(std::span<const gantry_sample_params_t* const> /*params*/,
                          std::span<gantry_sample_result_t* const> /*results*/) {
        return Error{Code::kUnimplemented, "the model has no sampler"};
    }
    /// What a block's contents depend on but its tokens; equal ones may exchange blocks. Empty: none may.
    virtual std::string block_identity() { return {}; }
};

}  // namespace gantry::engine
