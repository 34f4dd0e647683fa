#pragma once

/// The logprobs of a prompt's tokens, gathered chunk by chunk.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/engine/batch_builder.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::engine {

/// Used by one thread.
class PromptScores {
  public:
    /// With `top` alternatives a token.
    PromptScores(std::vector<int32_t> prompt, uint32_t top, std::shared_ptr<const text::Tokenizer> tokenizer);

    /// Takes the extra rows of a step's item, of which the first is number `first_row` of the step.
    Status take(const StepItem& item, BatchBuilder& batch, size_t first_row, Sampler& sampler);
    /// All of them, once.
    std::optional<PromptLogprobs> whole();

  private:
    std::vector<int32_t> prompt_;
    uint32_t top_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    PromptLogprobs scores_;
};

}  // namespace gantry::engine
