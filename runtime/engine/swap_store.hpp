#pragma once

/// KV blocks in host memory: those of preempted sequences, until they run again, and those that the prefix cache has
/// evicted.

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/engine/causal_model.hpp"

namespace gantry::engine {

/// Used by the engine thread. How much it may hold is the scheduler's business.
class SwapStore {
  public:
    /// `model` must outlive it and have limits().block_bytes > 0 wherever save() is called.
    explicit SwapStore(CausalModel& model) : model_(model) {}

    /// Copies a sequence's blocks out of the model, in order. On error nothing is kept.
    Status save(uint64_t sequence, std::span<const uint32_t> blocks);
    /// Copies what was saved, from the block `first` on, into `blocks` (none: it is not needed), and forgets it.
    Status restore(uint64_t sequence, size_t first, std::span<const uint32_t> blocks);
    void drop(uint64_t sequence) { images_.erase(sequence); }

    /// Copies one block out of the model, into a slot of the host tier.
    Status save_slot(uint32_t slot, uint32_t block);
    /// Copies it back.
    Status restore_slot(uint32_t slot, uint32_t block);

    size_t sequences() const { return images_.size(); }

  private:
    CausalModel& model_;
    std::unordered_map<uint64_t, std::vector<std::byte>> images_;
    std::unordered_map<uint32_t, std::vector<std::byte>> slots_;  ///< by slot; their memory is used again
};

}  // namespace gantry::engine
