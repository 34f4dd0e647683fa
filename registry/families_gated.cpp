// Families with RMS norms and gated feed-forwards: what they call their tensors and hyperparameters.

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

constexpr auto kFeedForward =
    list(linear_rule("ffn_gate", "ffn_gate", "mlp.gate_proj", Dim::kFfn, Dim::kHidden, Bias::kOptional),
         linear_rule("ffn_up", "ffn_up", "mlp.up_proj", Dim::kFfn, Dim::kHidden, Bias::kOptional),
         linear_rule("ffn_down", "ffn_down", "mlp.down_proj", Dim::kHidden, Dim::kFfn, Bias::kOptional));

/// GGUF files have gate and up as one "ffn_up".
constexpr auto kJoinedFeedForward = list(joined_rule(kGateUpParts, "ffn_up", "mlp.gate_up_proj", Dim::kHidden),
                                         linear_rule("ffn_down", "ffn_down", "mlp.down_proj", Dim::kHidden, Dim::kFfn));

constexpr auto kHeadNorms = list(vector_rule("attn_q_norm", "attn_q_norm", "self_attn.q_norm", Dim::kHead),
                                 vector_rule("attn_k_norm", "attn_k_norm", "self_attn.k_norm", Dim::kHead));

constexpr auto kLlama = concat(kNorms, kAttention, kFeedForward);

// --- Phi-3, 3.5, 4 ---------------------------------------------------------------------------------------------
constexpr auto kPhi3 =
    concat(kNorms,
           list(joined_rule(kQkvParts, "attn_qkv", "self_attn.qkv_proj", Dim::kHidden),
                linear_rule("attn_out", "attn_output", "self_attn.o_proj", Dim::kHidden, Dim::kQuery)),
           kJoinedFeedForward);

// --- Gemma -----------------------------------------------------------------------------------------------------
constexpr auto kFourNorms = list(vector_rule("attn_norm", "attn_norm", "input_layernorm"),
                                 vector_rule("attn_post_norm", "post_attention_norm", "post_attention_layernorm"),
                                 vector_rule("ffn_norm", "ffn_norm", "pre_feedforward_layernorm"),
                                 vector_rule("ffn_post_norm", "post_ffw_norm", "post_feedforward_layernorm"));
constexpr auto kGemma2 = concat(kFourNorms, kAttention, kFeedForward);
constexpr auto kGemma3 = concat(kGemma2, kHeadNorms);

// The files' gains are less one; GGUF's converter adds it.
constexpr std::array<Constant, 2> kGemmaConstants = {
    {{"norm.gain_offset", 1.0, FileKind::kHuggingFace}, {"activation", std::string_view("gelu_tanh")}}};
constexpr std::array<Constant, 3> kGemma2Constants = {{{"norm.gain_offset", 1.0, FileKind::kHuggingFace},
                                                       {"activation", std::string_view("gelu_tanh")},
                                                       {"norm.place", std::string_view("both")}}};
constexpr std::array<HyperRule, 2> kGemma2Numbers = {
    {{"attention.softcap", "attn_logit_softcapping", "attn_logit_softcapping"},
     {"logit.softcap", "final_logit_softcapping", "final_logit_softcapping"}}};

// --- OLMo 2 ----------------------------------------------------------------------------------------------------
constexpr auto kOlmo2 = concat(kAttention, kFeedForward,
                               list(vector_rule("attn_q_norm", "attn_q_norm", "self_attn.q_norm", Dim::kQuery),
                                    vector_rule("attn_k_norm", "attn_k_norm", "self_attn.k_norm", Dim::kKeyValue),
                                    vector_rule("attn_post_norm", "post_attention_norm", "post_attention_layernorm"),
                                    vector_rule("ffn_post_norm", "post_ffw_norm", "post_feedforward_layernorm")));
constexpr std::array<Constant, 2> kOlmo2Constants = {
    {{"norm.place", std::string_view("branch")}, {"attention.qk_norm", std::string_view("all")}}};

// --- InternLM 2 ------------------------------------------------------------------------------------------------
constexpr auto kInternLm2Globals =
    list(linear_rule("token_embd", "token_embd", "model.tok_embeddings", Dim::kVocab, Dim::kHidden),
         vector_rule("output_norm", "output_norm", "model.norm"),
         optional(linear_rule("output", "output", "output", Dim::kVocab, Dim::kHidden)));
