#pragma once

/// Decides what the next step computes. Pure policy: tokens, block numbers and the time in, a plan out; it reads no
/// clock and calls no model.
///
/// A sequence is one answer being made: its tokens (prompt, then answer so far), of which the first `computed` have
/// their slots in the KV blocks of its table. It is waiting (owns no blocks) or running. A step is filled so:
///
///   1. Every running sequence that lacks one token (a decode) gets it; decodes have their tokens reserved.
///   2. Running sequences that lack more (a prompt) share the rest of the budget, by rank: chunked prefill.
///   3. While budget, places and blocks last, waiting sequences are admitted, in the admission queue's order (priority
///      with ageing, then the fair share of their keys) and without overtaking. One is admitted when blocks for all of
///      its tokens, less what the prefix cache has, are there at once, and one more for each running sequence, so that
///      an admission is not undone by the next step.
///
/// A running sequence that needs a block when there is none takes it from the last one by rank (the newest of the
/// lowest priority), which goes back to waiting (preemption). Its blocks are moved to host memory where there is room
/// and moving them there and back costs less than computing their tokens again, by the costs that set_costs() gave;
/// else they are given up. So the first by rank always advances, and everything ends.
///
/// A key is charged for what is computed for it, once: a prompt when it is admitted, less what the cache had; an
/// answer's tokens as they come; nothing for what a preemption makes it compute again.
///
/// Where every layer of the model looks back a window only, blocks that no token to come can see are given back while
/// the sequence runs. They keep their places in the table; what stands there is not read any more.
///
/// Forked sequences share blocks; a partly filled shared block is copied by the first that writes into it. So is a
/// cached block of which only the beginning is wanted, by the sequence that is admitted with it.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/engine/admission_queue.hpp"
#include "runtime/engine/block_manager.hpp"
#include "runtime/engine/draft_tree.hpp"
#include "runtime/engine/fair_share.hpp"

namespace gantry::engine {

struct SchedulerLimits {
    uint32_t step_tokens = 1;               ///< token budget of a step
    uint32_t max_running = 1;               ///< sequences at a time; at most step_tokens and logit_rows
    Duration ageing{};                      ///< of waiting that make up for one priority; 0: priorities do not age
    FairShare::Weights share_weights = {};  ///< of keys; others have 1
    uint32_t swap_blocks = 0;               ///< blocks that host memory may hold for preempted sequences
    uint32_t logit_rows = UINT32_MAX;       ///< rows of logits of a step; at least max_running
    uint32_t window = 0;                    ///< tokens that a token sees, itself included, in every layer; 0: all
};

/// What a step does for one sequence: computes tokens [context, context + count).
struct StepItem {
    SequenceId id = 0;
    uint32_t context = 0;
    uint32_t count = 0;
    bool samples = false;  ///< the last of them is the sequence's last: its logits give the next token
    DraftTree draft;       ///< guesses that are computed behind them, in the slots that follow (speculation.hpp)
    uint32_t rows_begin = 0, rows_end = 0;  ///< of these tokens the logits are wanted as well, see want_logits()

