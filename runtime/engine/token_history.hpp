#pragma once

/// What drawing an answer's next token depends on beside the logits: the tokens before it.

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/engine/sampler_config.hpp"

namespace gantry::engine {

struct SampledToken;

/// Tokens of a prompt and its answer. It keeps what the configuration looks at and nothing else. Copies are
/// independent: an answer that is forked takes one along. Used by one thread.
class TokenHistory {
  public:
    struct Entry {
        int32_t id = 0;
        uint32_t in_prompt = 0;  ///< times within the window
        uint32_t in_answer = 0;  ///< times within the window
        bool present() const { return in_prompt + in_answer > 0; }
    };

    /// Counts every token.
    TokenHistory() = default;
    /// `tokenizer` must outlive it and its copies.
    TokenHistory(const SamplerConfig& config, const text::Tokenizer& tokenizer);

    void add_prompt(std::span<const int32_t> ids);
    void add_answer(int32_t id);
    /// Adds a token that was drawn, and what Mirostat learns from it.
    void accept(const SampledToken& token, const SamplerConfig& config);

    /// The distinct tokens of the penalties' window; some may have left it (not present()).
    std::span<const Entry> entries() const { return entries_; }
    /// All tokens in order, where DRY or bad words need them.
    std::span<const int32_t> tokens() const { return tokens_; }
    std::span<const int32_t> answer() const { return std::span(tokens_).subspan(prompt_size_); }
    /// Parallel to tokens(), where DRY needs it: a sequence breaker's text ends within the token.
    const std::vector<bool>& breaks() const { return breaks_; }
    /// Mirostat's threshold, bits.
    float mirostat_mu() const { return mirostat_mu_; }

  private:
    void add(int32_t id, bool in_answer);
    void note_break(int32_t id);
    Entry& entry(int32_t id);

    bool counts_ = true;   ///< entries_ is kept
    bool orders_ = false;  ///< tokens_ is kept
    size_t window_ = 0;    ///< of the counts; 0: all
    const text::Tokenizer* tokenizer_ = nullptr;
    std::vector<std::string> breakers_;
    size_t longest_breaker_ = 0;
    std::string tail_;  ///< last bytes of the text, enough to see a breaker's end
    std::vector<Entry> entries_;
    std::unordered_map<int32_t, size_t> index_;
    std::vector<int32_t> tokens_;
    std::vector<bool> breaks_;
    size_t prompt_size_ = 0;
    float mirostat_mu_ = 0;
};

}  // namespace gantry::engine