constexpr auto kInternLm2 =
    list(vector_rule("attn_norm", "attn_norm", "attention_norm"), vector_rule("ffn_norm", "ffn_norm", "ffn_norm"),
         linear_rule("attn_qkv", "", "attention.wqkv", Dim::kQkv, Dim::kHidden, Bias::kOptional),
         linear_rule("attn_q", "attn_q", "", Dim::kQuery, Dim::kHidden, Bias::kOptional),
         linear_rule("attn_k", "attn_k", "", Dim::kKeyValue, Dim::kHidden, Bias::kOptional),
         linear_rule("attn_v", "attn_v", "", Dim::kKeyValue, Dim::kHidden, Bias::kOptional),
         linear_rule("attn_out", "attn_output", "attention.wo", Dim::kHidden, Dim::kQuery, Bias::kOptional),
         linear_rule("ffn_gate", "ffn_gate", "feed_forward.w1", Dim::kFfn, Dim::kHidden),
         linear_rule("ffn_up", "ffn_up", "feed_forward.w3", Dim::kFfn, Dim::kHidden),
         linear_rule("ffn_down", "ffn_down", "feed_forward.w2", Dim::kHidden, Dim::kFfn));
constexpr std::array<Constant, 1> kInternLm2Constants = {
    {{"attention.qkv", std::string_view("grouped"), FileKind::kHuggingFace}}};

// --- Granite, MiniCPM, Seed-OSS, Hunyuan -----------------------------------------------------------------------
constexpr std::array<HyperRule, 4> kGraniteNumbers = {
    {{"embedding.scale", "embedding_scale", "embedding_multiplier"},
     {"residual.scale", "residual_scale", "residual_multiplier"},
     {"attention.scale", "attention.scale", "attention_multiplier"},
     {"logit.scale", "logit_scale", "logits_scaling", HyperRule::Kind::kReciprocal}}};
constexpr std::array<HyperRule, 3> kMiniCpmNumbers = {
    {{"embedding.scale", "embedding_scale", "scale_emb"},
     {"residual.scale", "residual_scale", ""},
     {"logit.scale", "logit_scale", "", HyperRule::Kind::kReciprocal}}};
constexpr auto kSeedOss = concat(list(vector_rule("attn_norm", "attn_norm", "input_layernorm"),
                                      vector_rule("ffn_norm", "post_attention_norm", "post_attention_layernorm")),
                                 kAttention, kFeedForward);
constexpr auto kHunyuan =
    concat(kLlama, list(vector_rule("attn_q_norm", "attn_q_norm", "self_attn.query_layernorm", Dim::kHead),
                        vector_rule("attn_k_norm", "attn_k_norm", "self_attn.key_layernorm", Dim::kHead)));
constexpr std::array<Constant, 2> kHunyuanConstants = {
    {{"attention.qk_norm", std::string_view("head")}, {"attention.qk_norm_after_rope", true}}};

// --- GLM, ChatGLM ----------------------------------------------------------------------------------------------
constexpr auto kGlm = concat(kNorms, kAttention, kJoinedFeedForward);
constexpr auto kGlm4 = concat(list(vector_rule("attn_norm", "attn_norm", "input_layernorm"),
                                   vector_rule("attn_post_norm", "post_attention_norm", "post_self_attn_layernorm"),
                                   vector_rule("ffn_norm", "ffn_norm", "post_attention_layernorm"),
                                   vector_rule("ffn_post_norm", "post_ffw_norm", "post_mlp_layernorm")),
                              kAttention, kJoinedFeedForward);
constexpr std::array<Constant, 1> kGlm4Constants = {{{"norm.place", std::string_view("both")}}};
constexpr auto kChatGlmGlobals =
    list(linear_rule("token_embd", "token_embd", "transformer.embedding.word_embeddings", Dim::kVocab, Dim::kHidden),
         vector_rule("output_norm", "output_norm", "transformer.encoder.final_layernorm"),
         optional(linear_rule("output", "output", "transformer.output_layer", Dim::kVocab, Dim::kHidden)));
// GGUF files have them joined or split: the family's first files were joined.
constexpr auto kChatGlm = concat(
    kNorms,
    list(optional(joined_rule(kQkvParts, "attn_qkv", "self_attention.query_key_value", Dim::kHidden, Bias::kOptional)),
         optional(linear_rule("attn_q", "attn_q", "", Dim::kQuery, Dim::kHidden, Bias::kOptional)),
         optional(linear_rule("attn_k", "attn_k", "", Dim::kKeyValue, Dim::kHidden, Bias::kOptional)),
         optional(linear_rule("attn_v", "attn_v", "", Dim::kKeyValue, Dim::kHidden, Bias::kOptional)),
         linear_rule("attn_out", "attn_output", "self_attention.dense", Dim::kHidden, Dim::kQuery, Bias::kOptional),
         joined_rule(kGateUpParts, "ffn_up", "mlp.dense_h_to_4h", Dim::kHidden),
         linear_rule("ffn_down", "ffn_down", "mlp.dense_4h_to_h", Dim::kHidden, Dim::kFfn)));

