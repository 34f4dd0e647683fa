// Hyperparameters and tokenizer keys in forms that the fixtures do not have.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "registry/architectures.hpp"
#include "registry/loaders.hpp"
#include "tests/registry/gguf_builder.hpp"

namespace gantry::registry {
namespace {

using testing::as_bytes;
using ::testing::ElementsAre;
using testing::GgufBuilder;
using ::testing::HasSubstr;

/// A one-layer model in which everything is 32 wide.
GgufBuilder model(const std::string& arch = "llama") {
    GgufBuilder b;
    b.text("general.architecture", arch).u32(arch + ".block_count", 1).u32(arch + ".context_length", 128);
    b.u32(arch + ".embedding_length", 32).u32(arch + ".feed_forward_length", 32).u32(arch + ".attention.head_count", 2);
    b.f32(arch + ".attention.layer_norm_rms_epsilon", 1e-6F);
    b.tensor({"token_embd.weight", {32, 8}, 0, 1024}).tensor({"output_norm.weight", {32}, 0, 128});
    for (const char* name : {"attn_norm", "ffn_norm"}) {
        b.tensor({std::string("blk.0.") + name + ".weight", {32}, 0, 128});
    }
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
        b.tensor({std::string("blk.0.") + name + ".weight", {32, 32}, 0, 4096});
    }
    return b;
}

Result<ModelManifest> load(GgufBuilder& b) {
    const std::string image = b.build();
    GgufModel m;
    GANTRY_TRY(auto file, parse_gguf(as_bytes(image), "m.gguf"));
    m.parts.push_back(std::move(file));
    return manifest_from_gguf(std::move(m));
}

std::string message(GgufBuilder b) {
    const auto m = load(b);
    return m ? std::string("none") : m.error().message;
}

TEST(GgufHyper, DefaultsAreFilledIn) {
    auto b = model();
    const auto m = load(b).value();
    EXPECT_EQ(std::get<int64_t>(m.hyper.at("vocab_size")), 8);
    EXPECT_EQ(std::get<int64_t>(m.hyper.at("kv_head_count")), 2);
    EXPECT_EQ(std::get<int64_t>(m.hyper.at("head_dim")), 16);
    EXPECT_EQ(std::get<int64_t>(m.hyper.at("rope.dim")), 16);
    EXPECT_EQ(std::get<double>(m.hyper.at("rope.theta")), 10000.0);
    EXPECT_EQ(std::get<double>(m.hyper.at("norm_eps")), 1e-6);
    EXPECT_EQ(std::get<std::string>(m.hyper.at("activation")), "silu");
    EXPECT_TRUE(std::get<bool>(m.hyper.at("tie_embeddings")));
    EXPECT_EQ(m.hyper.count("sliding_window"), 0U);
    EXPECT_EQ(m.name, "m");
    EXPECT_TRUE(std::holds_alternative<std::monostate>(m.tokenizer));
}

TEST(GgufHyper, ListsOfEqualValuesAreOneValue) {
    auto b = model();
    const std::string two = GgufBuilder::bytes_of(uint32_t{2});
    b.array("llama.attention.head_count_kv", GgufType::kUint32, 2, two + two);
    EXPECT_EQ(std::get<int64_t>(load(b).value().hyper.at("kv_head_count")), 2);
    auto c = model();
    c.array("llama.attention.head_count_kv", GgufType::kUint32, 2, two + GgufBuilder::bytes_of(uint32_t{1}));
    EXPECT_THAT(message(c), HasSubstr("differs from layer to layer"));
}

TEST(GgufHyper, YarnKeepsLlamaCppsMeaning) {
    auto b = model();
    b.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 8);
    b.f32("llama.rope.scaling.attn_factor", 2).u32("llama.rope.scaling.original_context_length", 16);
    const auto m = load(b).value();
    EXPECT_NEAR(std::get<double>(m.hyper.at("rope.attention_factor")), 2 * (0.1 * std::log(8.0) + 1), 1e-12);
    EXPECT_EQ(std::get<double>(m.hyper.at("rope.beta_fast")), 32);
    EXPECT_EQ(std::get<int64_t>(m.hyper.at("rope.original_context")), 16);
}

