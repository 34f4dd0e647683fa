#pragma once

/// Which evicted blocks of the prefix cache lie in host memory, and where. Knows numbers and tokens, no memory: the
/// contents are in SwapStore, under the same slot numbers.
///
/// A block is either in the model's memory or here. It keeps its node number (see block_manager.hpp) on the way out and
/// back, so that what follows it is found as before. Where all slots are taken, the one that came first gives way.

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace gantry::engine {

/// Used by one thread.
class HostTier {
  public:
    struct Entry {
        uint64_t hash = 0;
        uint64_t node = 0;
        uint64_t parent_node = 0;
        std::vector<int32_t> tokens = {};
    };

    explicit HostTier(uint32_t slots);

    /// Finds a place for a block; none where there is no slot at all. An entry with the same hash gives way. The block
    /// is found from the next settle() on: until then its contents may fail to be saved.
    std::optional<uint32_t> put(Entry entry);
    /// The slot of the block with these tokens behind that parent.
    std::optional<uint32_t> find(uint64_t hash, uint64_t parent_node, std::span<const int32_t> tokens) const;
    uint64_t node(uint32_t slot) const { return slots_[slot].entry.node; }
    /// Forgets an entry; its slot is given out again after the next settle().
    void take(uint32_t slot);
    /// What was taken has been read, and what was put is saved.
    void settle();
    /// Forgets what a slot holds, if anything: its contents could not be saved.
    void drop(uint32_t slot);

    size_t size() const { return by_hash_.size(); }
    /// Empty when the books balance, else what is wrong. For tests.
    std::string audit() const;

  private:
    struct Slot {
        Entry entry;
        std::list<uint32_t>::iterator place;
        bool used = false;
        bool settled = false;
    };
    void remove(uint32_t slot);

    std::vector<Slot> slots_;
    std::list<uint32_t> order_;  ///< used slots, oldest first
    std::vector<uint32_t> free_, taken_, fresh_;
    std::unordered_map<uint64_t, uint32_t> by_hash_;
};

}  // namespace gantry::engine