// --- Baichuan (7B; 13B has no rotation) ------------------------------------------------------------------------
constexpr auto kBaichuan =
    concat(kNorms,
           list(joined_rule(kQkvParts, "", "self_attn.W_pack", Dim::kHidden),
                linear_rule("attn_q", "attn_q", "", Dim::kQuery, Dim::kHidden),
                linear_rule("attn_k", "attn_k", "", Dim::kKeyValue, Dim::kHidden),
                linear_rule("attn_v", "attn_v", "", Dim::kKeyValue, Dim::kHidden),
                linear_rule("attn_out", "attn_output", "self_attn.o_proj", Dim::kHidden, Dim::kQuery)),
           kFeedForward);

Architecture row(std::string_view name, std::string_view hf_class, std::string_view gguf_rope,
                 std::span<const ModuleRule> layer) {
    Architecture a;
    a.name = name;
    a.hf_class = hf_class;
    a.gguf_rope_style = gguf_rope;
    a.global_modules = kGlobals;
    a.layer_modules = layer;
    return a;
}

Architecture interleaved(Architecture a) {
    a.hf_rope_style = "interleaved";
    return a;
}

Architecture windowed(Architecture a, uint32_t period) {
    a.window_period = period;
    return a;
}

Architecture with(Architecture a, std::span<const Constant> constants, std::span<const HyperRule> numbers = {},
                  Adjust adjust = nullptr) {
    a.constants = constants;
    a.numbers = numbers;
    a.adjust = adjust;
    return a;
}

std::vector<Architecture> make() {
    std::vector<Architecture> out = {
        row("phi3", "Phi3ForCausalLM", "half", kPhi3),
        with(row("gemma", "GemmaForCausalLM", "half", kLlama), kGemmaConstants, {}, adjust_gemma),
        windowed(
            with(row("gemma2", "Gemma2ForCausalLM", "half", kGemma2), kGemma2Constants, kGemma2Numbers, adjust_gemma),
            2),
        windowed(
            with(row("gemma3", "Gemma3ForCausalLM", "half", kGemma3), kGemma2Constants, kGemma2Numbers, adjust_gemma),
            6),
        with(row("smollm3", "SmolLM3ForCausalLM", "interleaved", kLlama), {}, {}, adjust_smollm3),
        with(row("internlm2", "InternLM2ForCausalLM", "interleaved", kInternLm2), kInternLm2Constants),
        row("internlm3", "InternLM3ForCausalLM", "", kLlama),
        with(row("granite", "GraniteForCausalLM", "interleaved", kLlama), {}, kGraniteNumbers),
        with(row("olmo2", "Olmo2ForCausalLM", "half", kOlmo2), kOlmo2Constants),
        with(row("minicpm", "MiniCPMForCausalLM", "interleaved", kLlama), {}, kMiniCpmNumbers, adjust_minicpm),
        with(row("baichuan", "BaichuanForCausalLM", "interleaved", kBaichuan), {}, {}, adjust_baichuan),
        row("seed_oss", "SeedOssForCausalLM", "half", kSeedOss),
        interleaved(row("ernie4_5", "Ernie4_5ForCausalLM", "interleaved", kLlama)),
        with(row("hunyuan-dense", "HunYuanDenseV1ForCausalLM", "half", kHunyuan), kHunyuanConstants, {},
             adjust_hunyuan),
        interleaved(row("glm", "GlmForCausalLM", "", kGlm)),
        interleaved(with(row("glm4", "Glm4ForCausalLM", "interleaved", kGlm4), kGlm4Constants)),
        interleaved(with(row("chatglm", "ChatGLMModel", "interleaved", kChatGlm), {}, {}, adjust_chatglm)),
    };
    for (Architecture& a : out) {
        if (a.name == "internlm2") a.global_modules = kInternLm2Globals;
        if (a.name != "chatglm") continue;
        a.global_modules = kChatGlmGlobals;
        a.hf_base = "transformer.";
        a.hf_layers = "transformer.encoder.layers.";
    }
    return out;
}

}  // namespace

std::span<const Architecture> gated_families() {
    static const std::vector<Architecture> families = make();
    return families;
}

}  // namespace gantry::registry
