/// The decoder families: tiny models from transformers (generate_families.py), as folders and as GGUF files, in every
/// way that a step can cut them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/mapped_file.hpp"
#include "registry/formats/safetensors.hpp"
#include "registry/registry.hpp"
#include "tests/plugins/file_model.hpp"
#include "tests/registry/files.hpp"

namespace gantry {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(GANTRY_SOURCE_DIR) / "tests/plugins/families";

struct Expected {
    std::vector<int32_t> ids, begin, greedy;
    std::vector<float> logits;

    explicit Expected(const std::string& family) {
        const auto file = MappedFile::open(kFolder / family / "expected.safetensors").value();
        const auto parsed = registry::parse_safetensors(file.bytes(), "expected.safetensors").value();
        const auto take = [&](auto& out, const auto& t) {
            out.resize(t.nbytes / 4);
            std::memcpy(out.data(), file.bytes().data() + t.offset, t.nbytes);
        };
        for (const auto& t : parsed.tensors) {
            if (t.name == "ids") take(ids, t);
            if (t.name == "begin") take(begin, t);
            if (t.name == "greedy") take(greedy, t);
            if (t.name == "logits") take(logits, t);
        }
    }

    size_t sequences() const { return begin.size() - 1; }
    std::vector<int32_t> tokens(size_t s) const { return {ids.begin() + begin[s], ids.begin() + begin[s + 1]}; }
    std::vector<float> rows(size_t s, size_t vocab) const {
        const auto at = [&](int32_t token) { return logits.begin() + static_cast<std::ptrdiff_t>(vocab) * token; };
        return {at(begin[s]), at(begin[s + 1])};
    }
};

float difference(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    float worst = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        worst = std::max(worst, std::isfinite(a[i]) ? std::abs(a[i] - b[i]) : INFINITY);
    }
    return worst;
}

struct Case {
    std::string file;  ///< a folder, or a GGUF file
    std::string plugin;
};

class Families : public testing::TestWithParam<Case> {
  protected:
    float bound() const { return GetParam().plugin == "reference" ? 2e-4F : 1e-3F; }
};

TEST_P(Families, GiveWhatTransformersGivesHoweverTheStepsAreCut) {
    const Expected expected(std::filesystem::path(GetParam().file).stem().string());
    // Short enough for LongRoPE's short factors, which transformers takes for short texts.
    test::FileModel model(kFolder / GetParam().file, GetParam().plugin, 64);
    ASSERT_TRUE(model);
    std::vector<test::FileModel::Part> ragged;
    for (uint32_t s = 0; s < expected.sequences(); ++s) ragged.push_back({expected.tokens(s), 0, s});
    EXPECT_LE(difference(model.run(ragged), expected.logits), bound()) << "a ragged batch of prefills";

    const auto prompt = expected.tokens(0);
    const auto rows = expected.rows(0, model.vocab());
    EXPECT_LE(difference(model.step(prompt, 0), rows), bound()) << "one prefill";
    std::vector<float> chunked;
    for (size_t at = 0, size = 7; at < prompt.size(); at += size, size = at == 14 ? 1 : size) {
        const auto end = std::min(at + size, prompt.size());
        const auto part = model.step(
            {prompt.begin() + static_cast<std::ptrdiff_t>(at), prompt.begin() + static_cast<std::ptrdiff_t>(end)},
            static_cast<uint32_t>(at));
        chunked.insert(chunked.end(), part.begin(), part.end());
    }
    EXPECT_LE(difference(chunked, rows), bound()) << "chunks, then one token at a time";

    // A decode beside a prefill that goes on.
    const auto first = expected.tokens(1);
    const auto second = expected.tokens(2);
    model.run({{{first.begin(), first.end() - 1}, 0, 1}, {{second.begin(), second.begin() + 4}, 0, 2}});
    auto mixed = expected.rows(1, model.vocab());
    mixed.erase(mixed.begin(), mixed.end() - model.vocab());
    const auto rest = expected.rows(2, model.vocab());
    mixed.insert(mixed.end(), rest.begin() + 4 * model.vocab(), rest.end());
    const auto step = model.run(
        {{{first.back()}, static_cast<uint32_t>(first.size() - 1), 1}, {{second.begin() + 4, second.end()}, 4, 2}});
    EXPECT_LE(difference(step, mixed), bound()) << "a decode beside a chunk";
    EXPECT_EQ(model.greedy(prompt, expected.greedy.size()), expected.greedy);
}

