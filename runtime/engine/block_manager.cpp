#include "runtime/engine/block_manager.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

namespace gantry::engine {

std::string_view miss_name(MissReason reason) {
    switch (reason) {
        case MissReason::kNone:
            return "none";
        case MissReason::kOff:
            return "off";
        case MissReason::kNew:
            return "new";
        case MissReason::kNewSalt:
            return "new_salt";
        case MissReason::kDiffers:
            return "differs";
        case MissReason::kEvicted:
            return "evicted";
    }
    return "none";
}

BlockManager::BlockManager(uint32_t block_count, uint32_t block_size, bool prefix_cache, uint64_t hash_mask,
                           uint32_t host_slots)
    : block_size_(block_size),
      prefix_cache_(prefix_cache),
      hash_mask_(hash_mask),
      blocks_(block_count),
      by_hash_(prefix_cache ? block_count : 0),
      roots_{{kPlainRoot, {{}, 1, kNone}}},
      host_(prefix_cache ? host_slots : 0) {
    assert(block_size > 0);
    if (prefix_cache) {
        evicted_.resize(block_count);
        tokens_.resize(size_t{block_count} * block_size);
    }
    free_.reserve(block_count);
    for (BlockId id = block_count; id-- > 0;) {  // block 0 is given out first
        free_.push_back(id);
    }
}

PrefixRoot BlockManager::acquire_root(std::string_view salt) {
    if (salt.empty()) {
        share_root(kPlainRoot);
        return kPlainRoot;
    }
    auto known = root_of_.find(salt);
    if (known == root_of_.end()) {
        known = root_of_.emplace(salt, ++last_node_).first;
        roots_[known->second].salt = salt;
    }
    ++roots_.at(known->second).uses;
    return known->second;
}

void BlockManager::release_root(PrefixRoot root) { drop_root_use(root); }

void BlockManager::drop_root_use(PrefixRoot root) {
    const auto it = roots_.find(root);
    if (--it->second.uses == 0) {
        root_of_.erase(it->second.salt);
        roots_.erase(it);
    }
}

BlockId& BlockManager::first_child(PrefixRoot root, std::optional<BlockId> parent) {
    return parent ? blocks_[*parent].first_child : roots_.at(root).first_child;
}

/// Pairs of tokens are mixed independently of each other, which lets the processor overlap their multiplications; the
/// parent comes in at the end. Quality matters for speed only: tokens and parents are compared as well.
uint64_t BlockManager::chain(uint64_t parent_hash, std::span<const int32_t> tokens) const {
    uint64_t sum = 0, key = 0x9e3779b97f4a7c15u;
    size_t i = 0;
    const auto word = [&](size_t at) { return static_cast<uint64_t>(static_cast<uint32_t>(tokens[at])); };
    const auto mix = [&](uint64_t pair) {
        uint64_t m = (pair ^ key) * 0xbf58476d1ce4e5b9u;
        m ^= m >> 32;
        sum += m * (key | 1);
        key += 0x9e3779b97f4a7c15u;
    };
    for (; i + 1 < tokens.size(); i += 2) {
        mix(word(i) | word(i + 1) << 32);
    }
    if (i < tokens.size()) {
        mix(word(i));
    }
    uint64_t h = (sum ^ std::rotl(parent_hash, 23)) * 0x94d049bb133111ebu + parent_hash;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 29;
    return h & hash_mask_;
}

std::span<const int32_t> BlockManager::tokens_of(BlockId block) const {
    return {tokens_.data() + size_t{block} * block_size_, block_size_};
}

std::optional<BlockId> BlockManager::find(uint64_t hash, uint64_t parent_node, std::span<const int32_t> tokens) const {
    const auto block = by_hash_.find(hash);
    if (!block || blocks_[*block].parent_node != parent_node || !std::ranges::equal(tokens_of(*block), tokens)) {
        return std::nullopt;
    }
    return block;
}

void BlockManager::extend_hashes(PrefixRoot root, std::span<const int32_t> tokens,
                                 std::vector<uint64_t>& hashes) const {
    if (!prefix_cache_) {
        return;
    }
    for (size_t i = hashes.size(); (i + 1) * block_size_ <= tokens.size(); ++i) {
        hashes.push_back(chain(i == 0 ? root_hash(root) : hashes.back(), tokens.subspan(i * block_size_, block_size_)));
    }
}

void BlockManager::match(PrefixRoot root, std::span<const int32_t> tokens, std::span<const uint64_t> hashes,
                         std::vector<BlockId>& found) const {
    found.clear();
    uint64_t node = root;
    for (size_t i = 0; i < hashes.size(); ++i) {
        const auto block = find(hashes[i], node, tokens.subspan(i * block_size_, block_size_));
        if (!block) {
            break;
        }
        node = blocks_[*block].node;
        found.push_back(*block);
    }
}

void BlockManager::match_host(PrefixRoot root, std::span<const int32_t> tokens, std::span<const uint64_t> hashes,
                              std::span<const BlockId> known, std::vector<uint32_t>& slots) const {
    slots.clear();
    uint64_t node = known.empty() ? root : blocks_[known.back()].node;
    for (size_t i = known.size(); i < hashes.size() && host_.size() > 0; ++i) {
        const auto slot = host_.find(hashes[i], node, tokens.subspan(i * block_size_, block_size_));
        if (!slot) {
            break;
        }
        node = host_.node(*slot);
        slots.push_back(*slot);
    }
}

uint64_t BlockManager::take_from_host(uint32_t slot) {
    const uint64_t node = host_.node(slot);
    host_.take(slot);
    return node;
}

std::vector<Spill> BlockManager::take_spills() {
    host_.settle();
    return std::exchange(spills_, {});
}

std::vector<BlockId> BlockManager::match(std::span<const int32_t> tokens, uint32_t max_blocks) const {
    std::vector<uint64_t> hashes;
    extend_hashes(kPlainRoot, tokens.first(std::min<size_t>(size_t{max_blocks} * block_size_, tokens.size())), hashes);
    std::vector<BlockId> found;
    match(kPlainRoot, tokens, hashes, found);
    return found;
}

std::optional<PartialMatch> BlockManager::match_partial(PrefixRoot root, std::optional<BlockId> parent,
                                                        std::span<const int32_t> rest) const {
    constexpr int kCandidates = 16;
    PartialMatch best;
    BlockId child = parent ? blocks_[*parent].first_child : roots_.at(root).first_child;
    for (int i = 0; i < kCandidates && child != kNone; ++i, child = blocks_[child].next_sibling) {
        const auto theirs = tokens_of(child);
        const auto same = std::ranges::mismatch(theirs, rest).in1 - theirs.begin();
        if (same > static_cast<std::ptrdiff_t>(best.tokens)) {
            best = {child, static_cast<uint32_t>(same)};
        }
    }
    return best.tokens > 0 ? std::optional(best) : std::nullopt;
}

MissReason BlockManager::miss_reason(uint64_t hash, bool shared) const {
    if (!prefix_cache_) {
        return MissReason::kOff;
    }
    if (std::ranges::find(evicted_, hash) != evicted_.end()) {
        return MissReason::kEvicted;
    }
    return shared ? MissReason::kDiffers : MissReason::kNew;
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
    } else if (cached_count_ > 0) {
        id = lru_.oldest != kNone ? lru_.oldest : pinned_lru_.oldest;
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
    return publish(kPlainRoot, parent, block, tokens,
                   chain(parent ? blocks_[*parent].hash : root_hash(kPlainRoot), tokens));
}

BlockId BlockManager::publish(PrefixRoot root, std::optional<BlockId> parent, BlockId block,
                              std::span<const int32_t> tokens, uint64_t hash, uint64_t node) {
    assert(tokens.size() == block_size_);
    Block& self = blocks_[block];
    if (!prefix_cache_ || self.node != 0 || (parent && blocks_[*parent].node == 0)) {
        return block;
    }
    const uint64_t parent_node = parent ? blocks_[*parent].node : root;
    if (const auto known = find(hash, parent_node, tokens)) {
        reference({&*known, 1});
        release(block);
        return *known;
    }
    if (by_hash_.insert(hash, block)) {
        self.node = node != 0 ? node : ++last_node_;
        self.parent_node = parent_node;
        self.parent = parent.value_or(kNone);
        self.hash = hash;
        std::ranges::copy(tokens, tokens_.begin() + static_cast<std::ptrdiff_t>(size_t{block} * block_size_));
        BlockId& first = first_child(root, parent);
        self.next_sibling = first;
        if (first != kNone) {
            blocks_[first].previous_sibling = block;
        }
        first = block;
        if (!parent) {
            ++roots_.at(root).uses;
        }
    }
    return block;
}

void BlockManager::forget(BlockId block) {
    evicted_[evicted_at_] = blocks_[block].hash;
    evicted_at_ = (evicted_at_ + 1) % evicted_.size();
    const Block& evicted = blocks_[block];
    const auto text = tokens_of(block);
    if (const auto slot = host_.put(
            {evicted.hash, evicted.node, evicted.parent_node, std::vector<int32_t>(text.begin(), text.end())})) {
        spills_.push_back({block, *slot});
    }
    std::vector<BlockId> below;
    withdraw(block, below);
    while (!below.empty()) {
        const BlockId child = below.back();
        below.pop_back();
        const bool cached = blocks_[child].references == 0;
        if (cached) {
            unlink(child);
        }
        withdraw(child, below);
        if (cached) {
            free_.push_back(child);
        }
    }
}

void BlockManager::withdraw(BlockId block, std::vector<BlockId>& children) {
    const Block self = blocks_[block];
    by_hash_.erase(self.hash);
    if (self.next_sibling != kNone) {
        blocks_[self.next_sibling].previous_sibling = self.previous_sibling;
    }
    if (self.previous_sibling != kNone) {
        blocks_[self.previous_sibling].next_sibling = self.next_sibling;
    }
    if (const auto root = roots_.find(self.parent_node); root != roots_.end()) {
        if (self.previous_sibling == kNone) {
            root->second.first_child = self.next_sibling;
        }
        drop_root_use(self.parent_node);
    } else if (self.previous_sibling == kNone && self.parent != kNone) {
        blocks_[self.parent].first_child = self.next_sibling;
    }
    for (BlockId child = self.first_child; child != kNone; child = blocks_[child].next_sibling) {
        children.push_back(child);
    }
    if (self.pins > 0) {
        forget_pins(block);
    }
    blocks_[block] = Block{};
    blocks_[block].references = self.references;
}

void BlockManager::push_newest(BlockId block) {
    Block& self = blocks_[block];
    Lru& list = lru(self);
    self.older = list.newest;
    self.newer = kNone;
    (list.newest == kNone ? list.oldest : blocks_[list.newest].newer) = block;
    list.newest = block;
    ++cached_count_;
}

void BlockManager::unlink(BlockId block) {
    Block& self = blocks_[block];
    Lru& list = lru(self);
    (self.older == kNone ? list.oldest : blocks_[self.older].newer) = self.newer;
    (self.newer == kNone ? list.newest : blocks_[self.newer].older) = self.older;
    self.older = self.newer = kNone;
    --cached_count_;
}

BlockManager::Counts BlockManager::counts() const {
    const auto free = static_cast<uint32_t>(free_.size());
    return {free, cached_count_, block_count() - free - cached_count_};
}

}  // namespace gantry::engine
