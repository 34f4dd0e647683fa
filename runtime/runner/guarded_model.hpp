#pragma once

#include <functional>
#include <memory>

#include "runtime/engine/causal_model.hpp"

namespace gantry::runner {

/// The same model, but an execute that ends with kInternal (the model is unusable from then on) is told to `on_broken`,
/// once, on the engine thread.
std::unique_ptr<engine::CausalModel> guard_model(std::unique_ptr<engine::CausalModel> model,
                                                 std::function<void(Error)> on_broken);

}  // namespace gantry::runner
