#include "runtime/engine/host_tier.hpp"

#include <algorithm>
#include <utility>

namespace gantry::engine {

HostTier::HostTier(uint32_t slots) : slots_(slots) {
    free_.reserve(slots);
    for (uint32_t slot = slots; slot-- > 0;) {
        free_.push_back(slot);
    }
}

std::optional<uint32_t> HostTier::put(Entry entry) {
    if (const auto known = by_hash_.find(entry.hash); known != by_hash_.end()) {
        drop(known->second);
    }
    if (free_.empty() && !order_.empty()) {
        drop(order_.front());
    }
    if (free_.empty()) {
        return std::nullopt;
    }
    const uint32_t slot = free_.back();
    free_.pop_back();
    by_hash_.emplace(entry.hash, slot);
    slots_[slot] = {std::move(entry), order_.insert(order_.end(), slot), true, false};
    fresh_.push_back(slot);
    return slot;
}

std::optional<uint32_t> HostTier::find(uint64_t hash, uint64_t parent_node, std::span<const int32_t> tokens) const {
    const auto known = by_hash_.find(hash);
    if (known == by_hash_.end()) {
        return std::nullopt;
    }
    const auto& [entry, place, used, settled] = slots_[known->second];
    const bool same = settled && entry.parent_node == parent_node && std::ranges::equal(entry.tokens, tokens);
    return same ? std::optional(known->second) : std::nullopt;
}

void HostTier::remove(uint32_t slot) {
    by_hash_.erase(slots_[slot].entry.hash);
    order_.erase(slots_[slot].place);
    slots_[slot].used = false;
}

void HostTier::take(uint32_t slot) {
    remove(slot);
    taken_.push_back(slot);
}

void HostTier::settle() {
    free_.insert(free_.end(), taken_.begin(), taken_.end());
    taken_.clear();
    for (const uint32_t slot : fresh_) {
        slots_[slot].settled = true;
    }
    fresh_.clear();
}

void HostTier::drop(uint32_t slot) {
    if (slots_[slot].used) {
        remove(slot);
        free_.push_back(slot);
    }
}

std::string HostTier::audit() const {
    if (order_.size() + free_.size() + taken_.size() != slots_.size() || by_hash_.size() != order_.size()) {
        return "the slots of host memory are miscounted";
    }
    for (const uint32_t slot : order_) {
        const auto known = by_hash_.find(slots_[slot].entry.hash);
        if (!slots_[slot].used || known == by_hash_.end() || known->second != slot) {
            return "slot " + std::to_string(slot) + " of host memory cannot be found";
        }
    }
    return {};
}

}  // namespace gantry::engine
