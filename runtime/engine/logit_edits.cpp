#include "runtime/engine/logit_edits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace gantry::engine {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();
constexpr float kLargestPenalty = 1e30f;  ///< beyond it a sum of penalties could become infinite

}  // namespace

template <class F>
void LogitEdits::change(int32_t id, F&& to) {
    if (id < 0 || static_cast<size_t>(id) >= row_.size()) {
        return;
    }
    float& value = row_[static_cast<size_t>(id)];
    saw_nan_ = saw_nan_ || std::isnan(value);
    saved_.emplace_back(static_cast<size_t>(id), value);
    value = to(value);
}

void LogitEdits::forbid(int32_t id) {
    change(id, [](float) { return kImpossible; });
}

void LogitEdits::undo() {
    for (size_t i = saved_.size(); i-- > 0;) {
        row_[saved_[i].first] = saved_[i].second;
    }
    saved_.clear();
}

void LogitEdits::apply(const SamplerConfig& config, const TokenHistory& history, std::span<const int32_t> forbidden) {
    for (const auto& [id, bias] : config.logit_bias) {
        change(id, [bias = bias](float x) { return x + bias; });
    }
    if (config.penalises()) {
        penalise(config, history);
    }
    if (config.dry()) {
        punish_repetition(config, history);
    }
    forbid_bad_words(config, history);
    for (int32_t id : forbidden) {
        forbid(id);
    }
}

void LogitEdits::penalise(const SamplerConfig& config, const TokenHistory& history) {
    for (const auto& entry : history.entries()) {
        if (!entry.present()) {
            continue;
        }
        const auto times = static_cast<float>(entry.in_answer);
        const float penalty = times * config.frequency_penalty + (entry.in_answer > 0 ? config.presence_penalty : 0.0f);
        change(entry.id, [&](float x) {
            return (x > 0 ? x / config.repetition_penalty : x * config.repetition_penalty) - penalty;
        });
    }
}

void LogitEdits::punish_repetition(const SamplerConfig& config, const TokenHistory& history) {
    for (const auto& [next, length] : find_repetitions(history.tokens(), history.breaks(), config.dry_penalty_last_n)) {
        if (length < config.dry_allowed_length) {
            continue;
        }
        const auto excess = static_cast<float>(length - config.dry_allowed_length);
        const float penalty = std::min(config.dry_multiplier * std::pow(config.dry_base, excess), kLargestPenalty);
        change(next, [&](float x) { return x - penalty; });
    }
}

void LogitEdits::forbid_bad_words(const SamplerConfig& config, const TokenHistory& history) {
    for (const auto& word : config.bad_words) {
        const auto begun = std::span(word).first(word.size() - 1);
        const auto answer = history.answer();
        if (answer.size() >= begun.size() && std::ranges::equal(begun, answer.last(begun.size()))) {
            forbid(word.back());
        }
    }
}

std::vector<Repetition> find_repetitions(std::span<const int32_t> tokens, const std::vector<bool>& breaks,
                                         int32_t last_n) {
    const size_t skipped =
        last_n > 0 && tokens.size() > static_cast<size_t>(last_n) ? tokens.size() - static_cast<size_t>(last_n) : 0;
    const size_t n = tokens.size() - skipped;
    // Position i from the end.
    const auto token = [&](size_t i) { return tokens[tokens.size() - 1 - i]; };
    const auto breaks_at = [&](size_t i) { return static_cast<bool>(breaks[tokens.size() - 1 - i]); };
    size_t limit = 0;  // a match has at most the tokens since the last breaker
    while (limit < n && !breaks_at(limit)) {
        ++limit;
    }
    if (limit == 0) {
        return {};
    }
    // Z-function of the reversed tokens: z[i] is how many tokens before position i equal those at the end.
    std::vector<size_t> z(n, 0);
    std::map<int32_t, uint32_t> longest;
    for (size_t i = 1, left = 0, right = 0; i < n; ++i) {
        z[i] = i < right ? std::min(right - i, z[i - left]) : 0;
        while (i + z[i] < n && token(z[i]) == token(i + z[i])) {
            ++z[i];
        }
        if (i + z[i] > right) {
            left = i;
            right = i + z[i];
        }
        const auto length = static_cast<uint32_t>(std::min(z[i], limit));
        if (length > 0 && !breaks_at(i - 1)) {
            uint32_t& best = longest[token(i - 1)];
            best = std::max(best, length);
        }
    }
    std::vector<Repetition> out;
    for (const auto& [next, length] : longest) {
        out.push_back({next, length});
    }
    return out;
}

}  // namespace gantry::engine
