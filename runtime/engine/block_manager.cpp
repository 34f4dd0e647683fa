#include "runtime/engine/block_manager.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace gantry::engine {

BlockManager::BlockManager(uint32_t block_count, uint32_t block_size, bool prefix_cache, uint64_t hash_mask)
    : block_size_(block_size), prefix_cache_(prefix_cache), hash_mask_(hash_mask), blocks_(block_count) {
    assert(block_size > 0);
    if (prefix_cache) {
        tokens_.resize(size_t{block_count} * block_size);
    }
    free_.reserve(block_count);
    for (BlockId id = block_count; id-- > 0;) {  // block 0 is given out first
        free_.push_back(id);
    }
}

uint64_t BlockManager::chain(uint64_t parent_hash, std::span<const int32_t> tokens) const {
    uint64_t h = parent_hash ^ 0x9e3779b97f4a7c15u;
    for (int32_t token : tokens) {
        h ^= (static_cast<uint64_t>(static_cast<uint32_t>(token)) + 1) * 0xbf58476d1ce4e5b9u;
        h = std::rotl(h, 29) * 0x94d049bb133111ebu;
    }
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 29;
    return h & hash_mask_;
}

std::span<const int32_t> BlockManager::tokens_of(BlockId block) const {
    return {tokens_.data() + size_t{block} * block_size_, block_size_};
}

std::optional<BlockId> BlockManager::find(uint64_t hash, uint64_t parent_node, std::span<const int32_t> tokens) const {
    auto it = by_hash_.find(hash);
    if (it == by_hash_.end() || blocks_[it->second].parent_node != parent_node ||
        !std::ranges::equal(tokens_of(it->second), tokens)) {
        return std::nullopt;
    }
    return it->second;
}

std::vector<BlockId> BlockManager::match(std::span<const int32_t> tokens, uint32_t max_blocks) const {
    std::vector<BlockId> found;
    if (!prefix_cache_) {
        return found;
    }
    uint64_t hash = 0;
    uint64_t node = kRoot;
    const size_t limit = std::min<size_t>(max_blocks, tokens.size() / block_size_);
    for (size_t i = 0; i < limit; ++i) {
        const auto content = tokens.subspan(i * block_size_, block_size_);
        hash = chain(hash, content);
        const auto block = find(hash, node, content);
        if (!block) {
            break;
        }
        node = blocks_[*block].node;
        found.push_back(*block);
    }
    return found;
}

void BlockManager::reference(std::span<const BlockId> blocks) {
    for (BlockId id : blocks) {
        if (blocks_[id].references++ == 0) {
            assert(blocks_[id].node != 0);
            unlink(id);
        }
    }
}

std::optional<BlockId> BlockManager::allocate() {
    BlockId id = kNone;
    if (!free_.empty()) {
        id = free_.back();
        free_.pop_back();
    } else if (oldest_ != kNone) {
        id = oldest_;
        unlink(id);
        forget(id);
    } else {
        return std::nullopt;
    }
    blocks_[id].references = 1;
    return id;
}

void BlockManager::release(BlockId block) {
    assert(blocks_[block].references > 0);
    if (--blocks_[block].references > 0) {
        return;
    }
    if (blocks_[block].node != 0) {
        push_newest(block);
    } else {
        free_.push_back(block);
    }
}

void BlockManager::release(std::span<const BlockId> table) {
    for (size_t i = table.size(); i-- > 0;) {
        release(table[i]);
    }
}

BlockId BlockManager::publish(std::optional<BlockId> parent, BlockId block, std::span<const int32_t> tokens) {
    assert(tokens.size() == block_size_);
    Block& self = blocks_[block];
    if (!prefix_cache_ || self.node != 0 || (parent && blocks_[*parent].node == 0)) {
        return block;
    }
    const uint64_t parent_node = parent ? blocks_[*parent].node : kRoot;
    const uint64_t hash = chain(parent ? blocks_[*parent].hash : 0, tokens);
    if (const auto known = find(hash, parent_node, tokens)) {
        reference({&*known, 1});
        release(block);
        return *known;
    }
    if (by_hash_.emplace(hash, block).second) {
        self.node = ++last_node_;
        self.parent_node = parent_node;
        self.hash = hash;
        std::ranges::copy(tokens, tokens_.begin() + static_cast<std::ptrdiff_t>(size_t{block} * block_size_));
    }
    return block;
}

void BlockManager::forget(BlockId block) {
    by_hash_.erase(blocks_[block].hash);
    blocks_[block] = Block{};
}

void BlockManager::push_newest(BlockId block) {
    Block& self = blocks_[block];
    self.older = newest_;
    self.newer = kNone;
    (newest_ == kNone ? oldest_ : blocks_[newest_].newer) = block;
    newest_ = block;
    ++cached_count_;
}

void BlockManager::unlink(BlockId block) {
    Block& self = blocks_[block];
    (self.older == kNone ? oldest_ : blocks_[self.older].newer) = self.newer;
    (self.newer == kNone ? newest_ : blocks_[self.newer].older) = self.older;
    self.older = self.newer = kNone;
    --cached_count_;
}

BlockManager::Counts BlockManager::counts() const {
    const auto free = static_cast<uint32_t>(free_.size());
    return {free, cached_count_, block_count() - free - cached_count_};
}

std::string BlockManager::audit() const {
    enum class State { kUnseen, kFree, kCached };
    std::vector<State> state(blocks_.size(), State::kUnseen);
    for (BlockId id : free_) {
        if (state[id] != State::kUnseen || blocks_[id].references != 0 || blocks_[id].node != 0) {
            return "block " + std::to_string(id) + " is wrongly on the free list";
        }
        state[id] = State::kFree;
    }
    uint32_t cached = 0;
    for (BlockId id = oldest_; id != kNone; id = blocks_[id].newer, ++cached) {
        if (state[id] != State::kUnseen || blocks_[id].references != 0 || blocks_[id].node == 0) {
            return "block " + std::to_string(id) + " is wrongly among the cached";
        }
        state[id] = State::kCached;
    }
    if (cached != cached_count_) {
        return "the cached blocks are miscounted";
    }
    std::unordered_map<uint64_t, uint32_t> references_of_node{{kRoot, UINT32_MAX}};
    uint32_t published = 0;
    for (BlockId id = 0; id < blocks_.size(); ++id) {
        if ((state[id] == State::kUnseen) != (blocks_[id].references > 0)) {
            return "block " + std::to_string(id) + " is neither free, cached nor used";
        }
        if (blocks_[id].node != 0) {
            ++published;
            references_of_node[blocks_[id].node] = blocks_[id].references;
            const auto it = by_hash_.find(blocks_[id].hash);
            if (it == by_hash_.end() || it->second != id) {
                return "block " + std::to_string(id) + " is published but cannot be found";
            }
        }
    }
    if (published != by_hash_.size()) {
        return "the index names blocks that are not published";
    }
    for (BlockId id = 0; id < blocks_.size(); ++id) {
        if (blocks_[id].node == 0) {
            continue;
        }
        const auto parent = references_of_node.find(blocks_[id].parent_node);
        if (parent == references_of_node.end()) {
            return "block " + std::to_string(id) + " has lost its parent";
        }
        if (blocks_[id].references > 0 && parent->second == 0) {
            return "block " + std::to_string(id) + " is used without its parent";
        }
    }
    return {};
}

}  // namespace gantry::engine
