#pragma once

/// The C++ face of a plugin's model: gantry.causal-lm/1 as engine::CausalModel.

#include <gantry/ext/causal_lm.h>

#include <memory>
#include <string>

#include "runtime/engine/causal_model.hpp"
#include "runtime/plugins/manifest_adapter.hpp"

namespace gantry::plugins {

/// A model as the plugin made it; destroyed with this.
struct ModelDeleter {
    void operator()(gantry_model_t* model) const noexcept;
};
using ModelHandle = std::unique_ptr<gantry_model_t, ModelDeleter>;

/// Judges the object that load gave and wraps it. `keep` (the backend) and `manifest` outlive the model. kInternal
/// where the plugin breaks the contract, kUnimplemented where the model is not a causal language model.
Result<std::unique_ptr<engine::CausalModel>> wrap_causal_model(gantry_model_t* model, std::shared_ptr<void> keep,
                                                               std::unique_ptr<ManifestAdapter> manifest,
                                                               std::string& plan);

}  // namespace gantry::plugins
