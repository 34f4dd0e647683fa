/// The whole way of a model: file -> registry -> plugin host -> plugin -> logits, against transformers and between
/// formats.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/mapped_file.hpp"
#include "registry/formats/safetensors.hpp"
#include "tests/plugins/file_model.hpp"
#include "tests/sdk/support/golden.hpp"

namespace {

using namespace gantry;

const std::filesystem::path kSource = GANTRY_SOURCE_DIR;
using test::FileModel;

float difference(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    float worst = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        worst = std::max(worst, std::isfinite(a[i]) ? std::abs(a[i] - b[i]) : INFINITY);
    }
    return worst;
}

struct Case {
    std::string model;
    std::string plugin;
    float bound;
};

class GoldenFiles : public testing::TestWithParam<Case> {};

TEST_P(GoldenFiles, GiveTheLogitsAndTheGreedyTokensOfTransformers) {
    const auto golden = test::read_golden(GetParam().model);
    FileModel model(kSource / "tests/sdk/transformer/golden" / GetParam().model, GetParam().plugin);
    ASSERT_TRUE(model);
    EXPECT_LE(difference(model.step(golden.prompt, 0), golden.logits), GetParam().bound);
    EXPECT_EQ(model.greedy(golden.prompt, golden.greedy.size()), golden.greedy);
}

std::vector<Case> golden_cases() {
    std::vector<Case> out;
    for (const auto& model : test::golden_names()) {
        out.push_back({model, "reference", 1e-4F});
        out.push_back({model, "cpu", 1e-3F});
    }
    return out;
}

std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.model + "_" + info.param.plugin; }

INSTANTIATE_TEST_SUITE_P(Models, GoldenFiles, testing::ValuesIn(golden_cases()), case_name);

class AdapterFolders : public testing::TestWithParam<Case> {};

TEST_P(AdapterFolders, GiveTheLogitsOfPeftsMergedWeights) {
    const auto folder = kSource / "tests/plugins/adapters/llama";
    const auto file = MappedFile::open(folder / "expected.safetensors");
    ASSERT_TRUE(file) << file.error().text();
    const auto expected = registry::parse_safetensors(file->bytes(), "expected.safetensors").value();
    std::vector<int32_t> prompt;
    std::vector<float> logits;
    for (const auto& tensor : expected.tensors) {
        const std::byte* data = file->bytes().data() + tensor.offset;
        if (tensor.name == "prompt") {
            prompt.resize(tensor.nbytes / sizeof(int32_t));
            std::memcpy(prompt.data(), data, tensor.nbytes);
        } else {
            logits.resize(tensor.nbytes / sizeof(float));
            std::memcpy(logits.data(), data, tensor.nbytes);
        }
    }
    FileModel model(kSource / "tests/registry/fixtures" / GetParam().model, GetParam().plugin);
    ASSERT_TRUE(model);
    const auto plain = model.step(prompt, 0);
    const auto id = model.load_adapter(folder);
    ASSERT_TRUE(id) << id.error().text();
    model.use_adapter(*id);
    EXPECT_LE(difference(model.step(prompt, 0), logits), GetParam().bound);
    EXPECT_GT(difference(plain, logits), 0.1F);
}

// The GGUF file has the rows of Q and K in another order.
INSTANTIATE_TEST_SUITE_P(Models, AdapterFolders,
                         testing::Values(Case{"llama", "reference", 1e-4F}, Case{"llama", "cpu", 1e-3F},
                                         Case{"llama.gguf", "reference", 1e-4F}, Case{"llama.gguf", "cpu", 1e-3F}),
                         [](const auto& info) {
                             return std::string(info.param.model == "llama" ? "folder_" : "gguf_") + info.param.plugin;
                         });

class Formats : public testing::TestWithParam<Case> {};

TEST_P(Formats, GgufAndSafetensorsOfOneModelAgree) {
    const auto folder = kSource / "tests/registry/fixtures";
    FileModel a(folder / GetParam().model, GetParam().plugin);
    FileModel b(folder / (GetParam().model + ".gguf"), GetParam().plugin);
    ASSERT_TRUE(a && b);
    std::vector<int32_t> prompt(70);
    for (size_t i = 0; i < prompt.size(); ++i) {
        prompt[i] = static_cast<int32_t>((i * 37 + 11) % 250);
    }
    EXPECT_LE(difference(a.step(prompt, 0), b.step(prompt, 0)), GetParam().bound);
    EXPECT_EQ(a.greedy(prompt, 64), b.greedy(prompt, 64));
}

std::vector<Case> format_cases() {
    std::vector<Case> out;
    for (const auto* model : {"llama", "qwen2", "qwen3", "mistral"}) {
        out.push_back({model, "reference", 1e-4F});
        out.push_back({model, "cpu", 1e-3F});
    }
    return out;
}

INSTANTIATE_TEST_SUITE_P(Models, Formats, testing::ValuesIn(format_cases()), case_name);

}  // namespace
