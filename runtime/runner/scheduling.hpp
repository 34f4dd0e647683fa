#pragma once

/// The scheduler's options as a launch and the configuration give them: texts under the names of the keys
/// "scheduler.*" of configs/gantry.toml.

#include <map>
#include <string>

#include "base/result.hpp"
#include "runtime/engine/engine.hpp"

namespace gantry::runner {

/// Sets what `options` names ("queue_limit", "priority_ageing_s", "share_weights", "swap_mib", "prefix_cache",
/// "cache_host_mib").
/// kInvalidArgument names the option at fault; `out` is then half set.
Status apply_scheduling(const std::map<std::string, std::string>& options, engine::EngineOptions& out);

}  // namespace gantry::runner
