#include "runtime/engine/fair_share.hpp"

#include <algorithm>
#include <limits>

namespace gantry::engine {

FairShare::Key FairShare::enter(std::string_view name) {
    if (const auto known = by_name_.find(name); known != by_name_.end()) {
        enter(known->second);
        return known->second;
    }
    if (by_name_.size() >= kRemembered) {
        forget_idle(floor_);
        if (by_name_.size() >= 2 * kRemembered) {
            forget_idle(std::numeric_limits<double>::infinity());
        }
    }
    auto key = static_cast<Key>(entries_.size());
    if (unused_.empty()) {
        entries_.emplace_back();
    } else {
        key = unused_.back();
        unused_.pop_back();
    }
    const auto weight = weights_.find(name);
    entries_[key] = {std::string(name), weight == weights_.end() ? 1 : weight->second, 0, 1};
    by_name_.emplace(name, key);
    return key;
}

void FairShare::leave(Key key) { --entries_[key].users; }

void FairShare::lift(Key key, double floor) {
    floor_ = std::max(floor_, floor);
    entries_[key].counter = std::max(entries_[key].counter, floor);
}

void FairShare::forget_idle(double at_most) {
    std::erase_if(by_name_, [&](const auto& named) {
        Entry& entry = entries_[named.second];
        const bool gone = entry.users == 0 && entry.counter <= at_most;
        if (gone) {
            unused_.push_back(named.second);
            entry = {};
        }
        return gone;
    });
}

}  // namespace gantry::engine
