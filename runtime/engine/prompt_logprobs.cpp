#include "runtime/engine/prompt_logprobs.hpp"

#include <limits>
#include <utility>

#include "runtime/engine/sequence.hpp"

namespace gantry::engine {

PromptScores::PromptScores(std::vector<int32_t> prompt, uint32_t top, std::shared_ptr<const text::Tokenizer> tokenizer)
    : prompt_(std::move(prompt)), top_(top), tokenizer_(std::move(tokenizer)) {
    SampledToken first;
    first.id = prompt_.front();
    first.logprob = -std::numeric_limits<double>::infinity();
    scores_.tokens.push_back(describe(std::move(first), *tokenizer_));
}

Status PromptScores::take(const StepItem& item, BatchBuilder& batch, size_t first_row, Sampler& sampler) {
    for (uint32_t position = item.rows_begin; position < item.rows_end; ++position) {
        SampledToken next;
        next.id = prompt_[position + 1];
        const auto row = batch.logits(first_row + position - item.rows_begin);
        GANTRY_TRY(SampledToken scored, sampler.logprobs(row, std::move(next), top_));
        scores_.tokens.push_back(describe(std::move(scored), *tokenizer_));
    }
    return ok();
}

std::optional<PromptLogprobs> PromptScores::whole() {
    if (scores_.tokens.empty()) {
        return std::nullopt;
    }
    return std::exchange(scores_, {});
}

}  // namespace gantry::engine
