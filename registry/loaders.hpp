#pragma once

/// From parsed model files to a ModelManifest.

#include <filesystem>

#include "base/result.hpp"
#include "registry/formats/gguf.hpp"
#include "registry/formats/safetensors.hpp"
#include "registry/manifest.hpp"

namespace gantry::registry {

/// Takes over the model's mappings. `model.files` and `model.paths` may be empty (then the manifest has no data).
Result<ModelManifest> manifest_from_gguf(GgufModel model);

/// A folder in Hugging Face's layout: config.json, weights as safetensors, tokenizer and template files.
Result<ModelManifest> manifest_from_folder(const std::filesystem::path& folder);

/// Token texts that end a turn in published models; a GGUF file whose vocabulary marks one as special ends there too.
bool is_end_of_turn_text(std::string_view token);

/// The name under which people know a folder or file: "org/name" inside the Hugging Face cache, else the last part of
/// the path without ".gguf" and part numbers.
std::string display_name(const std::filesystem::path& path);

}  // namespace gantry::registry
