#pragma once

#include <memory>

#include "base/result.hpp"
#include "runtime/engine/drafter.hpp"
#include "runtime/runner/loader.hpp"

namespace gantry::runner {

/// Loads the draft model of `spec` beside a loaded model, on the same plugin. kInvalidArgument where the two do not
/// have the same vocabulary.
Result<std::shared_ptr<engine::Drafter>> load_draft_model(const RunnerSpec& spec, const LoadedModel& loaded,
                                                          const plugins::LoadProgress& progress);

}  // namespace gantry::runner
