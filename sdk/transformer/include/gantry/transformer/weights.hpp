#pragma once

/// A model's weights on a device.

#include <gantry/transformer/checks.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gantry::transformer {

/// A linear layer; bias may be null.
struct Linear {
    std::unique_ptr<Weight> weight;
    std::unique_ptr<Weight> bias;
};

struct LayerWeights {
    std::unique_ptr<Weight> attn_norm;
    Linear q, k, v;
    std::unique_ptr<Weight> q_norm, k_norm;  ///< null without qk_norm
    Linear attn_out;
    std::unique_ptr<Weight> ffn_norm;
    Linear ffn_gate, ffn_up, ffn_down;
};

struct Weights {
    std::unique_ptr<Weight> embedding;
    std::vector<LayerWeights> layers;
    std::unique_ptr<Weight> output_norm;
    std::unique_ptr<Weight> output;  ///< null where tied
    uint64_t private_bytes = 0;      ///< sum over all
    uint64_t fingerprint = 0;        ///< of names, types, shapes and a sample of every tensor's bytes

    const Weight& head() const { return output ? *output : *embedding; }
};

/// Called before each tensor and once at the end with the file's bytes so far; throws to stop.
using LoadProgress = std::function<void(uint64_t done, uint64_t total)>;

/// Loads what plan_tensors returned, in its order. Norms and biases are checked for NaN and infinity. Throws
/// gantry::sdk::Error that names the tensor; nothing stays allocated then.
Weights load_weights(const sdk::Manifest& manifest, const ModelConfig& config, std::span<const PlannedTensor> plan,
                     Device& device, const LoadProgress& progress);

}  // namespace gantry::transformer
