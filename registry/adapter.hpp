#pragma once

/// LoRA adapters as they lie on disk: PEFT's folders and GGUF files.

#include <filesystem>

#include "base/result.hpp"
#include "registry/manifest.hpp"

namespace gantry::registry {

/// Reads a PEFT folder (adapter_config.json, adapter_model.safetensors) or a GGUF adapter into the vocabulary's adapter
/// form: tensors "layers.N.attn_q.lora_a" and ".lora_b", hyperparameters "lora.alpha", "lora.rslora" and "rope.style".
/// kNotFound where nothing is there; kUnimplemented, naming it, for what would have to change more than linear layers
/// (DoRA, biases, modules_to_save, patterns of ranks with their own alpha); kDataLoss for damage. Nothing is compared
/// with a model here: the plugin does that.
Result<ModelManifest> load_adapter(const std::filesystem::path& path);

}  // namespace gantry::registry
