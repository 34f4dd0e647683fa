// Families whose feed-forward is made of experts.

#include "registry/families.hpp"

namespace gantry::registry {
namespace {

constexpr auto kGlobals = list(linear_rule("token_embd", "token_embd", "model.embed_tokens", Dim::kVocab, Dim::kHidden),
                               vector_rule("output_norm", "output_norm", "model.norm"),
                               optional(linear_rule("output", "output", "lm_head", Dim::kVocab, Dim::kHidden)));

constexpr auto kNorms = list(vector_rule("attn_norm", "attn_norm", "input_layernorm"),
                             vector_rule("ffn_norm", "ffn_norm", "post_attention_layernorm"));

constexpr auto kAttention =
    list(linear_rule("attn_q", "attn_q", "self_attn.q_proj", Dim::kQuery, Dim::kHidden, Bias::kOptional),
         linear_rule("attn_k", "attn_k", "self_attn.k_proj", Dim::kKeyValue, Dim::kHidden, Bias::kOptional),
         linear_rule("attn_v", "attn_v", "self_attn.v_proj", Dim::kKeyValue, Dim::kHidden, Bias::kOptional),
         linear_rule("attn_out", "attn_output", "self_attn.o_proj", Dim::kHidden, Dim::kQuery, Bias::kOptional));

constexpr auto kHeadNorms = list(vector_rule("attn_q_norm", "attn_q_norm", "self_attn.q_norm", Dim::kHead),
                                 vector_rule("attn_k_norm", "attn_k_norm", "self_attn.k_norm", Dim::kHead));

/// Layers without experts, in files that have both kinds.
constexpr auto kDense =
    list(in_layers(linear_rule("ffn_gate", "ffn_gate", "mlp.gate_proj", Dim::kFfn, Dim::kHidden), LayerKind::kDense),
         in_layers(linear_rule("ffn_up", "ffn_up", "mlp.up_proj", Dim::kFfn, Dim::kHidden), LayerKind::kDense),
         in_layers(linear_rule("ffn_down", "ffn_down", "mlp.down_proj", Dim::kHidden, Dim::kFfn), LayerKind::kDense));

constexpr ModuleRule expert(ModuleRule r) { return in_layers(r, LayerKind::kExperts); }

/// GGUF files have the experts of a layer as one tensor.
constexpr auto kGgufExperts =
    list(expert(stacked(linear_rule("experts.*.ffn_gate", "ffn_gate_exps", "", Dim::kExpertFfn, Dim::kHidden))),
         expert(stacked(linear_rule("experts.*.ffn_up", "ffn_up_exps", "", Dim::kExpertFfn, Dim::kHidden))),
         expert(stacked(linear_rule("experts.*.ffn_down", "ffn_down_exps", "", Dim::kHidden, Dim::kExpertFfn))));

constexpr auto kExperts = concat(
    kGgufExperts,
    list(expert(linear_rule("router", "ffn_gate_inp", "mlp.gate", Dim::kExperts, Dim::kHidden)),
         expert(linear_rule("experts.*.ffn_gate", "", "mlp.experts.*.gate_proj", Dim::kExpertFfn, Dim::kHidden)),
         expert(linear_rule("experts.*.ffn_up", "", "mlp.experts.*.up_proj", Dim::kExpertFfn, Dim::kHidden)),
         expert(linear_rule("experts.*.ffn_down", "", "mlp.experts.*.down_proj", Dim::kHidden, Dim::kExpertFfn))));

constexpr auto kMixtral =
    concat(kNorms, kAttention, kGgufExperts,
           list(linear_rule("router", "ffn_gate_inp", "block_sparse_moe.gate", Dim::kExperts, Dim::kHidden),
                linear_rule("experts.*.ffn_gate", "", "block_sparse_moe.experts.*.w1", Dim::kExpertFfn, Dim::kHidden),
                linear_rule("experts.*.ffn_up", "", "block_sparse_moe.experts.*.w3", Dim::kExpertFfn, Dim::kHidden),
                linear_rule("experts.*.ffn_down", "", "block_sparse_moe.experts.*.w2", Dim::kHidden, Dim::kExpertFfn)));

constexpr auto kQwen2 = concat(
    kNorms, kAttention, kDense, kExperts,
    list(expert(linear_rule("shared.gate", "ffn_gate_inp_shexp", "mlp.shared_expert_gate", Dim::kOne, Dim::kHidden)),
         expert(linear_rule("shared.ffn_gate", "ffn_gate_shexp", "mlp.shared_expert.gate_proj", Dim::kSharedFfn,
                            Dim::kHidden)),
         expert(
             linear_rule("shared.ffn_up", "ffn_up_shexp", "mlp.shared_expert.up_proj", Dim::kSharedFfn, Dim::kHidden)),
         expert(linear_rule("shared.ffn_down", "ffn_down_shexp", "mlp.shared_expert.down_proj", Dim::kHidden,
                            Dim::kSharedFfn))));

constexpr auto kQwen3 = concat(kNorms, kAttention, kHeadNorms, kDense, kExperts);

constexpr auto kOlmoe = concat(kNorms, kAttention, kExperts,
                               list(vector_rule("attn_q_norm", "attn_q_norm", "self_attn.q_norm", Dim::kQuery),
                                    vector_rule("attn_k_norm", "attn_k_norm", "self_attn.k_norm", Dim::kKeyValue)));

constexpr std::array<ModulePart, 2> kExpertGateUp = {
    {{"experts.*.ffn_gate", Dim::kExpertFfn}, {"experts.*.ffn_up", Dim::kExpertFfn}}};
constexpr auto kGranite =
    concat(kNorms, kAttention, kGgufExperts,
           list(linear_rule("router", "ffn_gate_inp", "block_sparse_moe.router.layer", Dim::kExperts, Dim::kHidden),
                stacked(joined_rule(kExpertGateUp, "", "block_sparse_moe.input_linear", Dim::kHidden)),
                stacked(linear_rule("experts.*.ffn_down", "", "block_sparse_moe.output_linear", Dim::kHidden,
                                    Dim::kExpertFfn))));

constexpr auto kGlm4 = concat(list(vector_rule("attn_norm", "attn_norm", "input_layernorm"),
                                   vector_rule("ffn_norm", "post_attention_norm", "post_attention_layernorm"),
                                   optional(vector_rule("attn_q_norm", "attn_q_norm", "self_attn.q_norm", Dim::kHead)),
                                   optional(vector_rule("attn_k_norm", "attn_k_norm", "self_attn.k_norm", Dim::kHead)),
                                   expert(whole(vector_rule("router.choice_bias", "exp_probs_b.bias",
                                                            "mlp.gate.e_score_correction_bias", Dim::kExperts))),
                                   expert(linear_rule("shared.ffn_gate", "ffn_gate_shexp",
                                                      "mlp.shared_experts.gate_proj", Dim::kSharedFfn, Dim::kHidden)),
                                   expert(linear_rule("shared.ffn_up", "ffn_up_shexp", "mlp.shared_experts.up_proj",
                                                      Dim::kSharedFfn, Dim::kHidden)),
                                   expert(linear_rule("shared.ffn_down", "ffn_down_shexp",
                                                      "mlp.shared_experts.down_proj", Dim::kHidden, Dim::kSharedFfn))),
                              kAttention, kDense, kExperts);

using Kind = HyperRule::Kind;
constexpr HyperRule kCount = {"expert.count", "expert_count", "num_local_experts|num_experts|n_routed_experts",
                              Kind::kInteger};
constexpr HyperRule kUsed = {"expert.used", "expert_used_count", "num_experts_per_tok", Kind::kInteger};
constexpr HyperRule kFfn = {"expert.ffn_size", "expert_feed_forward_length|feed_forward_length",
                            "moe_intermediate_size|intermediate_size", Kind::kInteger};
constexpr HyperRule kNormalize = {"expert.normalize", "expert_weights_norm", "norm_topk_prob", Kind::kFlag};

constexpr std::array<HyperRule, 3> kMixtralNumbers = {{kCount, kUsed, kFfn}};
constexpr std::array<Constant, 1> kNormalized = {{{"expert.normalize", true}}};
constexpr std::array<HyperRule, 5> kQwen2Numbers = {{kCount,
                                                     kUsed,
                                                     kFfn,
                                                     kNormalize,
                                                     {"expert.shared_ffn_size", "expert_shared_feed_forward_length",
                                                      "shared_expert_intermediate_size", Kind::kInteger}}};
constexpr std::array<Constant, 1> kQwen2Constants = {{{"expert.shared_gate", true}}};
constexpr std::array<HyperRule, 4> kQwen3Numbers = {{kCount, kUsed, kFfn, kNormalize}};
// llama.cpp always normalises Qwen3's.
constexpr std::array<Constant, 1> kQwen3Constants = {{{"expert.normalize", true, FileKind::kGguf}}};
constexpr std::array<Constant, 1> kOlmoeConstants = {{{"attention.qk_norm", std::string_view("all")}}};
constexpr std::array<HyperRule, 7> kGraniteNumbers = {
    {kCount,
     kUsed,
     kFfn,
     {"embedding.scale", "embedding_scale", "embedding_multiplier"},
     {"residual.scale", "residual_scale", "residual_multiplier"},
     {"attention.scale", "attention.scale", "attention_multiplier"},
     {"logit.scale", "logit_scale", "logits_scaling", Kind::kReciprocal}}};
constexpr std::array<HyperRule, 7> kGlm4Numbers = {
    {kCount,
     kUsed,
     kFfn,
     kNormalize,
     {"expert.scale", "expert_weights_scale", "routed_scaling_factor"},
     {"expert.groups", "expert_group_count", "n_group", Kind::kInteger},
     {"expert.groups_used", "expert_group_used_count", "topk_group", Kind::kInteger}}};
constexpr std::array<Constant, 2> kGlm4Constants = {
    {{"expert.gating", std::string_view("sigmoid")}, {"expert.choice_bias", true}}};

Architecture row(std::string_view name, std::string_view hf_class, std::string_view gguf_rope,
                 std::span<const ModuleRule> layer, std::span<const HyperRule> numbers,
                 std::span<const Constant> constants, Adjust adjust) {
    Architecture a;
    a.name = name;
    a.hf_class = hf_class;
    a.gguf_rope_style = gguf_rope;
    a.global_modules = kGlobals;
    a.layer_modules = layer;
    a.numbers = numbers;
    a.constants = constants;
    a.adjust = adjust;
    a.has_experts = true;
    return a;
}

std::vector<Architecture> make() {
    std::vector<Architecture> out = {
        row("mixtral", "MixtralForCausalLM", "interleaved", kMixtral, kMixtralNumbers, kNormalized, adjust_experts),
        row("qwen2moe", "Qwen2MoeForCausalLM", "half", kQwen2, kQwen2Numbers, kQwen2Constants, adjust_experts),
        row("qwen3moe", "Qwen3MoeForCausalLM", "half", kQwen3, kQwen3Numbers, kQwen3Constants, adjust_experts),
        row("granitemoe", "GraniteMoeForCausalLM", "interleaved", kGranite, kGraniteNumbers, kNormalized,
            adjust_experts),
        row("olmoe", "OlmoeForCausalLM", "half", kOlmoe, kQwen3Numbers, kOlmoeConstants, adjust_experts),
        row("glm4moe", "Glm4MoeForCausalLM", "half", kGlm4, kGlm4Numbers, kGlm4Constants, adjust_glm4_experts),
    };
    for (Architecture& a : out) {
        a.hf_window_needs_switch = a.name.starts_with("qwen");
        a.gguf_name = a.name == "mixtral" ? "llama" : a.name;  // told from Llama by its expert_count
    }
    return out;
}

}  // namespace

std::span<const Architecture> expert_families() {
    static const std::vector<Architecture> families = make();
    return families;
}

}  // namespace gantry::registry
