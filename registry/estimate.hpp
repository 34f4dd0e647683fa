#pragma once

/// What the catalog can tell of a model before any of its files is here: how large it is, and whether it would run.

#include <cstdint>
#include <optional>
#include <string>

#include "registry/catalog.hpp"

namespace gantry::registry {

/// Bits that a weight takes in a quantisation ("Q4_K_M", "UD-IQ2_XXS", "4bit", "Int4", "FP8"), scales included,
/// averaged over a usual model's tensors (llama.cpp's tables; a group of 128 with a 16-bit scale for Int4). An empty or
/// unknown name counts as 16.
double bits_per_weight(std::string_view format, std::string_view quantization);

/// Bytes of the weights; 0 where the catalog has no size. Good to some 10 %, and a lower bound of what a launch needs:
/// the KV cache and buffers come on top.
int64_t weight_bytes(const ModelSpec& spec, const std::string& quantization);

/// One form of a model.
struct Choice {
    const ModelSpec* spec = nullptr;
    std::string quantization;  ///< empty: unquantised
    int64_t bytes = 0;
};

/// What to take where nobody asked for anything in particular: the largest size of which a usual quantisation fits into
/// `memory` bytes, in that size the first of Q4_K_M, Q5_K_M, Q8_0 and what else is listed that fits. Only GGUF and
/// unquantised safetensors; nullopt where nothing fits. The KV cache is given a fifth of the weights.
std::optional<Choice> best_fit(const CatalogEntry& entry, uint64_t memory);

/// Whether Gantry's own backends know the architecture. True where the catalog names none and the kind is one that they
/// serve (text, embedding, rerank).
bool architecture_known(const CatalogEntry& entry);

}  // namespace gantry::registry
