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
/// An evicted block may go on in host memory (host_tier.hpp), with its node number: it is free here, and what follows
/// it there is found through it.
///
/// Tables are released last block first, so that among cached blocks a child is always older than its parent: eviction
/// takes the ends of texts before their beginnings and never leaves an unreachable child.
///
/// Where models look back a window only, a sequence gives up its beginning while it uses the rest. If such a beginning
/// is evicted, what follows it cannot be found any more: it is not published any longer, and free where nobody uses it.
///
/// A text may have a salt: only texts of the same salt share blocks with it. A pinned block is evicted after all that
/// are not pinned; as a pin goes from a text's beginning on, parents are pinned where children are. Pins are bounded:
/// past the limit the oldest pinned text loses its pin.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/engine/hash_index.hpp"
#include "runtime/engine/host_tier.hpp"

namespace gantry::engine {

using BlockId = uint32_t;

/// The parent of the first blocks of all texts with one salt.
using PrefixRoot = uint64_t;
inline constexpr PrefixRoot kPlainRoot = 0;  ///< of texts without a salt

/// A published block that begins like what is looked for.
struct PartialMatch {
    BlockId block = 0;
    uint32_t tokens = 0;  ///< at its beginning, that are the same
};

/// An evicted block that is to be saved before anything is written to it.
struct Spill {
    BlockId block = 0;
    uint32_t slot = 0;  ///< of the host tier
};

/// Why the blocks of a text end where they end.
enum class MissReason {
    kNone,     ///< all of it was there
    kOff,      ///< there is no cache
    kNew,      ///< no text is known that goes on there
    kNewSalt,  ///< the same, and no text of this salt is known
    kDiffers,  ///< known texts go on with other tokens
    kEvicted   ///< it was there, but had to give way
};
std::string_view miss_name(MissReason reason);  ///< "none", "off", "new", "new_salt", "differs", "evicted"

/// Used by one thread.
class BlockManager {
  public:
    struct Counts {
        uint32_t free = 0, cached = 0, used = 0;
    };

    /// `hash_mask` is for tests, which narrow it to force collisions.
    /// `host_slots`: evicted blocks that host memory may hold.
    BlockManager(uint32_t block_count, uint32_t block_size, bool prefix_cache, uint64_t hash_mask = ~uint64_t{0},
                 uint32_t host_slots = 0);

    uint32_t block_count() const { return static_cast<uint32_t>(blocks_.size()); }
    uint32_t block_size() const { return block_size_; }
    uint32_t blocks_for(size_t tokens) const { return static_cast<uint32_t>((tokens + block_size_ - 1) / block_size_); }
    /// Blocks that allocate() could give out now: free and cached ones.
    uint32_t available() const { return static_cast<uint32_t>(free_.size()) + cached_count_; }
    uint32_t references(BlockId block) const { return blocks_[block].references; }
    bool prefix_cache() const { return prefix_cache_; }

    /// The root of a salt, to be given back. The empty salt has kPlainRoot.
    PrefixRoot acquire_root(std::string_view salt);
    /// One more use of a root that is held.
    void share_root(PrefixRoot root) { ++roots_.at(root).uses; }
    void release_root(PrefixRoot root);

    /// Appends the chained hashes of the whole blocks of `tokens` that `hashes` lacks.
    void extend_hashes(PrefixRoot root, std::span<const int32_t> tokens, std::vector<uint64_t>& hashes) const;
    /// The longest chain of published blocks that holds the beginning of `tokens`, at most as long as `hashes`, which
    /// are the blocks' (see extend_hashes). Put into `found`. Takes no references: the answer holds until the next call
    /// of a non-const member.
    void match(PrefixRoot root, std::span<const int32_t> tokens, std::span<const uint64_t> hashes,
               std::vector<BlockId>& found) const;
    /// How the chain goes on in host memory behind `known`, which match() has found: the slots of the blocks that
    /// follow.
    void match_host(PrefixRoot root, std::span<const int32_t> tokens, std::span<const uint64_t> hashes,
                    std::span<const BlockId> known, std::vector<uint32_t>& slots) const;
    /// Takes a slot's block out of host memory. Returns its node, to be published with.
    uint64_t take_from_host(uint32_t slot);
    /// The evictions since the last call, to be saved now: from here on they are found. Slots that were taken before
    /// are given out again.
    std::vector<Spill> take_spills();
    /// A slot's contents could not be saved.
    void drop_from_host(uint32_t slot) { host_.drop(slot); }
    size_t in_host() const { return host_.size(); }
    /// The same in one go, for a text without a salt.
    std::vector<BlockId> match(std::span<const int32_t> tokens, uint32_t max_blocks) const;
    /// Among the newest children of `parent` (none: of the root) the one that shares the most tokens with `rest`, the
    /// text that follows; none where nobody shares one. Looks at a bounded number.
    std::optional<PartialMatch> match_partial(PrefixRoot root, std::optional<BlockId> parent,
                                              std::span<const int32_t> rest) const;
    /// Why a chain ends before the block of this hash, which match() has not found. `shared`: see match_partial.
    MissReason miss_reason(uint64_t hash, bool shared) const;

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
    /// The same with the block's hash known, and for any salt. `node`: of a block that comes back from host memory.
    BlockId publish(PrefixRoot root, std::optional<BlockId> parent, BlockId block, std::span<const int32_t> tokens,
                    uint64_t hash, uint64_t node = 0);

