#pragma once

#include <gantry/backend.h>

#include "options.hpp"

namespace gantry::null_plugin {

constexpr uint32_t kBlockSize = 16;

/// Width of a logits row: the manifest's vocab_size, else the token embedding's rows, else 256.
uint32_t vocab_size(const gantry_manifest_t& manifest);

/// Loads "the model": sleeps as the options say, reports progress, and gives an object that answers at once.
gantry_model_t* load_model(const gantry_manifest_t& manifest, const gantry_load_spec_t& spec, const Options& options,
                           const gantry_progress_t* progress);

}  // namespace gantry::null_plugin
