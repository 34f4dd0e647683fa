#include "runtime/engine/token_history.hpp"

#include <algorithm>

#include "runtime/engine/sampler.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::engine {

TokenHistory::TokenHistory(const SamplerConfig& config, const text::Tokenizer& tokenizer)
    : counts_(config.penalises()),
      orders_(config.dry() || !config.bad_words.empty() || (counts_ && config.repeat_last_n > 0)),
      window_(static_cast<size_t>(std::max(config.repeat_last_n, 0))),
      mirostat_mu_(2 * config.mirostat_tau) {
    if (config.dry()) {
        tokenizer_ = &tokenizer;
        breakers_ = config.dry_sequence_breakers;
        for (const std::string& breaker : breakers_) {
            longest_breaker_ = std::max(longest_breaker_, breaker.size());
        }
    }
}

TokenHistory::Entry& TokenHistory::entry(int32_t id) {
    const auto [it, added] = index_.emplace(id, entries_.size());
    if (added) {
        entries_.push_back({id, 0, 0});
    }
    return entries_[it->second];
}

void TokenHistory::add_prompt(std::span<const int32_t> ids) {
    for (int32_t id : ids) {
        add(id, false);
    }
    prompt_size_ = tokens_.size();
}

void TokenHistory::add_answer(int32_t id) { add(id, true); }

void TokenHistory::add(int32_t id, bool in_answer) {
    if (orders_) {
        tokens_.push_back(id);
    }
    if (tokenizer_ != nullptr) {
        note_break(id);
    }
    if (!counts_) {
        return;
    }
    ++(in_answer ? entry(id).in_answer : entry(id).in_prompt);
    if (window_ > 0 && tokens_.size() > window_) {
        const size_t left = tokens_.size() - window_ - 1;
        Entry& gone = entry(tokens_[left]);
        // While the prompt is being added, all that leaves the window is the prompt's.
        --(in_answer && left >= prompt_size_ ? gone.in_answer : gone.in_prompt);
    }
}

void TokenHistory::note_break(int32_t id) {
    const std::string bytes = tokenizer_->token_bytes(id);
    tail_ += bytes;
    breaks_.push_back(std::ranges::any_of(breakers_, [&](const std::string& breaker) {
        // Only an occurrence that ends within the new bytes counts.
        const size_t reach = bytes.size() + breaker.size() - 1;
        return tail_.find(breaker, tail_.size() - std::min(tail_.size(), reach)) != std::string::npos;
    }));
    if (tail_.size() > longest_breaker_) {
        tail_.erase(0, tail_.size() - longest_breaker_);
    }
}

void TokenHistory::accept(const SampledToken& token, const SamplerConfig& config) {
    add_answer(token.id);
    if (config.mirostat != 0) {
        mirostat_mu_ -= config.mirostat_eta * (token.surprise - config.mirostat_tau);
    }
}

}  // namespace gantry::engine
