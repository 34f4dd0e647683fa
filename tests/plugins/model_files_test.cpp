/// The whole way of a model: file -> registry -> plugin host -> plugin -> logits, against transformers and between
/// formats.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/mapped_file.hpp"
#include "registry/adapter.hpp"
#include "registry/formats/safetensors.hpp"
#include "registry/registry.hpp"
#include "runtime/plugins/manifest_adapter.hpp"
#include "runtime/plugins/plugin.hpp"
#include "tests/sdk/support/golden.hpp"

namespace {

using namespace gantry;

const std::filesystem::path kSource = GANTRY_SOURCE_DIR;
constexpr uint32_t kBlockSize = 8;
constexpr uint32_t kBlocks = 32;

/// A model file on a plugin, one sequence at a time in blocks 0, 1, ...
class FileModel {
  public:
    FileModel(const std::filesystem::path& path, const std::string& plugin) {
        auto manifest = registry::load_manifest(path);
        if (!manifest) {
            ADD_FAILURE() << manifest.error().text();
            return;
        }
        const auto files = plugins::discover({std::filesystem::path(GANTRY_BUILD_DIR) / "lib/gantry/plugins"});
        const auto file = std::ranges::find(files, plugin, &plugins::PluginFile::id);
        if (file == files.end()) {
            ADD_FAILURE() << "plugin " << plugin << " was not built";
            return;
        }
        auto backend = plugins::Backend::load(*file, 2);
        if (!backend) {
            ADD_FAILURE() << backend.error().text();
            return;
        }
        backend_ = std::move(*backend);
        plugins::LoadSpec spec;
        spec.block_size = kBlockSize;
        spec.block_count = kBlocks;
        spec.max_step_tokens = kBlockSize * kBlocks;
        spec.max_sequences = 4;
        spec.max_logit_rows = kBlockSize * kBlocks;
        spec.options["kv_dtype"] = "f32";
        if (plugin == "cpu") {
            spec.options["precision"] = "fp32";
        }
        std::string plan;
        auto model = backend_->load_causal(
            std::make_shared<const registry::ModelManifest>(std::move(*manifest)), spec,
            [](auto, auto, auto) { return true; }, plan);
        if (!model) {
            ADD_FAILURE() << model.error().text();
            return;
        }
        model_ = std::move(*model);
    }

    explicit operator bool() const { return model_ != nullptr; }
    uint32_t vocab() const { return model_->limits().vocab_size; }

    /// Logits [tokens, vocab] of tokens that follow `context` earlier ones.
    std::vector<float> step(const std::vector<int32_t>& tokens, uint32_t context) {
        std::vector<uint32_t> begin{0, static_cast<uint32_t>(tokens.size())};
        std::vector<uint32_t> contexts{context};
        std::vector<uint32_t> blocks(kBlocks);
        std::iota(blocks.begin(), blocks.end(), 0U);
        std::vector<uint32_t> block_begin{0, kBlocks};
        std::vector<uint32_t> rows(tokens.size());
        std::iota(rows.begin(), rows.end(), 0U);
        std::vector<float> logits(tokens.size() * vocab());
        gantry_batch_t batch{};
        batch.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
        batch.sequence_count = 1;
        batch.token_count = begin[1];
        batch.logit_row_count = begin[1];
        batch.token_ids = tokens.data();
        batch.token_begin = begin.data();
        batch.context_len = contexts.data();
        batch.block_begin = block_begin.data();
        batch.block_ids = blocks.data();
        batch.logit_rows = rows.data();
        batch.logits = logits.data();
        batch.adapter_ids = &adapter_;
        const auto status = model_->execute(batch);
        EXPECT_TRUE(status) << (status ? "" : status.error().text());
        return logits;
    }

    Result<uint32_t> load_adapter(const std::filesystem::path& path) {
        auto manifest = registry::load_adapter(path);
        if (!manifest) {
            return manifest.error();
        }
        const plugins::ManifestAdapter shown(std::make_shared<const registry::ModelManifest>(std::move(*manifest)),
                                             plugins::ManifestAdapter::Data::kMapped);
        return model_->load_adapter(*shown.table(), 1.0);
    }
    /// What the following steps are computed with.
    void use_adapter(uint32_t id) { adapter_ = id; }

    std::vector<int32_t> greedy(const std::vector<int32_t>& prompt, size_t count) {
        std::vector<int32_t> out;
        auto logits = step(prompt, 0);
        auto context = static_cast<uint32_t>(prompt.size());
        while (out.size() < count) {
            const auto last = logits.end() - vocab();
            out.push_back(static_cast<int32_t>(std::max_element(last, logits.end()) - last));
            logits = step({out.back()}, context++);
        }
        return out;
    }

  private:
    std::unique_ptr<plugins::Backend> backend_;
    std::unique_ptr<engine::CausalModel> model_;
    uint32_t adapter_ = 0;
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
