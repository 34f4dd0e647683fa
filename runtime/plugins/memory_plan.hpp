#pragma once

/// How much of everything one model gets: context, KV blocks, and the sum that the memory ledger reserves. Pure
/// arithmetic on what a plugin assessed.

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "runtime/plugins/plugin.hpp"

namespace gantry::plugins {

struct MemoryWish {
    std::optional<uint32_t> context;  ///< tokens; unset: the model's, as memory allows
    uint32_t max_sequences = 16;
    uint64_t available = 0;      ///< bytes that this model may take
    std::string available_text;  ///< whose the rest is, for the refusal ("2 GiB of 7 GiB are reserved by 'a'")
};

/// All in bytes but the first two.
struct MemoryPlan {
    uint32_t context = 0;      ///< tokens
    uint64_t block_count = 0;  ///< KV blocks
    uint64_t weights = 0;      ///< private copies
    uint64_t mapped = 0;       ///< used in place from the file
    uint64_t kv = 0;
    uint64_t scratch = 0;
    uint64_t process = 0;          ///< tokenizer, server and the rest of a runner
    bool context_reduced = false;  ///< less than the model could, for want of memory

    uint64_t total() const { return weights + mapped + kv + scratch + process; }
    /// "weights 1.2 GiB + mapped file 3 GiB + KV cache 512 MiB (8192 tokens) + ... = 4.9 GiB"
    std::string sum() const;
};

/// Chooses. A context that was asked for is given or refused; otherwise the KV cache of one whole context takes at most
/// half of what the weights leave. Beyond one context the cache grows towards `max_sequences` conversations of 2048
/// tokens, within the same half. kOutOfMemory with the sum; kInvalidArgument for a context longer than the model's.
Result<MemoryPlan> plan_memory(const Assessment& assessment, const MemoryWish& wish);

/// "1.5 GiB", "512 MiB", "100 B".
std::string bytes_text(uint64_t bytes);

}  // namespace gantry::plugins