    /// Pins the published blocks at the beginning of a table, at most pin_limit() of them; older pins give way. Returns
    /// how many are pinned.
    uint32_t pin(std::span<const BlockId> table);
    uint32_t pin_limit() const { return block_count() / 4; }
    uint32_t pinned() const { return pinned_; }

    Counts counts() const;
    /// Walks everything: empty when the books balance, else what is wrong. `windows`: texts may be used without their
    /// beginnings. For tests; O(blocks).
    std::string audit(bool windows = false) const;

  private:
    static constexpr BlockId kNone = UINT32_MAX;

    struct Block {
        uint32_t references = 0;
        uint32_t pins = 0;
        BlockId older = kNone, newer = kNone;  ///< neighbours among the cached
        uint64_t node = 0;                     ///< 0: not published
        uint64_t parent_node = kPlainRoot;
        BlockId parent = kNone;  ///< none: a root
        uint64_t hash = 0;
        BlockId first_child = kNone, next_sibling = kNone, previous_sibling = kNone;
    };
    /// Cached blocks, oldest first.
    struct Lru {
        BlockId oldest = kNone, newest = kNone;
    };
    struct Root {
        std::string salt;
        uint32_t uses = 0;  ///< by acquire_root() and by first blocks
        BlockId first_child = kNone;
    };
    using Pin = std::vector<BlockId>;  ///< the beginning of a text; what is evicted leaves it

    uint64_t chain(uint64_t parent_hash, std::span<const int32_t> tokens) const;
    static uint64_t root_hash(PrefixRoot root) { return root * 0x9e3779b97f4a7c15u; }
    Lru& lru(const Block& block) { return block.pins > 0 ? pinned_lru_ : lru_; }
    BlockId& first_child(PrefixRoot root, std::optional<BlockId> parent);
    void drop_root_use(PrefixRoot root);
    void unpin_oldest();
    /// Takes an evicted block out of all pins.
    void forget_pins(BlockId block);
    /// The published block for these tokens below `parent_node`.
    std::optional<BlockId> find(uint64_t hash, uint64_t parent_node, std::span<const int32_t> tokens) const;
    std::span<const int32_t> tokens_of(BlockId block) const;
    void push_newest(BlockId block);
    void unlink(BlockId block);
    void forget(BlockId block);
    /// Takes a block out of the tree, and adds those below it.
    void withdraw(BlockId block, std::vector<BlockId>& children);

    uint32_t block_size_;
    bool prefix_cache_;
    uint64_t hash_mask_;
    std::vector<Block> blocks_;
    std::vector<int32_t> tokens_;  ///< [block_count, block_size] contents of published blocks
    std::vector<BlockId> free_;
    Lru lru_, pinned_lru_;
    uint32_t cached_count_ = 0;
    uint64_t last_node_ = kPlainRoot;  ///< roots of salts are counted here as well
    HashIndex by_hash_;
    std::map<PrefixRoot, Root> roots_;
    std::map<std::string, PrefixRoot, std::less<>> root_of_;
    std::deque<Pin> pins_;           ///< oldest first
    uint32_t pinned_ = 0;            ///< blocks with a pin
    std::vector<uint64_t> evicted_;  ///< a ring of hashes, to tell the evicted from the new
    size_t evicted_at_ = 0;
    HostTier host_;
    std::vector<Spill> spills_;
};

}  // namespace gantry::engine
