#pragma once

/// Which of a model's replicas takes a request, and which idle models give way to another.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/engine/types.hpp"

namespace gantry::fleet {

struct ReplicaLoad {
    int id = 0;
    uint32_t in_use = 0;  ///< requests that run on it
};

/// A number that requests with the same beginning share, so that they meet the same prefix cache; 0 for none.
uint64_t prefix_key(const engine::GenerateRequest& request);

/// The index of the replica to take: the one that rendezvous hashing (Thaler and Ravishankar, 1998) gives for `key`,
/// unless it runs more than `slack` requests more than the least busy one; then the best of those that do not. Key 0
/// takes turns (`turn`) among the least busy. `loads` must not be empty.
size_t choose_replica(std::span<const ReplicaLoad> loads, uint64_t key, uint64_t turn, uint32_t slack = 2);

struct EvictionCandidate {
    std::string uid;
    uint64_t bytes = 0;
    int64_t last_used = 0;  ///< any clock
};

/// Whom to stop for `bytes`: the model unused for longest that suffices alone, if one does, else those unused for
/// longest together. Empty when all together do not suffice.
std::vector<std::string> choose_victims(std::vector<EvictionCandidate> candidates, uint64_t bytes);

}  // namespace gantry::fleet
