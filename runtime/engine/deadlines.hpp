#pragma once

/// The requests that have to be answered by a certain time.

#include <map>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "runtime/engine/admission_queue.hpp"
#include "runtime/engine/load_estimate.hpp"

namespace gantry::engine {

/// Used by one thread. Requests are known by their arrival number.
class Deadlines {
  public:
    void add(uint64_t arrival, TimePoint deadline) { by_time_.emplace(deadline, arrival); }
    void remove(uint64_t arrival, TimePoint deadline);
    /// Those whose time is over by `now`; they are forgotten.
    std::vector<uint64_t> expired(TimePoint now);

  private:
    std::multimap<TimePoint, uint64_t> by_time_;
};

/// kDeadlineExceeded for a request that has `left` for its answer and cannot get its first token within that, by the
/// estimate; none while nothing has been measured.
std::optional<Error> hopeless(Duration left, const LoadEstimate& load, size_t ahead, size_t prompt_tokens);

/// The error of a request whose time is over.
Error deadline_passed(uint32_t deadline_ms, uint64_t answer_tokens);

}  // namespace gantry::engine
