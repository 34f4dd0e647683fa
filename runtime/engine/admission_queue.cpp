#include "runtime/engine/admission_queue.hpp"

#include <algorithm>
#include <limits>

namespace gantry::engine {

Rank Rank::of(SequenceId id, int32_t priority, TimePoint arrival, Duration ageing) {
    Rank rank;
    rank.id = id;
    if (ageing > Duration::zero()) {
        rank.virtual_arrival = arrival.time_since_epoch() - priority * ageing;
    }
    rank.priority = priority;
    return rank;
}

std::strong_ordering Rank::operator<=>(const Rank& other) const {
    if (const auto order = virtual_arrival <=> other.virtual_arrival; order != 0) {
        return order;
    }
    if (const auto order = other.priority <=> priority; order != 0) {
        return order;
    }
    return id <=> other.id;
}

int64_t AdmissionQueue::level(const Rank& rank, TimePoint arrival, TimePoint now) const {
    const int64_t grown = ageing_ > Duration::zero() ? std::max<int64_t>((now - arrival) / ageing_, 0) : 0;
    return std::min<int64_t>(rank.priority + grown, priorities_.rbegin()->first);
}

void AdmissionQueue::push(const Entry& entry) {
    const auto found = lines_.find(entry.key);
    if (found == lines_.end()) {
        double floor = lines_.empty() ? last_left_ : std::numeric_limits<double>::infinity();
        for (const auto& [key, line] : lines_) {
            floor = std::min(floor, shares_.counter(key));
        }
        shares_.lift(entry.key, floor);
    }
    lines_[entry.key].emplace(entry.rank, entry.arrival);
    ++priorities_[entry.rank.priority];
    ++size_;
}

void AdmissionQueue::erase(const Entry& entry) {
    const auto line = lines_.find(entry.key);
    line->second.erase(entry.rank);
    if (line->second.empty()) {
        last_left_ = std::max(last_left_, shares_.counter(entry.key));
        lines_.erase(line);
    }
    const auto priority = priorities_.find(entry.rank.priority);
    if (--priority->second == 0) {
        priorities_.erase(priority);
    }
    --size_;
}

SequenceId AdmissionQueue::next(TimePoint now) const {
    const Rank* best = nullptr;
    int64_t best_level = 0;
    double best_counter = 0;
    for (const auto& [key, line] : lines_) {
        const auto& [rank, arrival] = *line.begin();
        const int64_t own = level(rank, arrival, now);
        const double counter = shares_.counter(key);
        const bool better =
            best == nullptr || own > best_level ||
            (own == best_level && (counter < best_counter || (counter == best_counter && rank < *best)));
        if (better) {
            best = &rank;
            best_level = own;
            best_counter = counter;
        }
    }
    return best->id;
}

size_t AdmissionQueue::ahead(const Entry& entry, TimePoint now) const {
    const int64_t own = level(entry.rank, entry.arrival, now);
    const Line& mine = lines_.at(entry.key);
    const auto before_me = static_cast<size_t>(std::distance(mine.begin(), mine.find(entry.rank)));
    size_t ahead = before_me;
    for (const auto& [key, line] : lines_) {
        if (key == entry.key) {
            continue;
        }
        size_t higher = 0, equal = 0;
        for (const auto& [rank, arrival] : line) {
            const int64_t theirs = level(rank, arrival, now);
            if (theirs < own) {
                break;  // ranks fall with levels
            }
            ++(theirs > own ? higher : equal);
        }
        const bool first = shares_.counter(key) < shares_.counter(entry.key);
        ahead += higher + std::min(equal, before_me + (first ? 1 : 0));  // turn by turn
    }
    return ahead;
}

}  // namespace gantry::engine
