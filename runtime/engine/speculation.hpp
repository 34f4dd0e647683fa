#pragma once

/// Speculative decoding (Leviathan et al., arXiv:2211.17192; Chen et al., arXiv:2302.01318), lossless: a step computes
/// an answer's last token and, behind it, a few guessed ones. Then the answer's own sampler draws from the row of its
/// last token; while what it draws is among the guesses, the next row is the right one and is drawn from as well. Each
/// token is so drawn by the same sampler in the same state from the same distribution as without guesses; with a guess
/// that is a function of the text this is exactly rejection sampling, and it needs nothing of penalties, constraints,
/// seeds or stop rules.
///
/// Guesses take what the plan has left over: tokens, rows of logits, blocks that are free. They cannot preempt, and
/// their blocks are given back before the next plan.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/engine/causal_model.hpp"
#include "runtime/engine/draft_policy.hpp"
#include "runtime/engine/drafter.hpp"
#include "runtime/engine/scheduler.hpp"

namespace gantry::engine {

/// Walks down an item's draft along the tokens that are really drawn.
struct DraftWalk {
    const StepItem& item;
    int32_t node = DraftTree::kRoot;
    uint32_t accepted = 0;
    bool live = true;  ///< the last token was drafted: the row of `node` may be drawn from

    /// The row to draw from, counted from the item's first.
    size_t row() const { return static_cast<size_t>(node + 1); }
};

/// Used by the engine thread.
class Speculation {
  public:
    /// What one sequence may get drafted.
    struct Wish {
        Drafter* drafter = nullptr;  ///< none: nothing
        uint32_t room = 0;  ///< tokens that its answer and its context can still take, beyond the one that comes anyway
        std::span<const int32_t> hint;
    };
    struct Options {
        uint32_t step_tokens = 1;  ///< of a step, drafts included
        uint32_t max_draft = 1;    ///< tokens a sequence and step
        bool adaptive = true;      ///< false: always as many as there is room for
    };
    struct Counts {
        uint64_t drafted = 0, accepted = 0, steps = 0;  ///< tokens, tokens, steps with drafts
    };

    /// `scheduler` must outlive it.
    Speculation(const ModelLimits& limits, const Options& options, Scheduler& scheduler);

    /// Adds drafts to the decodes of a plan.
    void draft(StepPlan& plan, const std::function<Wish(SequenceId)>& wish);
    /// The model took so long for the plan.
    void observe(const StepPlan& plan, double seconds);
    /// `token` has been drawn (or there was no choice) and appended to the sequence; call before anything ends the
    /// sequence.
    void follow(DraftWalk& walk, int32_t token);
    /// The item's walk is over: learns from it and gives blocks back. The sequence may have ended.
    void finish(const DraftWalk& walk);
    /// Moves accepted tokens of trees to where they belong. Before the model's next step.
    Status settle(CausalModel& model);
    /// The sequence has ended. Unknown ones are ignored.
    void end(SequenceId id);

    const Counts& counts() const { return counts_; }

  private:
    struct Track {
        Drafter* drafter = nullptr;
        size_t told = 0;  ///< tokens that the drafter knows
        Acceptance acceptance;
        ProbeTimer probe;
    };
    struct Chosen {
        size_t item = 0;  ///< index in the plan
        Track* track = nullptr;
        DraftRequest request;
    };
    std::vector<Chosen> choose(const StepPlan& plan, const std::function<Wish(SequenceId)>& wish);
    Track& track(SequenceId id, const Wish& wish);
    void tell(SequenceId id, Track& track);

    bool trees_;
    uint32_t max_rows_;
    Options options_;
    Scheduler& scheduler_;
    StepCost cost_;
    double draft_seconds_ = 0;                              ///< what drafting a token takes, running mean
    std::unordered_map<const Drafter*, Acceptance> usual_;  ///< what a new sequence is expected to accept
    std::unordered_map<SequenceId, Track> tracks_;
    std::vector<uint32_t> slots_from_, slots_to_;
    Counts counts_;
};

}  // namespace gantry::engine
