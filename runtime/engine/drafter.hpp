#pragma once

/// Where guesses at the coming tokens of an answer come from. A guess is never trusted: the engine computes it beside
/// the answer's last token and keeps what the model says itself (speculation.hpp), so a drafter can only change speed.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/engine/scheduler.hpp"

namespace gantry::engine {

/// What to draft for one sequence, and what came of it.
struct DraftRequest {
    SequenceId id = 0;
    uint32_t max_tokens = 0;  ///< at least 1
    bool trees = false;       ///< more than one branch is welcome
    DraftTree draft;          ///< out: at most max_tokens tokens; empty where there is nothing to guess from
};

/// Used by one thread. New sources (draft heads, say) implement this and nothing else.
class Drafter {
  public:
    virtual ~Drafter() = default;
    /// A new sequence. `hint` is a text that the answer is likely to quote, maybe empty; `tokens` are the prompt and
    /// the answer so far.
    virtual void begin(SequenceId id, std::span<const int32_t> hint, std::span<const int32_t> tokens) = 0;
    /// Verified tokens that follow the ones known.
    virtual void append(SequenceId id, std::span<const int32_t> tokens) = 0;
    /// Fills `draft` of each request; all sequences at once, so that a draft model can batch them.
    virtual void propose(std::span<DraftRequest> requests) = 0;
    /// Forgets a sequence. Unknown ones are ignored.
    virtual void end(SequenceId id) = 0;
};

}  // namespace gantry::engine