std::vector<Case> cases() {
    std::vector<Case> out;
    for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
        for (const char* plugin : {"reference", "cpu"}) out.push_back({entry.path().filename().string(), plugin});
    }
    std::ranges::sort(out, {}, &Case::file);
    return out;
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
    std::string name = info.param.file + "_" + info.param.plugin;
    std::ranges::replace(name, '.', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Models, Families, testing::ValuesIn(cases()), case_name);

struct Refusal {
    std::string family;
    std::string file;  ///< in which `from` becomes `to`
    std::string from, to;
    std::string message;
};

class RefusedFamilies : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedFamilies, SayWhatWasExpected) {
    const Refusal& r = GetParam();
    const registry::testing::TempFolder folder;
    for (const char* file : {"config.json", "model.safetensors"}) {
        std::string text = registry::testing::slurp(kFolder / r.family / file);
        if (r.file == file) text = registry::testing::replaced(std::move(text), r.from, r.to);
        registry::testing::spill(folder.path() / file, text);
    }
    const auto manifest = registry::load_manifest(folder.path());
    ASSERT_FALSE(manifest) << "was not refused";
    EXPECT_NE(manifest.error().message.find(r.message), std::string::npos) << manifest.error().message;
}

// Edits of model.safetensors keep the header's length.
INSTANTIATE_TEST_SUITE_P(
    Files, RefusedFamilies,
    testing::Values(
        Refusal{"falcon", "config.json", "\"alibi\": false", "\"alibi\": true", "'alibi' at byte"},
        Refusal{"opt", "config.json", "\"do_layer_norm_before\": true", "\"do_layer_norm_before\": false",
                "do_layer_norm_before"},
        Refusal{"gpt2", "config.json", "\"scale_attn_by_inverse_layer_idx\": false",
                "\"scale_attn_by_inverse_layer_idx\": true", "scale_attn_by_inverse_layer_idx"},
        Refusal{"command_r", "config.json", "\"use_qk_norm\": false", "\"use_qk_norm\": true", "use_qk_norm"},
        Refusal{"olmoe", "config.json", "\"clip_qkv\": null", "\"clip_qkv\": 8.0", "clip_qkv"},
        Refusal{"phi3", "config.json", "\"rope_type\": \"default\"", "\"rope_type\": \"spiral\"",
                "rotary scaling 'spiral' is not supported"},
        Refusal{"qwen2moe", "config.json", "\"moe_intermediate_size\": 16", "\"moe_intermediate_size\": 20",
                "has shape [32, 16], the hyperparameters give [32, 20]"},
        Refusal{"qwen2moe", "config.json", "\"num_experts\": 5", "\"num_experts\": 4",
                "'model.layers.0.mlp.experts.4."},
        Refusal{"qwen2moe", "config.json", "\"num_experts\": 5", "\"num_experts\": 6",
                "shape [5, 32], the hyperparameters give [6, 32]"},
        Refusal{"qwen3moe_mixed", "config.json", "\"mlp_only_layers\": [\n  0\n ]", "\"mlp_only_layers\": []",
                "is no part of architecture 'qwen3moe'"},
        Refusal{"granitemoe", "config.json", "\"num_local_experts\": 3", "\"num_local_experts\": 4",
                "the hyperparameters give [4, 24, 32]"},
        Refusal{"mixtral", "model.safetensors", "layers.1.block_sparse_moe.experts.2.w1",
                "layers.1.block_sparse_moe.experts.7.w1", "experts.7.w1.weight' at byte"},
        Refusal{"gpt2", "model.safetensors", "transformer.h.1.ln_2.bias", "transformer.h.1.ln_2.bios", "ln_2.bios"},
        Refusal{"glm4moe", "config.json", "\"first_k_dense_replace\": 1", "\"first_k_dense_replace\": 0",
                "is no part of architecture 'glm4moe'"}),
    [](const auto& info) { return info.param.family + "_" + std::to_string(info.index); });

}  // namespace
}  // namespace gantry
