#pragma once

/// The C++ face of a plugin's encoder: gantry.encoder/1 as encoder::EncoderModel.

#include <memory>
#include <string>

#include "runtime/plugins/manifest_adapter.hpp"
#include "runtime/plugins/plugin.hpp"

namespace gantry::plugins {

/// Judges the object that load gave and wraps it: as an encoder where it offers gantry.encoder/1 and no
/// gantry.causal-lm/1, else as wrap_causal_model() does. `keep` (the backend) and `manifest` outlive the model.
Result<AnyModel> wrap_any_model(gantry_model_t* model, std::shared_ptr<void> keep,
                                std::unique_ptr<ManifestAdapter> manifest, std::string& plan);

}  // namespace gantry::plugins
