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
    bool native_interleaved = false;  ///< the family's own files, and so its adapters, are interleaved
    uint32_t dim = 0;                 ///< rotated dimensions of a head, even
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

/// Where a block's norms stand: before each branch, after it (OLMo 2: x + norm(f(x))), or both (Gemma 2).
enum class NormPlace { kBefore, kAfter, kBoth };

/// How queries, keys and values are stored: three layers; one with all queries, then keys, then values; or one with
/// each group's queries, key and value (GPT-NeoX, Falcon, InternLM 2).
enum class QkvLayout { kSplit, kJoined, kGrouped };

/// A feed-forward of experts, of which each token uses some (Shazeer et al., arXiv:1701.06538). count 0: none.
struct ExpertConfig {
    uint32_t count = 0;
    uint32_t used = 0;             ///< by each token
    uint32_t ffn_size = 0;         ///< of one expert
    uint32_t shared_ffn_size = 0;  ///< of what every token uses besides; 0: none
    bool shared_gate = false;      ///< a sigmoid of the input weighs the shared part (Qwen2-MoE)
    bool sigmoid = false;          ///< scores are sigmoids, else a softmax
    bool normalize = false;        ///< the chosen scores are made to sum to one
    float scale = 1;               ///< of the chosen scores
    uint32_t groups = 1;           ///< DeepSeek-V3, arXiv:2412.19437: only the best groups' experts can be chosen
    uint32_t groups_used = 1;
    bool choice_bias = false;     ///< a bias is added to the scores that choose, not to those that weigh
    std::vector<uint8_t> layers;  ///< 1 where a layer has experts
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
    bool qk_norm = false;             ///< RMS norm over each head of q and k
    bool qk_norm_whole = false;       ///< over all heads of q, and of k, together (OLMo 2)
    bool qk_norm_after_rope = false;  ///< after the rotation (Hunyuan), else before it
    Biases biases;
    RopeConfig rope;
    std::vector<uint32_t> sliding_window;  ///< per layer, tokens; 0: sees all
    float attention_scale = 0;

    // What only decoders have.
    bool layer_norm = false;  ///< norms are layer norms, else RMS norms
    bool norm_bias = false;   ///< layer norms have a bias
    float norm_offset = 0;    ///< added to the gains of RMS norms (Gemma: 1)
    NormPlace norm_place = NormPlace::kBefore;
    bool parallel = false;     ///< attention and feed-forward both take the block's input
    bool shared_norm = false;  ///< ... through the same norm
    bool gated = true;         ///< the feed-forward is act(gate) * up, else act(up)
    QkvLayout qkv_layout = QkvLayout::kSplit;
    bool transposed = false;  ///< linear weights lie as [in, out] (GPT-2)
    bool has_rope = true;
    std::vector<uint8_t> rotated;  ///< per layer, whether it rotates; empty: all
    double local_theta = 0;        ///< rotary base of layers with a window, unscaled; 0: that of all
    uint32_t position_count = 0;   ///< rows of the position table; 0: none
    uint32_t position_offset = 0;  ///< row of position 0
    float embedding_scale = 1;
    float residual_scale = 1;  ///< of what a branch adds
    float logit_scale = 1;
    float logit_softcap = 0;      ///< 0: off
    float attention_softcap = 0;  ///< 0: off
    bool output_bias = false;
    bool unit_head = false;  ///< the output head's rows are brought to unit length (Baichuan 2)
    ExpertConfig experts;

    bool has_experts(uint32_t layer) const { return experts.count != 0 && experts.layers[layer] != 0; }
    bool rotates(uint32_t layer) const { return has_rope && (rotated.empty() || rotated[layer] != 0); }
    bool norm_before() const { return norm_place != NormPlace::kAfter; }
    bool norm_after() const { return norm_place != NormPlace::kBefore; }
    uint32_t widest_ffn() const;  ///< of all feed-forwards
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
