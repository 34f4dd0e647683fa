#pragma once

/// A tokenizer over a given list of byte strings, and a model whose next token depends on its sequence's tokens only,
/// but reads those from the KV blocks that it was told to read: wrong block handling changes its output.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engine/engine.hpp"
#include "runtime/engine/logit_summary.hpp"
#include "runtime/engine/utf8.hpp"

namespace gantry::engine::testing {

/// Replaces what is not UTF-8: one U+FFFD for the beginning of a character that does not go on, or for a stray byte.
inline std::string lossy(std::string_view bytes) {
    const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    std::string out;
    for (size_t i = 0; i < bytes.size();) {
        if (const size_t length = utf8_length(bytes.substr(i))) {
            out += bytes.substr(i, length);
            i += length;
            continue;
        }
        out += "\xEF\xBF\xBD";
        size_t missing = at(i) >= 0xF0 ? 3 : at(i) >= 0xE0 ? 2 : at(i) >= 0xC0 ? 1 : 0;
        for (++i; missing > 0 && i < bytes.size() && (at(i) & 0xC0) == 0x80; --missing) {
            ++i;
        }
    }
    return out;
}

class FakeTokenizer : public text::Tokenizer {
  public:
    FakeTokenizer(std::vector<std::string> tokens, std::set<int32_t> special)
        : tokens_(std::move(tokens)), special_(std::move(special)) {}

    std::string bytes(std::span<const int32_t> ids) const {
        std::string out;
        for (int32_t id : ids) {
            out += token_bytes(id);
        }
        return out;
    }
    std::vector<int32_t> encode(std::string_view, text::EncodeOptions) const override { return {}; }
    std::string decode(std::span<const int32_t> ids, bool) const override { return lossy(bytes(ids)); }
    size_t vocab_size() const override { return tokens_.size(); }
    std::optional<int32_t> token_to_id(std::string_view) const override { return std::nullopt; }
    std::string_view id_to_token(int32_t id) const override { return tokens_.at(static_cast<size_t>(id)); }
    std::string token_bytes(int32_t id) const override {
        return is_special(id) ? std::string() : tokens_.at(static_cast<size_t>(id));
    }
    bool is_special(int32_t id) const override { return special_.contains(id); }
    std::optional<int32_t> bos_id() const override { return std::nullopt; }
    std::optional<int32_t> eos_id() const override { return 0; }

