// What the readers make of whole models: GGUF and safetensors of one model must come out alike.

#include "registry/manifest.hpp"

#include <gantry/abi.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "registry/describe.hpp"
#include "registry/formats/folder.hpp"
#include "registry/formats/safetensors.hpp"
#include "registry/loaders.hpp"
#include "registry/registry.hpp"
#include "tests/registry/files.hpp"

namespace gantry::registry {
namespace {

using ::testing::ElementsAre;
using testing::fixture;
using ::testing::HasSubstr;
using testing::replaced;
using testing::slurp;
using testing::spill;
using testing::TempFolder;
using ::testing::UnorderedElementsAre;

ModelManifest load(const std::string& name) { return load_manifest(fixture(name)).value(); }

template <class T>
T hyper(const ModelManifest& m, const char* key) {
    return std::get<T>(m.hyper.at(key));
}

class BothFormats : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Models, BothFormats, ::testing::Values("llama", "qwen2", "qwen3", "mistral"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(BothFormats, HaveTheSameTensors) {
    const auto hf = load(GetParam());
    const auto gguf = load(std::string(GetParam()) + ".gguf");
    EXPECT_EQ(hf.tensors.size(), gguf.tensors.size());
    for (const auto& t : hf.tensors) {
        const auto* other = gguf.find(t.name);
        ASSERT_NE(other, nullptr) << t.name;
        EXPECT_EQ(t.shape, other->shape) << t.name;
        const bool permuted = gguf.architecture == "llama" && (t.name.find("attn_q.") != std::string::npos ||
                                                               t.name.find("attn_k.") != std::string::npos);
        if (t.dtype == other->dtype && !permuted) {
            const auto a = hf.data(t);
            const auto b = gguf.data(*other);
            EXPECT_TRUE(std::ranges::equal(a, b)) << t.name;
        }
    }
    EXPECT_EQ(hf.parameter_count, gguf.parameter_count);
    EXPECT_EQ(hf.quantization, "F16");
    EXPECT_EQ(gguf.quantization, "F16");
}

TEST_P(BothFormats, HaveTheSameHyperparameters) {
    auto hf = load(GetParam());
    auto gguf = load(std::string(GetParam()) + ".gguf");
    EXPECT_EQ(hyper<std::string>(hf, "rope.style"), "half");
    EXPECT_EQ(hyper<std::string>(gguf, "rope.style"), gguf.architecture == "llama" ? "interleaved" : "half");
    // What a file of one kind says in another way is compared by its own tests.
    for (auto* m : {&hf, &gguf}) {
        std::erase_if(m->hyper, [&](const auto& entry) {
            const auto& key = entry.first;
            const bool llama3 = std::string(GetParam()) == "llama" && key.starts_with("rope.") && key != "rope.theta" &&
                                key != "rope.dim";
            return key == "rope.style" || llama3;
        });
    }
    EXPECT_EQ(hf.hyper, gguf.hyper);
    EXPECT_EQ(hf.context_length, 512U);
    EXPECT_EQ(gguf.context_length, 512U);
}

TEST_P(BothFormats, HaveTheSameTemplatesAndTokens) {
    const auto hf = load(GetParam());
    const auto gguf = load(std::string(GetParam()) + ".gguf");
    EXPECT_THAT(hf.chat_template, HasSubstr("<|im_start|>"));
    EXPECT_EQ(hf.chat_template, gguf.chat_template);
    EXPECT_EQ(hf.chat_templates, gguf.chat_templates);
    EXPECT_EQ(hf.chat_templates.count("tool_use"), 1U);
    EXPECT_EQ(hf.bos_token, "<|endoftext|>");
    EXPECT_EQ(gguf.bos_token, "<|endoftext|>");
    EXPECT_EQ(hf.eos_token, "<|im_end|>");
    EXPECT_EQ(gguf.eos_token, "<|im_end|>");
    EXPECT_THAT(hf.generation.eos_token_ids, UnorderedElementsAre(258, 256));
    EXPECT_THAT(gguf.generation.eos_token_ids, UnorderedElementsAre(258, 256));
}

TEST_P(BothFormats, HaveATokenizer) {
    const auto hf_manifest = load(GetParam());
    const auto& hf = std::get<TokenizerJson>(hf_manifest.tokenizer);
    EXPECT_THAT(hf.tokenizer_json, HasSubstr("\"BPE\""));
    EXPECT_THAT(hf.tokenizer_config_json, HasSubstr("added_tokens_decoder"));
    const auto gguf_manifest = load(std::string(GetParam()) + ".gguf");
    const auto& gguf = std::get<TokenizerGguf>(gguf_manifest.tokenizer);
    EXPECT_EQ(gguf.model, "gpt2");
    EXPECT_EQ(gguf.pre, "qwen2");
    EXPECT_EQ(gguf.tokens.size(), 272U);
    EXPECT_EQ(gguf.merges.size(), 13U);
    EXPECT_EQ(gguf.merges[8], "Ġt he");
    EXPECT_EQ(gguf.types[256], 3);
    EXPECT_EQ(gguf.eos, 258);
    EXPECT_EQ(gguf.add_bos, false);
    EXPECT_FALSE(gguf.unk);
    EXPECT_TRUE(gguf.scores.empty());
}

TEST(Manifest, Llama3ScalingIsTheSameInBothForms) {
    const auto hf = load("llama");
    EXPECT_EQ(hyper<std::string>(hf, "rope.scaling"), "llama3");
    const double factor = hyper<double>(hf, "rope.factor");
    const double low = hyper<double>(hf, "rope.low_freq_factor");
    const double high = hyper<double>(hf, "rope.high_freq_factor");
    const auto original = static_cast<double>(hyper<int64_t>(hf, "rope.original_context"));
    const auto gguf = load("llama.gguf");
    EXPECT_EQ(hyper<std::string>(gguf, "rope.scaling"), "none");
    const auto divisors = hyper<std::vector<double>>(gguf, "rope.frequency_divisors");
    ASSERT_EQ(divisors.size(), 8U);
    EXPECT_EQ(gguf.find("rope_freqs.weight"), nullptr);
    for (size_t i = 0; i < divisors.size(); ++i) {
        const double wave = 2 * std::numbers::pi * std::pow(5e5, static_cast<double>(2 * i) / 16);
        const double s = std::clamp((original / wave - low) / (high - low), 0.0, 1.0);
        EXPECT_NEAR(divisors[i], 1 / ((1 - s) / factor + s), 1e-5) << i;
    }
}

TEST(Manifest, OlderConfigKeysMeanTheSame) {
    TempFolder folder;
    std::filesystem::copy(fixture("llama"), folder / "m", std::filesystem::copy_options::recursive);
    spill(folder / "m" / "config.json", slurp(fixture("llama/config.transformers4.json")));
    EXPECT_EQ(load_manifest(folder / "m").value().hyper, load("llama").hyper);
}

TEST(Manifest, NamesAndFiles) {
    const auto sharded = load("qwen3");
    EXPECT_EQ(sharded.name, "qwen3");
    EXPECT_EQ(sharded.format, "safetensors");
    EXPECT_EQ(sharded.architecture, "qwen3");
    EXPECT_EQ(sharded.file_paths.size(), 2U);
    EXPECT_EQ(sharded.files.size(), 2U);
    EXPECT_EQ(load("mistral").architecture, "mistral");
    EXPECT_EQ(load("mistral.gguf").architecture, "llama");
    EXPECT_EQ(load("mistral.gguf").format, "gguf");
    EXPECT_EQ(hyper<int64_t>(load("mistral"), "sliding_window"), 32);
    EXPECT_EQ(hyper<int64_t>(sharded, "head_dim"), 32);
    EXPECT_TRUE(hyper<bool>(sharded, "tie_embeddings"));
    EXPECT_EQ(sharded.find("output.weight"), nullptr);
    ASSERT_NE(sharded.find("layers.1.attn_q_norm.weight"), nullptr);
    EXPECT_THAT(sharded.find("layers.1.attn_q_norm.weight")->shape, ElementsAre(32));
    EXPECT_EQ(load_manifest(fixture("llama/model.safetensors")).value().tensors.size(), load("llama").tensors.size());
}

TEST(Manifest, GenerationDefaults) {
    const auto g = load("qwen2").generation;
    EXPECT_EQ(g.temperature, 0.7);
    EXPECT_EQ(g.top_p, 0.8);
    EXPECT_EQ(g.top_k, 20);
    EXPECT_EQ(g.repetition_penalty, 1.05);
    EXPECT_FALSE(g.min_p);
}

TEST(Manifest, OtherTemplateSources) {
    TempFolder folder;
    std::filesystem::copy(fixture("llama"), folder / "m", std::filesystem::copy_options::recursive);
    std::filesystem::remove(folder / "m" / "chat_template.jinja");
    spill(folder / "m" / "chat_template.json", R"({"chat_template": "legacy"})");
    EXPECT_EQ(load_manifest(folder / "m").value().chat_template, "legacy");
    spill(folder / "m" / "tokenizer_config.json", R"({"chat_template": "inner", "eos_token": null})");
    EXPECT_EQ(load_manifest(folder / "m").value().chat_template, "legacy");
    std::filesystem::remove(folder / "m" / "chat_template.json");
    const auto m = load_manifest(folder / "m").value();
    EXPECT_EQ(m.chat_template, "inner");
    EXPECT_EQ(m.eos_token, "<|im_end|>");  // from special_tokens_map.json
}

TEST(Manifest, ATiedModelsSecondHeadIsIgnored) {
    TempFolder folder;
    std::filesystem::copy(fixture("llama"), folder / "m", std::filesystem::copy_options::recursive);
    spill(folder / "m" / "config.json", replaced(slurp(fixture("llama/config.json")), "\"tie_word_embeddings\": false",
                                                 "\"tie_word_embeddings\": true"));
    EXPECT_EQ(load_manifest(folder / "m").value().find("output.weight"), nullptr);
}

TEST(Manifest, DescribeTellsEverything) {
    const auto m = load("qwen2.gguf");
    const auto json = describe(m, {.tensors = true, .templates = true});
    EXPECT_EQ(json.at("name").as_string(), "qwen2");
    EXPECT_EQ(json.at("architecture").as_string(), "qwen2");
    EXPECT_EQ(json.at("hyper").at("layer_count").as_int64(), 2);
    EXPECT_EQ(json.at("hyper").at("rope.scaling").as_string(), "yarn");
    EXPECT_NEAR(json.at("hyper").at("rope.attention_factor").as_double(), 0.1 * std::log(4.0) + 1, 1e-12);
    EXPECT_EQ(json.at("tensors").at("count").as_uint64(), m.tensors.size());
    EXPECT_EQ(json.at("tensors").at("list").as_array().size(), m.tensors.size());
    EXPECT_EQ(json.at("tokenizer").at("tokens").as_uint64(), 272U);
    EXPECT_EQ(json.at("chat_templates").at("default").as_string(), m.chat_template);
    EXPECT_EQ(json.at("files").as_array().size(), 1U);
    EXPECT_EQ(json.at("generation").at("eos_token_ids").as_array().size(), 2U);
    EXPECT_FALSE(describe(m).at("tensors").as_object().contains("list"));
    EXPECT_EQ(describe(load("llama")).at("tokenizer").at("source").as_string(), "tokenizer.json");
}

/// What fuzzing found, and what it starts from.
TEST(FuzzCorpus, IsReadOrRefused) {
    const auto corpus = std::filesystem::path(GANTRY_SOURCE_DIR) / "tests" / "fuzz" / "corpus";
    for (const auto& path : entries_of(corpus / "fuzz_gguf")) {
        (void)load_manifest(path);
    }
    for (const auto& path : entries_of(corpus / "fuzz_safetensors")) {
        const std::string bytes = slurp(path);
        (void)parse_safetensors(std::as_bytes(std::span(bytes)), path.string());
    }
    const auto seed = load_manifest(corpus / "fuzz_gguf" / "seed.gguf");
    EXPECT_TRUE(seed) << seed.error().message;
}

TEST(Manifest, LoadingReportsWhatIsNoModel) {
    TempFolder folder;
    EXPECT_EQ(load_manifest(folder / "absent").error().code, Code::kNotFound);
    EXPECT_EQ(load_manifest(folder.path()).error().code, Code::kNotFound);
    spill(folder / "empty.gguf", "");
    EXPECT_EQ(load_manifest(folder / "empty.gguf").error().code, Code::kDataLoss);
    spill(folder / "page.gguf", "<!DOCTYPE html><html>not found</html>");
    EXPECT_THAT(load_manifest(folder / "page.gguf").error().message,
                HasSubstr("magic at byte 0: is '<!DO', not 'GGUF'"));
}

}  // namespace
}  // namespace gantry::registry
