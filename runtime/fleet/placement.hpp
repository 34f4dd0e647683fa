#pragma once

/// Which plugin runs a model, and with how much of everything.

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "runtime/fleet/probe_client.hpp"
#include "runtime/plugins/memory_plan.hpp"

namespace gantry::fleet {

struct PlacementWish {
    std::string engine;  ///< plugin id; empty or "auto": the best that fits
    std::optional<uint32_t> context;
    uint32_t max_sequences = 16;
    uint64_t host_free = 0;      ///< bytes of the machine's memory that are free for models
    std::string host_free_text;  ///< whose the rest is
};

struct Placement {
    std::string engine;
    plugins::MemoryPlan plan;
    uint64_t host_bytes = 0;                   ///< to reserve of the machine's memory
    uint64_t device_bytes = 0;                 ///< on a device with memory of its own
    std::optional<plugins::MemoryPlan> draft;  ///< of a draft model; the bytes above are for both
};

/// Tries the plugins that can, best score first; negative scores only by name. kInvalidArgument for an unknown engine,
/// kOutOfMemory with the best one's sum, else why none can, plugin by plugin.
Result<Placement> place(const ProbeReport& report, const PlacementWish& wish);

/// Adds a draft model on the same plugin, with the same context as far as it has one, in what memory `placement`
/// leaves.
Status place_draft(const ProbeReport& report, PlacementWish wish, Placement& placement);

}  // namespace gantry::fleet