  private:
    std::vector<std::string> tokens_;
    std::set<int32_t> special_;
};

inline constexpr int32_t kEos = 0;

/// 32 tokens: the end token, words, single letters, pieces of characters.
inline std::shared_ptr<const FakeTokenizer> small_tokenizer() {
    std::vector<std::string> tokens{"</s>", " the", " end", "en",   "d",    "ab",   "b",        "a",       "aa",
                                    "\n",   "\xC3", "\xA9", "\xE2", "\x82", "\xAC", "\xF0\x9F", "\x98\x80"};
    while (tokens.size() < 32) {
        tokens.push_back(std::string(1, static_cast<char>('c' + tokens.size() - 17)));
    }
    return std::make_shared<FakeTokenizer>(std::move(tokens), std::set<int32_t>{kEos});
}

/// The fake model's logits after these tokens.
inline void fake_logits(std::span<const int32_t> tokens, std::span<float> row) {
    uint64_t h = 0x1234567;
    for (int32_t token : tokens) {
        h = (h ^ static_cast<uint64_t>(token)) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (float& logit : row) {
        h = h * 6364136223846793005u + 1442695040888963407u;
        logit = static_cast<float>(h >> 40) / static_cast<float>(1 << 24) * 6.0f - 3.0f;
    }
    row[kEos] -= 1.5f;
}

/// What a model with GANTRY_CAUSAL_LM_SUMMARIES says of a row; room for its blocks.
inline void sum_up(std::span<const float> row, float scale, float* peaks, float* masses) {
    for (; !row.empty(); row = row.subspan(std::min<size_t>(GANTRY_LOGIT_BLOCK, row.size()))) {
        const auto block = row.first(std::min<size_t>(GANTRY_LOGIT_BLOCK, row.size()));
        const bool nan = std::ranges::any_of(block, [](float x) { return std::isnan(x); });
        const float peak = *peaks++ = nan ? std::numeric_limits<float>::quiet_NaN() : std::ranges::max(block);
        double mass = 0;
        for (const float x : block) {
            mass += std::isfinite(peak) ? std::exp(static_cast<double>((x - peak) * scale)) : 0.0;
        }
        if (scale > 0) {
            *masses = static_cast<float>(mass);
        }
        ++masses;
    }
}

class FakeModel : public CausalModel {
  public:
    static constexpr int32_t kUnwritten = -77;

    explicit FakeModel(ModelLimits limits) : limits_(limits) {
        limits_.block_bytes = limits.block_size * sizeof(int32_t);
        slots_.assign(limits.block_count * limits.block_size, kUnwritten);
    }

    const ModelLimits& limits() const override { return limits_; }

    Status execute(const gantry_batch_t& b) override {
        ++executes;
        if (before_execute) {
            GANTRY_CHECK_OK(before_execute(b));
        }
        if (b.token_count > limits_.max_step_tokens || b.sequence_count > limits_.max_sequences ||
            b.logit_row_count > limits_.max_logit_rows || b.sequence_count == 0) {
            complaint = "the batch is over the model's limits";
        }
        for (uint32_t s = 0; s < b.sequence_count; ++s) {
            for (uint32_t t = b.token_begin[s]; t < b.token_begin[s + 1]; ++t) {
                const uint32_t adapter = b.adapter_ids != nullptr ? b.adapter_ids[s] : 0;
                slot(b, s, b.context_len[s] + t - b.token_begin[s]) =
                    b.token_ids[t] + 1000 * static_cast<int32_t>(adapter);
            }
        }
        uint32_t row = 0;
        for (uint32_t s = 0; s < b.sequence_count; ++s) {
            for (; row < b.logit_row_count && b.logit_rows[row] < b.token_begin[s + 1]; ++row) {
                see(b, s, b.logit_rows[row] - b.token_begin[s]);
                fake_logits(seen_, {b.logits + size_t{row} * limits_.vocab_size, limits_.vocab_size});
                if (after_row) {
                    after_row({b.logits + size_t{row} * limits_.vocab_size, limits_.vocab_size});
                }
                if (b.logit_peaks != nullptr) {
                    const size_t at = row * logit_blocks(limits_.vocab_size);
                    sum_up({b.logits + size_t{row} * limits_.vocab_size, limits_.vocab_size}, b.mass_scales[row],
                           b.logit_peaks + at, b.logit_masses + at);
                }
            }
        }
        return ok();
    }

    Result<uint32_t> load_adapter(const gantry_manifest_t&, double) override { return ++adapters; }
    Status drop_adapter(uint32_t id) override {
        dropped.push_back(id);
        return ok();
    }

    Status copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) override {
        for (size_t i = 0; i < src.size(); ++i) {
            const auto size = static_cast<std::ptrdiff_t>(limits_.block_size);
            std::copy_n(slots_.begin() + src[i] * size, size, slots_.begin() + dst[i] * size);
            ++copies;
        }
        return ok();
    }

    Status read_blocks(std::span<const uint32_t> blocks, void* host) override {
        const size_t size = limits_.block_size;
        auto* out = static_cast<int32_t*>(host);
        for (const uint32_t block : blocks) {
            out = std::copy_n(slots_.begin() + static_cast<std::ptrdiff_t>(block * size), size, out);
        }
        return before_read ? before_read() : ok();
    }

    Status write_blocks(std::span<const uint32_t> blocks, const void* host) override {
        const size_t size = limits_.block_size;
        const auto* in = static_cast<const int32_t*>(host);
        for (const uint32_t block : blocks) {
            std::copy_n(in, size, slots_.begin() + static_cast<std::ptrdiff_t>(block * size));
            in += size;
        }
        return ok();
    }

    Status copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) override {
        for (size_t i = 0; i < src.size(); ++i) {
            slots_.at(dst[i]) = slots_.at(src[i]);
            ++slot_copies;
        }
        return ok();
    }
    std::string block_identity() override { return "fake"; }

    std::string complaint;
    std::function<Status()> before_read;
    std::atomic<uint64_t> executes = 0;
    uint64_t copies = 0, slot_copies = 0;
    uint32_t window = 0;    ///< tokens that a token sees; 0: all
    uint32_t adapters = 0;  ///< loaded so far; batches name them 1, 2, ...
    std::vector<uint32_t> dropped;
    std::function<Status(const gantry_batch_t&)> before_execute;
    std::function<void(std::span<float>)> after_row;

