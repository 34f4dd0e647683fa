#pragma once

/// best_of: more answers are made than are shown. Their events are kept back until all have finished; then those with
/// the highest log-probability (summed over all tokens drawn) are let out, best first, numbered anew.

#include <cstdint>
#include <vector>

#include "runtime/engine/types.hpp"

namespace gantry::engine {

/// Used by one thread.
class BestOf {
  public:
    BestOf(uint32_t made, uint32_t shown) : answers_(made), shown_(shown) {}

    void add_logprob(uint32_t index, double logprob) { answers_.at(index).logprob += logprob; }
    /// A Delta or a Finish.
    void keep(Event event);
    /// The events of the best answers, each whole. Of equals the one with the lower index is better.
    std::vector<Event> best();

  private:
    struct Kept {
        double logprob = 0;
        std::vector<Delta> deltas;
        Finish finish{0, FinishReason::kCancelled, {}};
    };
    std::vector<Kept> answers_;
    uint32_t shown_;
};

}  // namespace gantry::engine
