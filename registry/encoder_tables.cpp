// What each encoder family calls its tensors, and what its files leave unsaid.

#include <array>

#include "registry/encoders.hpp"

namespace gantry::registry {
namespace {

constexpr auto kBertModules = std::to_array<EncoderModule>({
    {"token_embd", "embeddings.word_embeddings", "token_embd"},
    {"position_embd", "embeddings.position_embeddings", "position_embd"},
    {"type_embd", "embeddings.token_type_embeddings", "token_types"},
    {"embd_norm", "embeddings.LayerNorm", "token_embd_norm"},
    {"head.dense", "pooler.dense", "cls"},
    {"head.out", "classifier", "cls.output"},
});

constexpr auto kRobertaModules = std::to_array<EncoderModule>({
    {"token_embd", "embeddings.word_embeddings", ""},
    {"position_embd", "embeddings.position_embeddings", ""},
    {"type_embd", "embeddings.token_type_embeddings", ""},
    {"embd_norm", "embeddings.LayerNorm", ""},
    {"head.dense", "classifier.dense", ""},
    {"head.out", "classifier.out_proj", ""},
});

constexpr auto kBertLayer = std::to_array<EncoderModule>({
    {"attn_q", "attention.self.query", "attn_q"},
    {"attn_k", "attention.self.key", "attn_k"},
    {"attn_v", "attention.self.value", "attn_v"},
    {"attn_q attn_k attn_v", "", "attn_qkv"},
    {"attn_out", "attention.output.dense", "attn_output"},
    {"attn_post_norm", "attention.output.LayerNorm", "attn_output_norm"},
    {"ffn_up", "intermediate.dense", "ffn_up"},
    {"ffn_down", "output.dense", "ffn_down"},
    {"ffn_post_norm", "output.LayerNorm", "layer_output_norm"},
});

constexpr auto kDistilModules = std::to_array<EncoderModule>({
    {"token_embd", "embeddings.word_embeddings", ""},
    {"position_embd", "embeddings.position_embeddings", ""},
    {"embd_norm", "embeddings.LayerNorm", ""},
    {"head.dense", "pre_classifier", ""},
    {"head.out", "classifier", ""},
});

constexpr auto kDistilLayer = std::to_array<EncoderModule>({
    {"attn_q", "attention.q_lin", ""},
    {"attn_k", "attention.k_lin", ""},
    {"attn_v", "attention.v_lin", ""},
    {"attn_out", "attention.out_lin", ""},
    {"attn_post_norm", "sa_layer_norm", ""},
    {"ffn_up", "ffn.lin1", ""},
    {"ffn_down", "ffn.lin2", ""},
    {"ffn_post_norm", "output_layer_norm", ""},
});

constexpr auto kModernModules = std::to_array<EncoderModule>({
    {"token_embd", "embeddings.tok_embeddings", ""},
    {"embd_norm", "embeddings.norm", ""},
    {"output_norm", "final_norm", ""},
    {"head.dense", "head.dense", ""},
    {"head.norm", "head.norm", ""},
    {"head.out", "classifier", ""},
});

constexpr auto kModernLayer = std::to_array<EncoderModule>({
    {"attn_norm", "attn_norm", ""},
    {"attn_q attn_k attn_v", "attn.Wqkv", ""},
    {"attn_out", "attn.Wo", ""},
    {"ffn_norm", "mlp_norm", ""},
    {"ffn_gate ffn_up", "mlp.Wi", ""},
    {"ffn_down", "mlp.Wo", ""},
});

// Nomic-BERT and GTE each have two sets of names: those of their first files, and transformers' since 5.
constexpr auto kRotaryModules = std::to_array<EncoderModule>({
    {"token_embd", "embeddings.word_embeddings", "token_embd"},
    {"type_embd", "embeddings.token_type_embeddings", "token_types"},
    {"embd_norm", "embeddings.LayerNorm", "token_embd_norm"},
    {"embd_norm", "emb_ln", ""},
    {"head.dense", "pooler.dense", ""},
    {"head.out", "classifier", ""},
});

constexpr auto kRotaryLayer = std::to_array<EncoderModule>({
    {"attn_q", "self_attn.q_proj", "attn_q"},
    {"attn_k", "self_attn.k_proj", "attn_k"},
    {"attn_v", "self_attn.v_proj", "attn_v"},
    {"attn_out", "self_attn.o_proj", "attn_output"},
    {"attn_post_norm", "post_attention_layernorm", "attn_output_norm"},
    {"ffn_gate", "mlp.gate_proj", "ffn_gate"},
    {"ffn_up", "mlp.up_proj", "ffn_up"},
    {"ffn_down", "mlp.down_proj", "ffn_down"},
    {"ffn_post_norm", "post_mlp_layernorm", "layer_output_norm"},
    {"attn_q attn_k attn_v", "attn.Wqkv", "attn_qkv"},
    {"attn_out", "attn.out_proj", ""},
    {"attn_post_norm", "norm1", ""},
    {"ffn_up", "mlp.fc11", ""},
    {"ffn_gate", "mlp.fc12", ""},
    {"ffn_down", "mlp.fc2", ""},
    {"ffn_post_norm", "norm2", ""},
    {"attn_q attn_k attn_v", "attention.qkv_proj", ""},
    {"attn_out", "attention.o_proj", ""},
    {"attn_post_norm", "attn_ln", ""},
    {"ffn_up ffn_gate", "mlp.up_gate_proj", ""},
    {"ffn_post_norm", "mlp_ln", ""},
});

constexpr auto kFamilies = std::to_array<EncoderFamily>({
    {.name = "bert",
     .model_types = "bert",
     .stem = "Bert",
     .prefix = "bert.",
     .layer_prefixes = "encoder.layer.",
     .gguf = "bert",
     .modules = kBertModules,
     .layer_modules = kBertLayer,
     .gguf_activation = "gelu"},
    {.name = "roberta",
     .model_types = "roberta",
     .stem = "Roberta",
     .prefix = "roberta.",
     .layer_prefixes = "encoder.layer.",
     .modules = kRobertaModules,
     .layer_modules = kBertLayer,
     .positions_after_padding = true},
    {.name = "xlm-roberta",
     .model_types = "xlm-roberta",
     .stem = "XLMRoberta",
     .prefix = "roberta.",
     .layer_prefixes = "encoder.layer.",
     .modules = kRobertaModules,
     .layer_modules = kBertLayer,
     .positions_after_padding = true},
    {.name = "distilbert",
     .model_types = "distilbert",
     .stem = "DistilBert",
     .prefix = "distilbert.",
     .layer_prefixes = "transformer.layer.",
     .modules = kDistilModules,
     .layer_modules = kDistilLayer,
     .head_activation = "relu"},
    {.name = "modernbert",
     .model_types = "modernbert",
     .stem = "ModernBert",
     .prefix = "model.",
     .layer_prefixes = "layers.",
     .modules = kModernModules,
     .layer_modules = kModernLayer,
     .head_activation = "gelu",
     .default_norm_eps = 1e-5,
     .pre_norm = true,
     .rope_theta = 160000,
     .local_theta = 10000},
    {.name = "nomic-bert",
     .model_types = "nomic_bert",
     .stem = "NomicBert",
     .prefix = "nomic_bert.",
     .layer_prefixes = "encoder.layers. layers.",
     .gguf = "nomic-bert",
     .modules = kRotaryModules,
     .layer_modules = kRotaryLayer,
     .gguf_activation = "silu",
     .rope_theta = 1000},
    {.name = "gte",
     .model_types = "gte",
     .stem = "Gte",
     .prefix = "gte.",
     .layer_prefixes = "encoder.layer. layers.",
     .modules = kRotaryModules,
     .layer_modules = kRotaryLayer,
     .rope_theta = 160000},
    {.name = "gte",
     .model_types = "new",
     .stem = "New",
     .prefix = "new.",
     .layer_prefixes = "encoder.layer. layers.",
     .modules = kRotaryModules,
     .layer_modules = kRotaryLayer,
     .rope_theta = 10000},
});

}  // namespace

std::span<const EncoderFamily> encoder_families() { return kFamilies; }

}  // namespace gantry::registry