  private:
    /// What token `t` of the step sees: the context, its ancestors and itself.
    void see(const gantry_batch_t& b, uint32_t s, uint32_t t) {
        const uint32_t context = b.context_len[s];
        std::vector<uint32_t> path;
        for (auto at = static_cast<int32_t>(t); at >= 0;) {
            path.push_back(static_cast<uint32_t>(at));
            at = b.tree_parent == nullptr ? at - 1 : b.tree_parent[b.token_begin[s] + static_cast<uint32_t>(at)];
        }
        if (b.positions != nullptr && b.positions[b.token_begin[s] + t] + 1 != context + path.size()) {
            complaint = "a position is not the token's depth";
        }
        seen_.clear();
        for (uint32_t i = 0; i < context; ++i) {
            seen_.push_back(slot(b, s, i));
        }
        for (size_t i = path.size(); i-- > 0;) {
            seen_.push_back(slot(b, s, context + path[i]));
        }
        if (window > 0 && seen_.size() > window) {
            seen_.erase(seen_.begin(), seen_.end() - static_cast<std::ptrdiff_t>(window));
        }
    }

    int32_t& slot(const gantry_batch_t& b, uint32_t s, uint32_t position) {
        const uint32_t entry = b.block_begin[s] + position / limits_.block_size;
        if (entry >= b.block_begin[s + 1]) {
            complaint = "a block table is too short";
            return scrap_;
        }
        return slots_.at(size_t{b.block_ids[entry]} * limits_.block_size + position % limits_.block_size);
    }

    ModelLimits limits_;
    std::vector<int32_t> slots_;
    std::vector<int32_t> seen_;
    int32_t scrap_ = kUnwritten;
};

inline ModelLimits small_limits() {
    ModelLimits l;
    l.vocab_size = 32;
    l.block_size = 4;
    l.block_count = 64;
    l.max_context = 128;
    l.max_step_tokens = 32;
    l.max_sequences = 8;
    l.max_logit_rows = 8;
    return l;
}

/// Everything that a sink got, and whether it kept to the rules.
struct Transcript {
    struct AnswerSeen {
        std::string text;
        std::vector<int32_t> ids;
        std::vector<TokenLogprob> logprobs;
        std::optional<FinishReason> finish;
    };
    std::map<uint32_t, AnswerSeen> answers;
    std::vector<Queued> places;
    std::optional<PromptLogprobs> prompt;
    std::optional<Usage> usage;
    std::optional<Error> error;
    std::string complaint;

    bool ended() const { return usage || error; }
    void take(const std::vector<Event>& events) {
        if (events.empty()) {
            complaint = "an empty call";
        }
        for (const Event& event : events) {
            if (ended()) {
                complaint = "an event after the last one";
            }
            if (const auto* delta = std::get_if<Delta>(&event)) {
                AnswerSeen& answer = answers[delta->index];
                if (answer.finish) {
                    complaint = "a delta after finish";
                }
                answer.text += delta->text;
                answer.ids.insert(answer.ids.end(), delta->ids.begin(), delta->ids.end());
                answer.logprobs.insert(answer.logprobs.end(), delta->logprobs.begin(), delta->logprobs.end());
            } else if (const auto* finish = std::get_if<Finish>(&event)) {
                if (answers[finish->index].finish) {
                    complaint = "a second finish";
                }
                answers[finish->index].finish = finish->reason;
            } else if (const auto* scores = std::get_if<PromptLogprobs>(&event)) {
                complaint = prompt || !answers.empty() ? "prompt logprobs come once and first" : complaint;
                prompt = *scores;
            } else if (const auto* u = std::get_if<Usage>(&event)) {
                usage = *u;
            } else if (const auto* queued = std::get_if<Queued>(&event)) {
                if (!answers.empty()) {
                    complaint = "a place in the queue after a delta";
                }
                places.push_back(*queued);
            } else {
                error = std::get<Error>(event);
            }
        }
    }
};

/// A transcript that a test thread can wait for.
class Recorder {
  public:
    EventSink sink() {
        return [state = state_](std::vector<Event> events) {
            std::lock_guard lock(state->mutex);
            state->transcript.take(events);
            state->changed.notify_all();
        };
    }
    /// Waits for the last event, or fails after a minute.
    Transcript wait() {
        std::unique_lock lock(state_->mutex);
        state_->changed.wait_for(lock, std::chrono::minutes(1), [&] { return state_->transcript.ended(); });
        return state_->transcript;
    }
    /// Waits until the first answer has so much text.
    void wait_for_text(size_t bytes) {
        std::unique_lock lock(state_->mutex);
        state_->changed.wait_for(lock, std::chrono::minutes(1), [&] {
            return state_->transcript.ended() || state_->transcript.answers[0].text.size() >= bytes;
        });
    }

  private:
    struct State {
        std::mutex mutex;
        std::condition_variable changed;
        Transcript transcript;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace gantry::engine::testing
