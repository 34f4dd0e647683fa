#pragma once

/// Who waits, and who is admitted next.
///
/// Between keys: the highest level first, then the smallest counter of the fair share, then the older. Within a key:
/// by rank. A level is a request's priority, and one more for each `ageing` that it has waited, but never more than
/// the highest priority that waits: age makes up for a lower priority, it does not win against equals, so that a key
/// cannot beat the fair share by queueing much. Nobody starves: every request reaches the highest level, its key's
/// counter stands still while those of others grow, and within its key only requests of higher priority that come in
/// the next `ageing` x difference can pass it.

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>

#include "runtime/engine/fair_share.hpp"

namespace gantry::engine {

/// Grows with each request: a smaller one came first.
using SequenceId = uint64_t;
/// A point in time, always passed in: no policy reads a clock.
using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// The order within a key, and among those that run. A priority is worth a head start of `ageing`, which orders two
/// requests as their aged priorities do, at any time: the order never changes. Smaller is first.
struct Rank {
    Duration virtual_arrival{};
    int32_t priority = 0;
    SequenceId id = 0;

    /// `ageing` zero: priorities do not age, a higher one is always first.
    static Rank of(SequenceId id, int32_t priority, TimePoint arrival, Duration ageing);
    std::strong_ordering operator<=>(const Rank& other) const;
    bool operator==(const Rank& other) const = default;
};

/// Used by one thread. `shares` must outlive it.
class AdmissionQueue {
  public:
    struct Entry {
        Rank rank;
        FairShare::Key key = 0;
        TimePoint arrival{};
    };

    AdmissionQueue(Duration ageing, FairShare& shares) : ageing_(ageing), shares_(shares) {}

    void push(const Entry& entry);
    void erase(const Entry& entry);
    bool empty() const { return size_ == 0; }
    size_t size() const { return size_; }

    /// The next to be admitted; the queue must not be empty. O(keys that wait).
    SequenceId next(TimePoint now) const;
    /// How many are likely to be admitted before this one, which waits: an estimate, because what others will be
    /// charged is not known yet. O(waiting).
    size_t ahead(const Entry& entry, TimePoint now) const;

  private:
    using Line = std::map<Rank, TimePoint>;  ///< of one key: rank and arrival

    int64_t level(const Rank& rank, TimePoint arrival, TimePoint now) const;

    Duration ageing_;
    FairShare& shares_;
    std::map<FairShare::Key, Line> lines_;  ///< none empty
    std::map<int32_t, size_t> priorities_;  ///< that wait, and how many of each
    size_t size_ = 0;
    double last_left_ = 0;  ///< counter of the key whose line became empty last
};

}  // namespace gantry::engine