TEST(GgufHyper, LongRopeHasItsFactorsInTensors) {
    const auto factors = [](double first, bool with_long = true) {
        auto b = model();
        b.u32("llama.rope.scaling.original_context_length", 32);
        std::string values;
        for (int i = 0; i < 8; ++i) {
            values += GgufBuilder::bytes_of(static_cast<float>(first + i));
        }
        b.tensor({"rope_factors_short.weight", {8}, 0, values.size(), values});
        if (with_long) {
            b.tensor({"rope_factors_long.weight", {8}, 0, values.size(), values});
        }
        return b;
    };
    for (const bool named : {false, true}) {
        auto b = factors(1.5);
        if (named) {
            b.text("llama.rope.scaling.type", "longrope").f32("llama.rope.scaling.attn_factor", 1.25);
        }
        const auto m = load(b).value();
        EXPECT_EQ(std::get<std::string>(m.hyper.at("rope.scaling")), "longrope");
        EXPECT_EQ(std::get<int64_t>(m.hyper.at("rope.original_context")), 32);
        EXPECT_EQ(std::get<double>(m.hyper.at("rope.factor")), 4);
        EXPECT_EQ(std::get<std::vector<double>>(m.hyper.at("rope.short_factors"))[0], 1.5);
        EXPECT_EQ(std::get<std::vector<double>>(m.hyper.at("rope.long_factors"))[7], 8.5);
        EXPECT_EQ(m.hyper.contains("rope.attention_factor"), named);
    }
    EXPECT_THAT(message(factors(-1)), HasSubstr("'rope_factors_short.weight'"));
    EXPECT_THAT(message(factors(1, false)), HasSubstr("'rope_factors_long.weight' has 0 elements"));
    auto unnamed = model();
    EXPECT_THAT(message(unnamed.text("llama.rope.scaling.type", "longrope")), HasSubstr("are missing"));
}

TEST(GgufHyper, OldLinearScaling) {
    auto b = model();
    b.f32("llama.rope.scale_linear", 4);
    const auto m = load(b).value();
    EXPECT_EQ(std::get<std::string>(m.hyper.at("rope.scaling")), "linear");
    EXPECT_EQ(std::get<double>(m.hyper.at("rope.factor")), 4);
}

TEST(GgufHyper, SaysWhatIsWrong) {
    EXPECT_THAT(message(GgufBuilder()), HasSubstr("m.gguf: 'general.architecture' at byte 0: required key is missing"));
    EXPECT_THAT(message(model("mamba")),
                HasSubstr("architecture 'mamba' is not supported; supported are llama, qwen2, qwen3"));
    EXPECT_THAT(message(model("mistral")), HasSubstr("architecture 'mistral' is not supported"));
    EXPECT_THAT(message(model("qwen2")), HasSubstr("tensor 'blk.0.attn_q.bias' is missing"));
    EXPECT_THAT(message(model("qwen3")), HasSubstr("tensor 'blk.0.attn_q_norm.weight' is missing"));
    EXPECT_THAT(message(model().u32("llama.expert_count", 8)), HasSubstr("'llama.expert_count' at byte"));
    EXPECT_THAT(message(model("qwen2").u32("qwen2.expert_count", 8)), HasSubstr("mixture-of-experts"));
    EXPECT_THAT(message(model().tensor({"blk.0.extra.weight", {32}, 0, 128})),
                HasSubstr("tensor 'blk.0.extra.weight' at byte"));
    EXPECT_THAT(message(model().tensor({"blk.1.attn_norm.weight", {32}, 0, 128})),
                HasSubstr("is no part of architecture"));
    EXPECT_THAT(message(model().tensor({"blk.00.attn_norm.weight", {32}, 0, 128})), HasSubstr("is no part of"));
    EXPECT_THAT(message(model().tensor({"rope_freqs.weight", {3}, 0, 12})), HasSubstr("is not a positive number"));
    EXPECT_THAT(message(model().u32("llama.attention.value_length", 8)), HasSubstr("differs from the key length"));
    EXPECT_THAT(message(model().u32("llama.rope.dimension_count", 17)), HasSubstr("rotates 17 of a head's 16"));
    EXPECT_THAT(message(model().f32("llama.rope.freq_base", std::nanf(""))), HasSubstr("must be a finite number"));
    EXPECT_THAT(message(model().f32("llama.rope.freq_base", -1)), HasSubstr("must be above zero"));
    EXPECT_THAT(message(model().text("llama.rope.freq_base", "big")), HasSubstr("must be a number, is of type string"));
    GgufBuilder missing;
    missing.text("general.architecture", "llama").tensor({"token_embd.weight", {32, 8}, 0, 1024});
    EXPECT_THAT(message(missing), HasSubstr("m.gguf: 'llama.embedding_length' at byte 0: required key is missing"));
}

