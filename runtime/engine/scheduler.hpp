#pragma once

/// Decides what the next step computes. Pure policy: tokens and block numbers in, a plan out; no clock, no model.
///
/// A sequence is one answer being made: its tokens (prompt, then answer so far), of which the first `computed` have
/// their slots in the KV blocks of its table. It is waiting (owns no blocks) or running. One order rules everything:
/// higher priority first, then first come, first served. A step is filled so:
///
///   1. Every running sequence that lacks one token (a decode) gets it; decodes have their tokens reserved.
///   2. Running sequences that lack more (a prompt) share the rest of the budget, in order: chunked prefill.
///   3. While budget, places and blocks last, waiting sequences are admitted, in order and without overtaking. One is
///      admitted when blocks for all of its tokens, less what the prefix cache has, are there at once, and one more for
///      each running sequence, so that an admission is not undone by the next step.
///
/// A running sequence that needs a block when there is none takes it from the last one in order, which goes back to
/// waiting and recomputes later (preemption). So the first in order always advances, and everything ends.
///
/// Forked sequences share blocks; a partly filled shared block is copied by the first that writes into it.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/engine/block_manager.hpp"

namespace gantry::engine {

/// Grows with each request: a smaller one came first.
using SequenceId = uint64_t;

struct SchedulerLimits {
    uint32_t step_tokens = 1;  ///< token budget of a step
    uint32_t max_running = 1;  ///< sequences at a time; at most step_tokens
};

/// What a step does for one sequence: computes tokens [context, context + count).
struct StepItem {
    SequenceId id = 0;
    uint32_t context = 0;
    uint32_t count = 0;
    bool samples = false;  ///< the last of them is the sequence's last: its logits give the next token
};

struct BlockCopy {
    BlockId from = 0, to = 0;
};

struct StepPlan {
    std::vector<BlockCopy> copies;  ///< before anything is computed, in order
    std::vector<StepItem> items;
    std::vector<SequenceId> admitted;   ///< began to run in this step; they are among the items
    std::vector<SequenceId> preempted;  ///< lost their blocks; they run again later by themselves
};

/// A sequence as the scheduler keeps it.
struct ScheduledSequence {
    SequenceId id = 0;
    int32_t priority = 0;
    bool running = false;
    uint32_t computed = 0;  ///< tokens whose slots are filled
    uint32_t cached = 0;    ///< tokens that the prefix cache gave at the last admission
    std::vector<int32_t> tokens;
    std::vector<BlockId> table;

    uint32_t pending() const { return static_cast<uint32_t>(tokens.size()) - computed; }
};

/// Used by one thread. `blocks` must outlive it and be used by nobody else.
class Scheduler {
  public:
    Scheduler(SchedulerLimits limits, BlockManager& blocks);

    /// Queues a sequence; `tokens` must not be empty, `id` must be new.
    void add(SequenceId id, int32_t priority, std::vector<int32_t> tokens);
    /// A second sequence with the same tokens, sharing all blocks. It runs if a place is free, else it waits.
    void fork(SequenceId parent, SequenceId child);
    /// The token that a finished step has sampled.
    void append(SequenceId id, int32_t token);
    /// Ends a sequence, whatever its state, and gives its blocks back.
    void remove(SequenceId id);

    /// Plans a step and assigns its blocks. Empty items mean that there is no sequence at all.
    StepPlan plan();
    /// The step is done: its slots are filled. Sequences removed since plan() are skipped.
    void commit(const StepPlan& plan);

    const ScheduledSequence& at(SequenceId id) const { return *sequences_.at(id); }
    size_t waiting() const { return waiting_.size(); }
    size_t running() const { return running_.size(); }

  private:
    struct Rank {
        int32_t priority;
        SequenceId id;
        bool operator<(const Rank& other) const {
            return priority != other.priority ? priority > other.priority : id < other.id;
        }
    };
    using Queue = std::map<Rank, ScheduledSequence*>;

    static Rank rank(const ScheduledSequence& s) { return {s.priority, s.id}; }
    /// Gives `s` the blocks for `count` more tokens, preempting from the end of the order. False: `s` was the end.
    bool make_room(ScheduledSequence& s, uint32_t count, StepPlan& plan);
    bool admit(ScheduledSequence& s);
    void preempt(ScheduledSequence& s, StepPlan& plan);
    bool must_copy_last(const ScheduledSequence& s) const;
    static StepItem item(const ScheduledSequence& s, uint32_t count);

    SchedulerLimits limits_;
    BlockManager& blocks_;
    std::unordered_map<SequenceId, std::unique_ptr<ScheduledSequence>> sequences_;
    Queue waiting_, running_;
};

}  // namespace gantry::engine
