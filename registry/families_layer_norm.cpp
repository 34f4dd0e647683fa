// Families whose norms are layer norms.

#include "registry/families.hpp"

namespace gantry::registry {
namespace {

constexpr auto kOpt = Bias::kOptional;

constexpr auto kGlobals = list(linear_rule("token_embd", "token_embd", "model.embed_tokens", Dim::kVocab, Dim::kHidden),
                               vector_rule("output_norm", "output_norm", "model.norm", Dim::kHidden, kOpt),
                               optional(linear_rule("output", "output", "lm_head", Dim::kVocab, Dim::kHidden)));

constexpr auto kNorms = list(vector_rule("attn_norm", "attn_norm", "input_layernorm", Dim::kHidden, kOpt),
                             vector_rule("ffn_norm", "ffn_norm", "post_attention_layernorm", Dim::kHidden, kOpt));
constexpr auto kOneNorm = list(vector_rule("attn_norm", "attn_norm", "input_layernorm", Dim::kHidden, kOpt));

constexpr auto kAttention =
    list(linear_rule("attn_q", "attn_q", "self_attn.q_proj", Dim::kQuery, Dim::kHidden, kOpt),
         linear_rule("attn_k", "attn_k", "self_attn.k_proj", Dim::kKeyValue, Dim::kHidden, kOpt),
         linear_rule("attn_v", "attn_v", "self_attn.v_proj", Dim::kKeyValue, Dim::kHidden, kOpt),
         linear_rule("attn_out", "attn_output", "self_attn.o_proj", Dim::kHidden, Dim::kQuery, kOpt));

constexpr auto kFeedForward = list(linear_rule("ffn_gate", "ffn_gate", "mlp.gate_proj", Dim::kFfn, Dim::kHidden),
                                   linear_rule("ffn_up", "ffn_up", "mlp.up_proj", Dim::kFfn, Dim::kHidden),
                                   linear_rule("ffn_down", "ffn_down", "mlp.down_proj", Dim::kHidden, Dim::kFfn));

// --- GPT-2: linear weights lie the other way round; GGUF's converter turns them ------------------------------------
constexpr auto kGpt2Globals =
    list(linear_rule("token_embd", "token_embd", "transformer.wte", Dim::kVocab, Dim::kHidden),
         linear_rule("position_embd", "position_embd", "transformer.wpe", Dim::kPositions, Dim::kHidden),
         vector_rule("output_norm", "output_norm", "transformer.ln_f", Dim::kHidden, Bias::kRequired),
         optional(linear_rule("output", "output", "lm_head", Dim::kVocab, Dim::kHidden)));
constexpr auto kGpt2 =
    list(vector_rule("attn_norm", "attn_norm", "ln_1", Dim::kHidden, Bias::kRequired),
         vector_rule("ffn_norm", "ffn_norm", "ln_2", Dim::kHidden, Bias::kRequired),
         turned(linear_rule("attn_qkv", "", "attn.c_attn", Dim::kQkv, Dim::kHidden, Bias::kRequired)),
         joined_rule(kQkvParts, "attn_qkv", "", Dim::kHidden, Bias::kRequired),
         turned(linear_rule("attn_out", "attn_output", "attn.c_proj", Dim::kHidden, Dim::kQuery, Bias::kRequired)),
         turned(linear_rule("ffn_up", "ffn_up", "mlp.c_fc", Dim::kFfn, Dim::kHidden, Bias::kRequired)),
         turned(linear_rule("ffn_down", "ffn_down", "mlp.c_proj", Dim::kHidden, Dim::kFfn, Bias::kRequired)));
constexpr std::array<Constant, 6> kGpt2Constants = {
    {{"rope.style", std::string_view("none")},
     {"norm.kind", std::string_view("layer")},
     {"ffn.gated", false},
     {"attention.qkv", std::string_view("joined"), FileKind::kHuggingFace},
     {"linear.transposed", true, FileKind::kHuggingFace},
     {"activation", std::string_view("gelu_tanh"), FileKind::kGguf}}};

// --- GPT-NeoX ------------------------------------------------------------------------------------------------------
constexpr auto kNeoxGlobals =
    list(linear_rule("token_embd", "token_embd", "gpt_neox.embed_in", Dim::kVocab, Dim::kHidden),
         vector_rule("output_norm", "output_norm", "gpt_neox.final_layer_norm", Dim::kHidden, Bias::kRequired),
         optional(linear_rule("output", "output", "embed_out", Dim::kVocab, Dim::kHidden)));
constexpr auto kNeox = concat(
    kNorms, list(linear_rule("attn_qkv", "", "attention.query_key_value", Dim::kQkv, Dim::kHidden, kOpt),
                 joined_rule(kQkvParts, "attn_qkv", "", Dim::kHidden, kOpt),
                 linear_rule("attn_out", "attn_output", "attention.dense", Dim::kHidden, Dim::kQuery, kOpt),
                 linear_rule("ffn_up", "ffn_up", "mlp.dense_h_to_4h", Dim::kFfn, Dim::kHidden, Bias::kRequired),
                 linear_rule("ffn_down", "ffn_down", "mlp.dense_4h_to_h", Dim::kHidden, Dim::kFfn, Bias::kRequired)));
constexpr std::array<Constant, 4> kNeoxConstants = {
    {{"norm.kind", std::string_view("layer")},
     {"ffn.gated", false},
     {"attention.qkv", std::string_view("grouped"), FileKind::kHuggingFace},
     {"activation", std::string_view("gelu"), FileKind::kGguf}}};

// --- Falcon --------------------------------------------------------------------------------------------------------
constexpr std::array<Constant, 5> kFalconConstants = {
    {{"norm.kind", std::string_view("layer")},
     {"ffn.gated", false},
     {"attention.qkv", std::string_view("grouped"), FileKind::kHuggingFace},
     {"activation", std::string_view("gelu")},
     {"context_length", int64_t{2048}, FileKind::kHuggingFace}}};
constexpr auto kFalconGlobals =
    list(linear_rule("token_embd", "token_embd", "transformer.word_embeddings", Dim::kVocab, Dim::kHidden),
         vector_rule("output_norm", "output_norm", "transformer.ln_f", Dim::kHidden, Bias::kRequired),
         optional(linear_rule("output", "output", "lm_head", Dim::kVocab, Dim::kHidden)));
constexpr auto kFalconLinears =
    list(linear_rule("attn_qkv", "", "self_attention.query_key_value", Dim::kQkv, Dim::kHidden, kOpt),
         joined_rule(kQkvParts, "attn_qkv", "", Dim::kHidden, kOpt),
         linear_rule("attn_out", "attn_output", "self_attention.dense", Dim::kHidden, Dim::kQuery, kOpt),
         linear_rule("ffn_up", "ffn_up", "mlp.dense_h_to_4h", Dim::kFfn, Dim::kHidden, kOpt),
         linear_rule("ffn_down", "ffn_down", "mlp.dense_4h_to_h", Dim::kHidden, Dim::kFfn, kOpt));
constexpr auto kFalcon =
    concat(list(vector_rule("attn_norm", "attn_norm", "input_layernorm", Dim::kHidden, Bias::kRequired),
                optional(vector_rule("ffn_norm", "", "post_attention_layernorm", Dim::kHidden, Bias::kRequired))),
           kFalconLinears);
/// With a norm for each branch. What GGUF files call attn_norm is then the feed-forward's.
constexpr auto kFalcon40 =
    concat(list(vector_rule("attn_norm", "attn_norm_2", "ln_attn", Dim::kHidden, Bias::kRequired),
                vector_rule("ffn_norm", "attn_norm", "ln_mlp", Dim::kHidden, Bias::kRequired)),
           kFalconLinears);

// --- OPT -----------------------------------------------------------------------------------------------------------
constexpr auto kOptGlobals =
    list(linear_rule("token_embd", "", "model.decoder.embed_tokens", Dim::kVocab, Dim::kHidden),
         linear_rule("position_embd", "", "model.decoder.embed_positions", Dim::kPositions, Dim::kHidden),
         vector_rule("output_norm", "", "model.decoder.final_layer_norm", Dim::kHidden, kOpt),
         optional(linear_rule("output", "", "lm_head", Dim::kVocab, Dim::kHidden)));
constexpr auto kOptLayer = list(vector_rule("attn_norm", "", "self_attn_layer_norm", Dim::kHidden, kOpt),
                                vector_rule("ffn_norm", "", "final_layer_norm", Dim::kHidden, kOpt),
                                linear_rule("attn_q", "", "self_attn.q_proj", Dim::kQuery, Dim::kHidden, kOpt),
                                linear_rule("attn_k", "", "self_attn.k_proj", Dim::kKeyValue, Dim::kHidden, kOpt),
                                linear_rule("attn_v", "", "self_attn.v_proj", Dim::kKeyValue, Dim::kHidden, kOpt),
                                linear_rule("attn_out", "", "self_attn.out_proj", Dim::kHidden, Dim::kQuery, kOpt),
                                linear_rule("ffn_up", "", "fc1", Dim::kFfn, Dim::kHidden, kOpt),
                                linear_rule("ffn_down", "", "fc2", Dim::kHidden, Dim::kFfn, kOpt));
constexpr std::array<Constant, 5> kOptConstants = {{{"rope.style", std::string_view("none")},
                                                    {"norm.kind", std::string_view("layer")},
                                                    {"norm_eps", 1e-5},
                                                    {"ffn.gated", false},
                                                    {"position.offset", int64_t{2}}}};

// --- StarCoder2, Phi-2, StableLM, Orion ----------------------------------------------------------------------------
constexpr auto kStarcoder2 =
    concat(kNorms, kAttention,
           list(linear_rule("ffn_up", "ffn_up", "mlp.c_fc", Dim::kFfn, Dim::kHidden, kOpt),
                linear_rule("ffn_down", "ffn_down", "mlp.c_proj", Dim::kHidden, Dim::kFfn, kOpt)));
constexpr std::array<Constant, 3> kStarcoder2Constants = {
    {{"norm.kind", std::string_view("layer")},
     {"ffn.gated", false},
     {"activation", std::string_view("gelu_tanh"), FileKind::kGguf}}};

constexpr auto kPhi2Globals =
    list(linear_rule("token_embd", "token_embd", "model.embed_tokens", Dim::kVocab, Dim::kHidden),
         vector_rule("output_norm", "output_norm", "model.final_layernorm", Dim::kHidden, Bias::kRequired),
         linear_rule("output", "output", "lm_head", Dim::kVocab, Dim::kHidden, Bias::kRequired));
constexpr auto kPhi2 =
    concat(kOneNorm,
           list(linear_rule("attn_q", "", "self_attn.q_proj", Dim::kQuery, Dim::kHidden, Bias::kRequired),
                linear_rule("attn_k", "", "self_attn.k_proj", Dim::kKeyValue, Dim::kHidden, Bias::kRequired),
                linear_rule("attn_v", "", "self_attn.v_proj", Dim::kKeyValue, Dim::kHidden, Bias::kRequired),
                joined_rule(kQkvParts, "attn_qkv", "", Dim::kHidden, Bias::kRequired),
                linear_rule("attn_out", "attn_output", "self_attn.dense", Dim::kHidden, Dim::kQuery, Bias::kRequired),
                linear_rule("ffn_up", "ffn_up", "mlp.fc1", Dim::kFfn, Dim::kHidden, Bias::kRequired),
                linear_rule("ffn_down", "ffn_down", "mlp.fc2", Dim::kHidden, Dim::kFfn, Bias::kRequired)));
constexpr std::array<Constant, 4> kPhi2Constants = {{{"norm.kind", std::string_view("layer")},
                                                     {"ffn.gated", false},
                                                     {"block", std::string_view("parallel_shared")},
                                                     {"activation", std::string_view("gelu_tanh"), FileKind::kGguf}}};

constexpr auto kStableLm = concat(
    kOneNorm, list(optional(vector_rule("ffn_norm", "ffn_norm", "post_attention_layernorm", Dim::kHidden, kOpt))),
    kAttention, kFeedForward);
constexpr auto kOrion = concat(kNorms, kAttention, kFeedForward);
constexpr std::array<Constant, 1> kLayerNorm = {{{"norm.kind", std::string_view("layer")}}};

// --- Command-R -----------------------------------------------------------------------------------------------------
constexpr auto kCohere = concat(kOneNorm, kAttention, kFeedForward);
constexpr std::array<Constant, 2> kCohereConstants = {
    {{"norm.kind", std::string_view("layer")}, {"block", std::string_view("parallel_shared")}}};
constexpr std::array<HyperRule, 1> kCohereNumbers = {{{"logit.scale", "logit_scale", "logit_scale"}}};

Architecture row(std::string_view name, std::string_view hf_class, std::string_view gguf_rope,
                 std::span<const ModuleRule> layer, std::span<const Constant> constants, Adjust adjust) {
    Architecture a;
    a.name = name;
    a.hf_class = hf_class;
    a.gguf_rope_style = gguf_rope;
    a.global_modules = kGlobals;
    a.layer_modules = layer;
    a.constants = constants;
    a.adjust = adjust;
    return a;
}

Architecture placed(Architecture a, std::span<const ModuleRule> globals, std::string_view base,
                    std::string_view layers) {
    a.global_modules = globals;
    a.hf_base = base;
    a.hf_layers = layers;
    return a;
}

std::vector<Architecture> make() {
    std::vector<Architecture> out = {
        placed(row("gpt2", "GPT2LMHeadModel", "none", kGpt2, kGpt2Constants, adjust_gpt2), kGpt2Globals, "transformer.",
               "transformer.h."),
        placed(row("gptneox", "GPTNeoXForCausalLM", "half", kNeox, kNeoxConstants, adjust_parallel), kNeoxGlobals,
               "gpt_neox.", "gpt_neox.layers."),
        placed(row("falcon", "FalconForCausalLM", "half", kFalcon, kFalconConstants, adjust_falcon), kFalconGlobals,
               "transformer.", "transformer.h."),
        placed(row("falcon", "FalconForCausalLM", "half", kFalcon40, kFalconConstants, adjust_falcon), kFalconGlobals,
               "transformer.", "transformer.h."),
        placed(row("opt", "OPTForCausalLM", "", kOptLayer, kOptConstants, adjust_opt), kOptGlobals, "model.",
               "model.decoder.layers."),
        row("starcoder2", "Starcoder2ForCausalLM", "half", kStarcoder2, kStarcoder2Constants, nullptr),
        placed(row("phi2", "PhiForCausalLM", "half", kPhi2, kPhi2Constants, nullptr), kPhi2Globals, "model.",
               "model.layers."),
        row("stablelm", "StableLmForCausalLM", "half", kStableLm, kLayerNorm, adjust_parallel),
        row("orion", "OrionForCausalLM", "half", kOrion, kLayerNorm, nullptr),
        row("command-r", "CohereForCausalLM", "interleaved", kCohere, kCohereConstants, adjust_cohere),
        row("cohere2", "Cohere2ForCausalLM", "interleaved", kCohere, kCohereConstants, adjust_cohere),
    };
    for (Architecture& a : out) {
        a.ffn_multiple = a.name == "gpt2" || a.name == "falcon" ? 4 : 0;
        a.two_norms = a.layer_modules.data() == kFalcon40.data();
        if (a.name != "command-r" && a.name != "cohere2") continue;
        a.numbers = kCohereNumbers;
        a.hf_rope_style = "interleaved";
        if (a.name == "cohere2") a.window_period = 4;
    }
    return out;
}

}  // namespace

std::span<const Architecture> layer_norm_families() {
    static const std::vector<Architecture> families = make();
    return families;
}

}  // namespace gantry::registry