GgufBuilder with_tokens() {
    return model()
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", {"<s>", "</s>", "a", "<|eot_id|>"});
}

std::string floats(size_t n) { return std::string(4 * n, '\0'); }

TEST(GgufTokenizer, ReadsEveryKey) {
    auto b = with_tokens();
    b.array("tokenizer.ggml.scores", GgufType::kFloat32, 4, floats(3) + GgufBuilder::bytes_of(-1.5F));
    std::string types;
    for (const int32_t type : {3, 3, 1, 3}) {
        types += GgufBuilder::bytes_of(type);
    }
    b.array("tokenizer.ggml.token_type", GgufType::kInt32, 4, types);
    b.u32("tokenizer.ggml.bos_token_id", 0)
        .u32("tokenizer.ggml.eos_token_id", 1)
        .u32("tokenizer.ggml.unknown_token_id", 2);
    b.u32("tokenizer.ggml.padding_token_id", 0xFFFFFFFF);
    b.number("tokenizer.ggml.add_space_prefix", GgufType::kBool, uint8_t{0});
    b.number("tokenizer.ggml.remove_extra_whitespaces", GgufType::kBool, uint8_t{1});
    b.array("tokenizer.ggml.precompiled_charsmap", GgufType::kUint8, 3, "abc");
    b.text("tokenizer.chat_template", "T")
        .text("tokenizer.chat_template.rag", "R")
        .text("tokenizer.chat_templates_", "x");
    b.f32("general.sampling.temp", 0.6F).number("general.sampling.top_k", GgufType::kInt32, int32_t{40});
    const auto m = load(b).value();
    const auto& t = std::get<TokenizerGguf>(m.tokenizer);
    EXPECT_EQ(t.scores[3], -1.5F);
    EXPECT_EQ(t.unk, 2);
    EXPECT_FALSE(t.pad);
    EXPECT_EQ(t.add_space_prefix, false);
    EXPECT_EQ(t.remove_extra_whitespaces, true);
    EXPECT_FALSE(t.add_bos);
    EXPECT_EQ(t.precompiled_charsmap, "abc");
    EXPECT_EQ(m.chat_template, "T");
    EXPECT_EQ(m.chat_templates.at("rag"), "R");
    EXPECT_EQ(m.chat_templates.size(), 1U);
    EXPECT_THAT(m.generation.eos_token_ids, ElementsAre(1, 3));  // </s>, and <|eot_id|> by its text
    EXPECT_EQ(m.generation.temperature, 0.6);
    EXPECT_EQ(m.generation.top_k, 40);
}

