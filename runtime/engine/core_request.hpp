#pragma once

/// What the parts of EngineCore share about one request. Not for others to include.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine/answer_stage.hpp"
#include "runtime/engine/beam_run.hpp"
#include "runtime/engine/best_of.hpp"
#include "runtime/engine/core.hpp"
#include "runtime/engine/prompt_logprobs.hpp"
#include "runtime/engine/request_checks.hpp"

namespace gantry::engine {

inline double seconds(EngineCore::Clock::duration d) { return std::chrono::duration<double>(d).count(); }

/// One of a request's answers.
struct EngineCore::Branch {
    Answer answer;
    TokenHistory history;
    std::unique_ptr<AnswerStage> stage;  ///< null: the text goes out as it is
    std::optional<Clock::time_point> last_token = std::nullopt;
    std::unique_ptr<TokenConstraint> constraint = nullptr;  ///< none: any text
};

struct EngineCore::Request {
    EngineRequest spec;
    EventSink sink;
    uint64_t arrival = 0;
    StopRules rules;
    SamplerConfig config;
    std::vector<std::unique_ptr<Branch>> branches;
    std::unique_ptr<BestOf> best;                 ///< set: not all of the answers are shown
    std::unique_ptr<BeamRun> beams;               ///< set: has the sequences; the branches get its result
    std::unique_ptr<PromptScores> prompt_scores;  ///< set: asked for
    uint32_t unfinished = 0;
    bool on_device = false;  ///< its tokens may be drawn by the plugin
    bool forked = false;     ///< answers 1.. have sequences of their own
    bool ended = false;      ///< the last event is in the outbox
    uint64_t cached_tokens = 0;
    std::optional<CacheMiss> cache_miss;
    uint64_t completion_tokens = 0;
    uint64_t accepted_tokens = 0, rejected_tokens = 0;  ///< of those drafted
    uint64_t context_shifts = 0;
    std::shared_ptr<Adapter> adapter;  ///< null: none
    Clock::time_point submitted;
    std::optional<Clock::time_point> deadline;
    uint64_t reported_position = 0;
    std::optional<Clock::time_point> admitted, first_token;
    GapRecorder gaps;
    std::vector<Event> outbox;

    /// Lets out what has become certain of an answer, or keeps it where only the best of several answers are shown.
    void let_out(Branch& branch) {
        if (auto delta = branch.answer.take_delta()) {
            std::vector<Event> kept;
            std::vector<Event>& out = best ? kept : outbox;
            branch.stage ? branch.stage->add(std::move(*delta), out)
                         : static_cast<void>(out.emplace_back(std::move(*delta)));
            keep(std::move(kept));
        }
    }
    /// The end of an answer, in the same way.
    void let_out_end(Branch& branch, FinishReason reason) {
        std::vector<Event> kept;
        std::vector<Event>& out = best ? kept : outbox;
        branch.stage ? branch.stage->finish(reason, out)
                     : static_cast<void>(out.emplace_back(Finish{branch.answer.index(), reason, {}}));
        std::get<Finish>(out.back()).stop_text = branch.answer.stop_text();
        keep(std::move(kept));
    }
    void keep(std::vector<Event> events) {
        for (Event& event : events) {
            best->keep(std::move(event));
        }
    }

    uint32_t adapter_id() const { return adapter != nullptr ? adapter->id : 0; }
    std::string cache_salt() const { return block_salt(spec.params.cache_salt, adapter_id()); }
    Usage usage(Clock::time_point now) const {
        Usage u;
        u.prompt_tokens = spec.prompt.size();
        u.cached_tokens = cached_tokens;
        u.cache_miss = cache_miss;
        u.completion_tokens = completion_tokens;
        u.accepted_draft_tokens = accepted_tokens;
        u.rejected_draft_tokens = rejected_tokens;
        u.truncated_tokens = spec.truncated;
        u.context_shifts = context_shifts;
        for (const auto& branch : branches) {
            u.reasoning_tokens += branch->stage ? branch->stage->reasoning_tokens() : 0;
        }
        u.queue_seconds = seconds(admitted.value_or(now) - submitted);
        u.prefill_seconds = admitted ? seconds(first_token.value_or(now) - *admitted) : 0;
        u.decode_seconds = first_token ? seconds(now - *first_token) : 0;
        u.first_token_seconds = first_token ? seconds(*first_token - submitted) : 0;
        u.gaps = gaps.percentiles();
        return u;
    }
};

}  // namespace gantry::engine
