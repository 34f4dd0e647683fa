#pragma once

/// What a decoder-only transformer is made of, read from a manifest in the canonical vocabulary.

#include <gantry/cpp/manifest.hpp>
#include <gantry/transformer/device.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace gantry::transformer {

enum class RopeScaling { kNone, kLinear, kDynamic, kYarn, kLlama3, kLongRope };

/// The rotary embedding as the file describes it; make_rope turns it into frequencies.
struct RopeConfig {
    RopeStyle style = RopeStyle::kHalf;
    RopeScaling scaling = RopeScaling::kNone;
    uint32_t dim = 0;  ///< rotated dimensions of a head, even
    double theta = 10000;
    double factor = 1;
    uint32_t original_context = 0;      ///< context before scaling
    double low_freq_factor = 1;         ///< llama3
    double high_freq_factor = 4;        ///< llama3
    double beta_fast = 32;              ///< yarn
    double beta_slow = 1;               ///< yarn
    bool truncate = true;               ///< yarn: round the ramp's ends to whole pairs
    double attention_factor = 0;        ///< yarn, longrope; 0: from factor as the papers say
    double mscale = 0;                  ///< yarn (DeepSeek); 0: off
    double mscale_all_dim = 0;          ///< yarn (DeepSeek); 0: off
    std::vector<double> short_factors;  ///< longrope, one per pair
    std::vector<double> long_factors;   ///< longrope, one per pair
    std::vector<double> divisors;       ///< one per pair, or empty
};

/// Which linear layers carry a bias. The same in every layer.
struct Biases {
    bool q = false, k = false, v = false, attn_out = false;
    bool ffn_gate = false, ffn_up = false, ffn_down = false;
};

struct ModelConfig {
    std::string architecture;
    uint32_t vocab_size = 0;
    uint32_t hidden_size = 0;
    uint32_t layer_count = 0;
    uint32_t head_count = 0;
    uint32_t kv_head_count = 0;
    uint32_t head_dim = 0;
    uint32_t ffn_size = 0;
    float norm_eps = 0;
    Activation activation = Activation::kSilu;
    uint32_t context_length = 0;  ///< trained context, tokens
    bool tie_embeddings = false;
    bool qk_norm = false;  ///< RMS norm over each head of q and k, before the rotation
    Biases biases;
    RopeConfig rope;
    std::vector<uint32_t> sliding_window;  ///< per layer, tokens; 0: sees all
    float attention_scale = 0;

    uint32_t q_width() const { return head_count * head_dim; }
    uint32_t kv_width() const { return kv_head_count * head_dim; }
    /// Largest context that the model can be run with: the trained one, or what its rope scaling stretches it to.
    uint32_t max_context() const;
};

/// Reads and checks. Throws gantry::sdk::Error: UNIMPLEMENTED for an architecture, activation or scaling that the
/// library does not know, NOT_FOUND or INVALID_ARGUMENT for a missing or impossible value; each names the key.
ModelConfig read_config(const sdk::Manifest& manifest);

/// Rotary frequencies with the scaling folded in. Scalings whose frequencies depend on the sequence's length (dynamic
/// NTK, LongRoPE) are fixed by `max_context`, the longest sequence that the model is loaded for, because cached keys
/// are rotated once.
Rope make_rope(const RopeConfig& config, uint32_t max_context);

}  // namespace gantry::transformer