TEST(GgufTokenizer, SaysWhatIsWrong) {
    EXPECT_THAT(message(model().text("tokenizer.ggml.model", "gpt2")),
                HasSubstr("'tokenizer.ggml.tokens' at byte 0: required key is missing or empty"));
    EXPECT_THAT(message(with_tokens().array("tokenizer.ggml.scores", GgufType::kFloat32, 3, floats(3))),
                HasSubstr("has 3 elements, the vocabulary has 4"));
    EXPECT_THAT(message(with_tokens().array("tokenizer.ggml.scores", GgufType::kInt32, 4, floats(4))),
                HasSubstr("must be an array of float32"));
    EXPECT_THAT(message(with_tokens().array("tokenizer.ggml.token_type", GgufType::kInt32, 5, floats(5))),
                HasSubstr("has 5 elements"));
    EXPECT_THAT(message(with_tokens().array("tokenizer.ggml.token_type", GgufType::kInt32, 4, std::string(16, '\x7F'))),
                HasSubstr("unknown token type"));
    EXPECT_THAT(message(with_tokens().u32("tokenizer.ggml.eos_token_id", 4)),
                HasSubstr("4 is not in the vocabulary of 4"));
    EXPECT_THAT(message(with_tokens().u32("tokenizer.chat_template", 4)),
                HasSubstr("'tokenizer.chat_template' at byte"));
    EXPECT_THAT(message(model()
                            .text("tokenizer.ggml.model", "llama")
                            .texts("tokenizer.ggml.tokens", std::vector<std::string>(9, "t"))),
                HasSubstr("has 9 tokens, the embedding has only 8 rows"));
}

/// Hyperparameters of a config.json text, or the error's message.
struct FromConfig {
    ModelManifest manifest;
    std::string error;
};

FromConfig from_config(const std::string& extra, const char* architecture = "Qwen2ForCausalLM") {
    const std::string text = R"({"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "vocab_size": 8,
        "intermediate_size": 32, "max_position_embeddings": 64, "rms_norm_eps": 1e-6)" +
                             extra + "}";
    const auto config = parse_json(text, "config.json").value();
    const std::vector<std::string> classes{architecture};
    FromConfig out;
    const auto* found = find_hf_architecture(classes, "", "config.json").value();
    const auto status =
        translate_hyper(*found, FileKind::kHuggingFace, ConfigHyper(config), 50, 8, false, out.manifest);
    out.error = status ? "" : status.error().message;
    return out;
}

TEST(ConfigHyper, SlidingWindowsFollowTransformers) {
    const auto windows = [](const std::string& extra, const char* architecture = "Qwen2ForCausalLM") {
        auto result = from_config(extra, architecture);
        auto& h = result.manifest.hyper;
        std::string out = h.contains("sliding_window") ? "on" : "off";
        if (h.contains("sliding_window_layers")) {
            for (const int64_t layer : std::get<std::vector<int64_t>>(h["sliding_window_layers"])) {
                out += std::to_string(layer);
            }
        }
        return out + result.error;
    };
    EXPECT_EQ(windows(R"(, "sliding_window": 16)"), "off");
    EXPECT_EQ(windows(R"(, "sliding_window": 16, "use_sliding_window": true)"), "off");  // from layer 28 on
    EXPECT_EQ(windows(R"(, "sliding_window": 16, "use_sliding_window": true, "max_window_layers": 3)"), "on0001");
    EXPECT_EQ(windows(R"(, "sliding_window": 16, "use_sliding_window": true, "max_window_layers": 0)"), "on");
    EXPECT_EQ(windows(R"(, "sliding_window": 16, "use_sliding_window": true,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"])"),
              "on1010");
    EXPECT_EQ(windows(R"(, "sliding_window": 16)", "MistralForCausalLM"), "on");
    EXPECT_EQ(windows(R"(, "sliding_window": null)", "MistralForCausalLM"), "off");
    EXPECT_THAT(windows(R"(, "sliding_window": 16, "layer_types": ["full_attention"])", "MistralForCausalLM"),
                HasSubstr("has 1 elements for 4 layers"));
}

