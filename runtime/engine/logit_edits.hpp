#pragma once

/// What a request does to single logits before anything is drawn: bias, penalties, DRY, bad words, forbidden tokens.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/engine/sampler_config.hpp"
#include "runtime/engine/token_history.hpp"

namespace gantry::engine {

/// Changes to a row that are taken back at the end of the scope. Ids outside the row are ignored.
class LogitEdits {
  public:
    explicit LogitEdits(std::span<float> row) : row_(row) {}
    LogitEdits(const LogitEdits&) = delete;
    LogitEdits& operator=(const LogitEdits&) = delete;
    ~LogitEdits() { undo(); }

    /// In this order: logit bias; repetition, frequency and presence penalties; DRY; bad words; `forbidden`.
    void apply(const SamplerConfig& config, const TokenHistory& history, std::span<const int32_t> forbidden);
    void undo();
    bool empty() const { return saved_.empty(); }
    /// Where the changed logits are, and what they were; in no order, some perhaps more than once.
    std::span<const std::pair<size_t, float>> changed() const { return saved_; }
    /// A logit that was changed was no number.
    bool saw_nan() const { return saw_nan_; }

  private:
    template <class F>
    void change(int32_t id, F&& to);
    void forbid(int32_t id);
    void penalise(const SamplerConfig& config, const TokenHistory& history);
    void punish_repetition(const SamplerConfig& config, const TokenHistory& history);
    void forbid_bad_words(const SamplerConfig& config, const TokenHistory& history);

    std::span<float> row_;
    std::vector<std::pair<size_t, float>> saved_;
    bool saw_nan_ = false;
};

/// A token that would lengthen a repetition, and how long the repetition is already (tokens, >= 1).
struct Repetition {
    int32_t next = 0;
    uint32_t length = 0;
};
/// DRY's matches (p-e-w, text-generation-webui pull request 5677): for every earlier place whose tokens end like
/// `tokens` do, the token that followed there. No match reaches over a sequence breaker, none follows on one. Each
/// token once, with its longest match; in the order of ids. Linear in the length.
std::vector<Repetition> find_repetitions(std::span<const int32_t> tokens, const std::vector<bool>& breaks,
                                         int32_t last_n);

}  // namespace gantry::engine