    uint32_t extra_rows() const { return rows_end - rows_begin; }
};

struct BlockCopy {
    BlockId from = 0, to = 0;
};

/// Blocks of one sequence to be moved out of the model, or back into it.
struct BlockMove {
    SequenceId id = 0;
    uint32_t first = 0;  ///< of the sequence's blocks, the number of the first that is moved
    std::vector<BlockId> blocks;
};

/// A block that comes back from the host tier.
struct BlockFetch {
    uint32_t slot = 0;
    BlockId block = 0;
};

/// To be done in this order: what BlockManager::take_spills() says, swap_outs, copies, swap_ins, fetches, then the
/// items.
struct StepPlan {
    std::vector<BlockMove> swap_outs;
    std::vector<BlockCopy> copies;    ///< in order
    std::vector<BlockMove> swap_ins;  ///< without blocks: what was moved out is not needed any more
    std::vector<BlockFetch> fetches;
    std::vector<StepItem> items;
    std::vector<SequenceId> admitted;   ///< began to run in this step; they are among the items
    std::vector<SequenceId> preempted;  ///< lost their blocks; they run again later by themselves
};

/// How a sequence uses the prefix cache.
struct CacheUse {
    std::string_view salt;  ///< only sequences of the same salt share blocks
    bool pin = false;       ///< the prompt's blocks, once computed
    bool explain = false;   ///< fill ScheduledSequence::miss
    uint32_t adapter = 0;   ///< what the sequence is computed with; the salt has to tell it from others
};

/// A sequence as the scheduler keeps it.
struct ScheduledSequence {
    SequenceId id = 0;
    int32_t priority = 0;
    TimePoint arrival{};
    FairShare::Key key = 0;
    Rank rank;
    bool running = false;
    uint32_t computed = 0;                ///< tokens whose slots are filled
    uint32_t cached = 0;                  ///< tokens that the prefix cache gave at the last admission
    MissReason miss = MissReason::kNone;  ///< why not more, where it was asked for
    bool explain = false;
    uint32_t swapped = 0;          ///< tokens whose blocks host memory holds; 0 while running
    uint32_t pin_tokens = 0;       ///< to be pinned when they are computed; 0: none
    uint32_t published = 0;        ///< blocks of the table, from its beginning, that have been offered to the cache
    PrefixRoot root = kPlainRoot;  ///< held
    std::vector<uint64_t> hashes;  ///< of the whole blocks of the tokens
    std::vector<uint64_t> fetched_nodes;  ///< of blocks that host memory gave at the admission, behind `first_fetched`
    uint32_t first_fetched = 0;
    uint32_t charged = 0;   ///< of the tokens, those that the key has been charged for or got from the cache
    bool isolated = false;  ///< see isolate()
    uint32_t rows_wanted = 0, rows_done = 0;  ///< tokens [rows_done, rows_wanted) still have to give their logits
    uint32_t adapter = 0;                     ///< see CacheUse
    std::vector<int32_t> tokens;
    std::vector<BlockId> table;
    uint32_t dropped = 0;  ///< blocks at the table's beginning that are not held any more

    std::span<const BlockId> held() const { return std::span(table).subspan(dropped); }

    uint32_t pending() const { return static_cast<uint32_t>(tokens.size()) - computed; }
};

/// Used by one thread. `blocks` must outlive it and be used by nobody else.
class Scheduler {
  public:
    Scheduler(SchedulerLimits limits, BlockManager& blocks);

    /// Queues a sequence; `tokens` must not be empty, `id` must be new. `key`: whose share it is counted on. What
    /// `cache` points to is not kept.
    void add(SequenceId id, int32_t priority, std::vector<int32_t> tokens, std::string_view key = {},
             TimePoint arrival = {}, CacheUse cache = {});
    /// A second sequence with the same tokens, sharing all blocks. It runs if a place is free, else it waits.
    void fork(SequenceId parent, SequenceId child);
    /// Asks for the logits of the first `count` tokens of a sequence that has just been added, at most all but the
    /// last. They are computed whatever the prefix cache has, each once, in chunks that leave every other sequence its
    /// row.
    void want_logits(SequenceId id, uint32_t count);
    /// Keeps a sequence that has just been added off the prefix cache, both ways: what others computed may differ from
    /// its own in the last bits. Its forks are isolated too.
    void isolate(SequenceId id);
    /// The token that a finished step has sampled.
    void append(SequenceId id, int32_t token);
    /// Ends a sequence, whatever its state, and gives its blocks back.
    void remove(SequenceId id);

    /// What a token's computation and a block's move, one way, cost, in one unit; unknown (0) prefers computing.
    void set_costs(double token, double block) {
        token_cost_ = token;
        block_cost_ = block;
    }
    /// A waiting sequence's blocks could not be moved out: it will be computed again.
    void forget_swap(SequenceId id);

