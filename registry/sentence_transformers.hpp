#pragma once

/// The files with which sentence-transformers describes a model folder, and what stands in for them.

#include <filesystem>
#include <optional>

#include "base/result.hpp"
#include "registry/formats/json_file.hpp"
#include "registry/formats/safetensors.hpp"
#include "registry/manifest.hpp"

namespace gantry::registry {

/// Whether the folder holds a sentence-transformers model, whatever its class.
bool has_sentence_transformers_files(const std::filesystem::path& folder);

/// What modules.json and the files that it names say of an embedder: pooling, normalisation, prompts, longest text,
/// widths. Without them it is mean pooling, as sentence-transformers has it. A Dense module's tensors are added to
/// `model` (as "dense.weight" and "dense.bias") and its activation to `out.hyper`. `out` has been translated.
/// kUnimplemented, naming it, for a module or pooling that no plugin could do.
Status read_embedder(const std::filesystem::path& folder, const JsonFile& config, SafetensorsModel& model,
                     ModelManifest& out);

/// What config.json says of a model with a classification head: labels and the activation of the scores. One label
/// makes a reranker. `out` has been translated.
Status read_classifier(const std::filesystem::path& folder, const JsonFile& config, ModelManifest& out);

/// Whether a language model is a reranker that answers yes or no: `classifier_from_token` in config.json says so, or,
/// because Qwen3's files say nothing, "reranker" in the model's name.
bool is_yes_no_reranker(const JsonFile& config, const ModelManifest& model);

/// The question that it is asked, and which tokens the answers are.
Status read_yes_no_reranker(const std::filesystem::path& folder, const JsonFile& config, ModelManifest& out);

}  // namespace gantry::registry
