/// BlockManager: pins, and the audit of all books.

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "runtime/engine/block_manager.hpp"

namespace gantry::engine {

uint32_t BlockManager::pin(std::span<const BlockId> table) {
    Pin pin;
    uint32_t fresh = 0;
    for (const BlockId id : table) {
        Block& block = blocks_[id];
        if (block.node == 0 || pin.size() == pin_limit()) {
            break;
        }
        pin.push_back(id);
        fresh += block.pins == 0 ? 1 : 0;
    }
    while (!pins_.empty() && pinned_ + fresh > pin_limit()) {
        unpin_oldest();
        fresh = static_cast<uint32_t>(std::ranges::count_if(pin, [&](BlockId b) { return blocks_[b].pins == 0; }));
    }
    const auto count = static_cast<uint32_t>(pin.size());
    if (!pin.empty() && std::ranges::find(pins_, pin) == pins_.end()) {
        for (const BlockId id : pin) {
            pinned_ += blocks_[id].pins++ == 0 ? 1 : 0;
        }
        pins_.push_back(std::move(pin));
    }
    return count;
}

void BlockManager::unpin_oldest() {
    const Pin pin = std::move(pins_.front());
    pins_.pop_front();
    for (size_t i = pin.size(); i-- > 0;) {  // children first: they stay older than their parents
        const BlockId id = pin[i];
        Block& block = blocks_[id];
        if (block.pins > 1) {
            --block.pins;
            continue;
        }
        const bool cached = block.references == 0;
        if (cached) {
            unlink(id);
        }
        block.pins = 0;
        --pinned_;
        if (cached) {
            push_newest(id);
        }
    }
}

void BlockManager::forget_pins(BlockId block) {
    for (Pin& pin : pins_) {
        std::erase(pin, block);
    }
    std::erase_if(pins_, [](const Pin& pin) { return pin.empty(); });
    --pinned_;
}

std::string BlockManager::audit(bool windows) const {
    enum class State { kUnseen, kFree, kCached };
    std::vector<State> state(blocks_.size(), State::kUnseen);
    for (BlockId id : free_) {
        if (state[id] != State::kUnseen || blocks_[id].references != 0 || blocks_[id].node != 0) {
            return "block " + std::to_string(id) + " is wrongly on the free list";
        }
        state[id] = State::kFree;
    }
    uint32_t cached = 0;
    for (const bool pinned : {false, true}) {
        for (BlockId id = (pinned ? pinned_lru_ : lru_).oldest; id != kNone; id = blocks_[id].newer, ++cached) {
            const Block& block = blocks_[id];
            if (state[id] != State::kUnseen || block.references != 0 || block.node == 0 || (block.pins > 0) != pinned) {
                return "block " + std::to_string(id) + " is wrongly among the cached";
            }
            state[id] = State::kCached;
        }
    }
    if (cached != cached_count_) {
        return "the cached blocks are miscounted";
    }
    std::unordered_map<uint64_t, std::pair<uint32_t, uint32_t>> node_counts;  ///< references and pins
    for (const auto& [root, salt] : roots_) {
        node_counts[root] = {UINT32_MAX, UINT32_MAX};
    }
    uint32_t published = 0, pinned = 0;
    for (BlockId id = 0; id < blocks_.size(); ++id) {
        if ((state[id] == State::kUnseen) != (blocks_[id].references > 0)) {
            return "block " + std::to_string(id) + " is neither free, cached nor used";
        }
        if (blocks_[id].node != 0) {
            ++published;
            node_counts[blocks_[id].node] = {blocks_[id].references, blocks_[id].pins};
            pinned += blocks_[id].pins > 0 ? 1 : 0;
            if (by_hash_.find(blocks_[id].hash) != id) {
                return "block " + std::to_string(id) + " is published but cannot be found";
            }
        }
    }
    if (published != by_hash_.size()) {
        return "the index names blocks that are not published";
    }
    if (pinned != pinned_ || pinned_ > pin_limit()) {
        return "the pinned blocks are miscounted";
    }
    for (BlockId id = 0; id < blocks_.size(); ++id) {
        if (blocks_[id].node == 0) {
            continue;
        }
        const auto parent = node_counts.find(blocks_[id].parent_node);
        if (parent == node_counts.end()) {
            return "block " + std::to_string(id) + " has lost its parent";
        }
        if (!windows && blocks_[id].references > 0 && parent->second.first == 0) {
            return "block " + std::to_string(id) + " is used without its parent";
        }
        if (blocks_[id].pins > parent->second.second) {
            return "block " + std::to_string(id) + " is pinned more than its parent";
        }
    }
    return host_.audit();
}

}  // namespace gantry::engine