    /// Plans a step and assigns its blocks. Empty items mean that there is no sequence at all.
    StepPlan plan(TimePoint now);
    /// The step is done: its slots are filled. Sequences removed since plan() are skipped.
    void commit(const StepPlan& plan);

    /// Gives a planned item slots for up to `count` drafted tokens, of blocks that nobody else needs now. Returns how
    /// many it got. They are lent until take_back() or remove().
    uint32_t lend_slots(const StepItem& item, uint32_t count);
    /// After commit() and append(): the slot that follows the computed ones holds the token that was appended.
    void accept(SequenceId id);
    /// Gives back the blocks of lent slots that were not accepted. Unknown ids are ignored.
    void take_back(SequenceId id);
    /// Number of a sequence's slot in the KV memory.
    uint32_t slot(const ScheduledSequence& s, uint32_t position) const;

    const ScheduledSequence& at(SequenceId id) const { return *sequences_.at(id); }
    const SchedulerLimits& limits() const { return limits_; }
    /// Tokens of a waiting sequence that the prefix cache does not have now.
    size_t uncached(SequenceId id);
    size_t waiting() const { return queue_.size(); }
    size_t running() const { return running_.size(); }
    /// How many are likely to be admitted before this waiting sequence. O(waiting).
    size_t ahead(SequenceId id, TimePoint now) const { return queue_.ahead(entry(at(id)), now); }
    /// Tokens charged to the key of a sequence, divided by the key's weight; see FairShare.
    double share_counter(SequenceId id) const { return shares_.counter(at(id).key); }

  private:
    static AdmissionQueue::Entry entry(const ScheduledSequence& s) { return {s.rank, s.key, s.arrival}; }
    ScheduledSequence& insert(std::unique_ptr<ScheduledSequence> sequence);
    void start(ScheduledSequence& s);
    /// Gives `s` the blocks for `count` more tokens, preempting from the end of the order. False: `s` was the end.
    bool make_room(ScheduledSequence& s, uint32_t count, StepPlan& plan);
    bool admit(ScheduledSequence& s, StepPlan& plan);
    /// Looks its tokens up in the cache: known_, known_in_host_ and, where the latter is empty, a partial match.
    std::optional<PartialMatch> look_up(ScheduledSequence& s);
    bool worth_swapping(const ScheduledSequence& s) const;
    MissReason miss_reason(const ScheduledSequence& s, bool shared) const;
    /// So many of its tokens are computed: offers the blocks that are whole now to the cache.
    void fill(ScheduledSequence& s, uint32_t computed);
    void publish(ScheduledSequence& s);
    /// Gives back what lies before the window.
    void drop_unseen(ScheduledSequence& s);
    void preempt(ScheduledSequence& s, StepPlan& plan);
    bool must_copy_last(const ScheduledSequence& s) const;
    StepItem take(ScheduledSequence& s, uint32_t count);
    static StepItem item(const ScheduledSequence& s, uint32_t count);
    /// How many tokens of `s` the step can take: at most `budget`, and no more than there are rows for, of which one is
    /// the sequence's own and `spare` are free. Takes what it uses from both.
    static uint32_t chunk(const ScheduledSequence& s, uint32_t& budget, uint32_t& spare);

    SchedulerLimits limits_;
    BlockManager& blocks_;
    FairShare shares_;
    AdmissionQueue queue_;
    std::unordered_map<SequenceId, std::unique_ptr<ScheduledSequence>> sequences_;
    std::map<Rank, ScheduledSequence*> running_;
    double token_cost_ = 0, block_cost_ = 0;
    uint32_t swapped_blocks_ = 0;          ///< in host memory
    std::vector<BlockId> known_;           ///< of the sequence that is being admitted; kept for its memory
    std::vector<uint32_t> known_in_host_;  ///< slots of the blocks that follow
};

}  // namespace gantry::engine
