#pragma once

/// What this machine lets us use.

#include <cstdint>
#include <filesystem>

namespace gantry::fleet {

/// Physical memory in bytes, or the cgroup's limit where that is less. `root` is "/" but in tests.
uint64_t memory_total(const std::filesystem::path& root = "/");

/// What of it models may use: a sixteenth, at least 256 MiB, is left for everything else.
uint64_t memory_for_models(uint64_t total);

/// Physical cores among the CPUs that this process may run on, not more than its cgroup's quota; at least 1.
uint32_t usable_cores(const std::filesystem::path& root = "/");

}  // namespace gantry::fleet