TEST(ConfigHyper, YarnFactors) {
    const auto factor = [](const std::string& rope) {
        return std::get<double>(from_config(R"(, "rope_scaling": {"type": "yarn", "factor": 4)" + rope + "}")
                                    .manifest.hyper.at("rope.attention_factor"));
    };
    const double usual = 0.1 * std::log(4.0) + 1;
    EXPECT_NEAR(factor(""), usual, 1e-12);
    EXPECT_NEAR(factor(R"(, "attention_factor": 1.5)"), 1.5, 1e-12);
    EXPECT_NEAR(factor(R"(, "mscale": 1.0, "mscale_all_dim": 1.0)"), 1, 1e-12);
    EXPECT_FALSE(std::get<bool>(from_config(R"(, "rope_scaling": {"type": "yarn", "factor": 4, "truncate": false})")
                                    .manifest.hyper.at("rope.truncate")));
}

TEST(ConfigHyper, LongRopeInAllItsSpellings) {
    const std::string factors =
        R"("short_factor": [1, 1.5, 1, 1, 1, 1, 1, 1], "long_factor": [2, 2, 2, 2, 3, 3, 3, 4])";
    const auto hyper = [](const std::string& config) { return from_config(config).manifest.hyper; };
    // Phi-3 keeps the original context beside the scaling; transformers 5 within it.
    const auto su =
        hyper(R"(, "original_max_position_embeddings": 32, "rope_scaling": {"type": "su", )" + factors + "}");
    const auto full = hyper(R"(, "rope_parameters": {"rope_type": "longrope", "factor": 8, "attention_factor": 1.25,
        "original_max_position_embeddings": 32, )" +
                            factors + "}");
    for (const auto* m : {&su, &full}) {
        EXPECT_EQ(std::get<std::string>(m->at("rope.scaling")), "longrope");
        EXPECT_EQ(std::get<int64_t>(m->at("rope.original_context")), 32);
        EXPECT_EQ(std::get<std::vector<double>>(m->at("rope.short_factors"))[1], 1.5);
        EXPECT_EQ(std::get<std::vector<double>>(m->at("rope.long_factors"))[7], 4);
    }
    EXPECT_EQ(std::get<double>(su.at("rope.factor")),
              static_cast<double>(std::get<int64_t>(su.at("context_length"))) / 32);
    EXPECT_EQ(std::get<double>(full.at("rope.factor")), 8);
    EXPECT_EQ(std::get<double>(full.at("rope.attention_factor")), 1.25);
    EXPECT_THAT(from_config(R"(, "rope_scaling": {"type": "su", "short_factor": [1, 2]})").error,
                HasSubstr("short_factor must be 8 positive numbers"));
    EXPECT_THAT(from_config(R"(, "rope_scaling": {"type": "su", )" + factors + "}").error,
                HasSubstr("'original_max_position_embeddings'"));
}

TEST(ConfigHyper, OtherKeys) {
    EXPECT_EQ(std::get<double>(from_config(R"(, "rope_theta": 1e6)").manifest.hyper.at("rope.theta")), 1e6);
    EXPECT_EQ(std::get<int64_t>(from_config(R"(, "partial_rotary_factor": 0.5)").manifest.hyper.at("rope.dim")), 8);
    EXPECT_EQ(std::get<int64_t>(from_config(R"(, "head_dim": null)").manifest.hyper.at("head_dim")), 16);
    EXPECT_EQ(std::get<std::string>(from_config(R"(, "hidden_act": "gelu_new")").manifest.hyper.at("activation")),
              "gelu_tanh");
    EXPECT_THAT(from_config(R"(, "hidden_act": "mish")").error, HasSubstr("'hidden_act' at byte"));
    EXPECT_THAT(from_config(R"(, "rope_parameters": {"rope_theta": "big"})").error,
                HasSubstr("'rope_parameters' at byte"));
    const auto tied = from_config(R"(, "tie_word_embeddings": false)");
    EXPECT_FALSE(std::get<bool>(tied.manifest.hyper.at("tie_embeddings")));
}

}  // namespace
}  // namespace gantry::registry
