#pragma once

/// LoRA adapters on their way from a folder into the model.

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.hpp"
#include "runtime/engine/causal_model.hpp"

namespace gantry::runner {

/// Reads the adapter (in the caller's thread) and gives what loads it into a model (in the engine's). The files are
/// closed when that is destroyed. Errors name the file; a folder that the sandbox hides says so.
Result<std::function<Result<uint32_t>(engine::CausalModel&)>> open_adapter(const std::string& path);

}  // namespace gantry::runner
