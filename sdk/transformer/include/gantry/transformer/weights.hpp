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

/// A norm's gain and, of layer norms that have one, bias.
struct Norm {
    std::unique_ptr<Weight> gain;
    std::unique_ptr<Weight> bias;
};

/// A feed-forward; gate is empty where there is none.
struct FeedForward {
    Linear gate, up, down;
};

/// What a configuration does not have is empty.
struct LayerWeights {
    Norm attn_norm, attn_post_norm;
    Linear q, k, v;
    Linear qkv;  ///< instead of the three, unless QkvLayout::kSplit
    std::unique_ptr<Weight> q_norm, k_norm;
    Linear attn_out;
    Norm ffn_norm, ffn_post_norm;
    FeedForward ffn;
    Linear router;                   ///< [experts, hidden]
    std::vector<float> choice_bias;  ///< one an expert
    std::vector<FeedForward> experts;
    FeedForward shared;
    Linear shared_gate;  ///< [1, hidden]
};

struct Weights {
    std::unique_ptr<Weight> embedding;
    std::unique_ptr<Weight> positions;  ///< null without a position table
    std::vector<LayerWeights> layers;
    Norm output_norm;
    std::unique_ptr<Weight> output;  ///< null where tied
    std::unique_ptr<Weight> output_bias;
    /// What the device uses in place, but did not lie in the file that way.
    std::vector<std::vector<std::byte>> copies;
    uint64_t private_bytes = 0;  ///< sum over all
    uint64_t fingerprint = 0;    ///< of names, types, shapes and a sample of every tensor's bytes

    const Weight& head() const { return output ? *output : *embedding; }
};

/// Called before each tensor and once at the end with the file's bytes so far; throws to stop.
using LoadProgress = std::function<void(uint64_t done, uint64_t total)>;

/// Loads what plan_tensors returned, in its order. Norms and biases are checked for NaN and infinity. Throws
/// gantry::sdk::Error that names the tensor; nothing stays allocated then.
Weights load_weights(const sdk::Manifest& manifest, const ModelConfig& config, std::span<const PlannedTensor> plan,
                     Device& device, const LoadProgress& progress);

}  // namespace gantry::transformer
