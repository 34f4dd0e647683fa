#pragma once

/// Who holds which KV block, and which blocks hold text that may be met again. Knows numbers and tokens, no tensors.
///
/// A block is in one of three states, and free + cached + used = all at any time:
///
///     free   ── allocate ──▶ used ── last release ──▶ free     (never published)
///                             ▲ │
///                   reference │ └─── last release ──▶ cached   (published: findable by match())
///                             └────────────────────── cached ── evicted by allocate, oldest first
///
/// A published block is a node of a prefix tree: it is found by the hash of its tokens chained with the hash of the
/// block before it, and taken only if its tokens and its parent node are the very ones looked for, so that a collision
/// of hashes costs a cache hit and nothing else. Node numbers are never used twice.
///
/// Tables are released last block first, so that among cached blocks a child is always older than its parent: eviction
/// takes the ends of texts before their beginnings and never leaves an unreachable child.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace gantry::engine {

using BlockId = uint32_t;

/// Used by one thread.
class BlockManager {
  public:
    struct Counts {
        uint32_t free = 0, cached = 0, used = 0;
    };

    /// `hash_mask` is for tests, which narrow it to force collisions.
    BlockManager(uint32_t block_count, uint32_t block_size, bool prefix_cache, uint64_t hash_mask = ~uint64_t{0});

    uint32_t block_count() const { return static_cast<uint32_t>(blocks_.size()); }
    uint32_t block_size() const { return block_size_; }
    uint32_t blocks_for(size_t tokens) const { return static_cast<uint32_t>((tokens + block_size_ - 1) / block_size_); }
    /// Blocks that allocate() could give out now: free and cached ones.
    uint32_t available() const { return static_cast<uint32_t>(free_.size()) + cached_count_; }
    uint32_t references(BlockId block) const { return blocks_[block].references; }

    /// The longest chain of published blocks that holds the beginning of `tokens`, at most `max_blocks` long. Takes no
    /// references: the answer holds until the next call of a non-const member.
    std::vector<BlockId> match(std::span<const int32_t> tokens, uint32_t max_blocks) const;

    /// One more reference to each; cached blocks become used.
    void reference(std::span<const BlockId> blocks);
    /// A block with one reference and undefined contents, or none when available() is 0. Forgets the oldest cached
    /// block where no free one is left.
    std::optional<BlockId> allocate();
    /// Drops one reference from each block of a table (or of a table's end), last first.
    void release(std::span<const BlockId> table);
    void release(BlockId block);

    /// Makes a filled block findable: `tokens` (block_size of them) follow `parent`'s (none: they begin the text).
    /// Where an equal block is known already, the caller's reference moves to that one. Returns the block to use from
    /// now on. Does nothing when the cache is off, the parent is not published or another text has the same hash.
    BlockId publish(std::optional<BlockId> parent, BlockId block, std::span<const int32_t> tokens);

    Counts counts() const;
    /// Walks everything: empty when the books balance, else what is wrong. For tests; O(blocks).
    std::string audit() const;

  private:
    static constexpr BlockId kNone = UINT32_MAX;
    static constexpr uint64_t kRoot = 0;  ///< parent node of a text's first block

    struct Block {
        uint32_t references = 0;
        BlockId older = kNone, newer = kNone;  ///< neighbours among the cached
        uint64_t node = 0;                     ///< 0: not published
        uint64_t parent_node = kRoot;
        uint64_t hash = 0;
    };

    uint64_t chain(uint64_t parent_hash, std::span<const int32_t> tokens) const;
    /// The published block for these tokens below `parent_node`.
    std::optional<BlockId> find(uint64_t hash, uint64_t parent_node, std::span<const int32_t> tokens) const;
    std::span<const int32_t> tokens_of(BlockId block) const;
    void push_newest(BlockId block);
    void unlink(BlockId block);
    void forget(BlockId block);

    uint32_t block_size_;
    bool prefix_cache_;
    uint64_t hash_mask_;
    std::vector<Block> blocks_;
    std::vector<int32_t> tokens_;  ///< [block_count, block_size] contents of published blocks
    std::vector<BlockId> free_;
    BlockId oldest_ = kNone, newest_ = kNone;
    uint32_t cached_count_ = 0;
    uint64_t last_node_ = kRoot;
    std::unordered_map<uint64_t, BlockId> by_hash_;
};

}  // namespace gantry::engine
