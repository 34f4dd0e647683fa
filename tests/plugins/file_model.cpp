#include "tests/plugins/file_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "registry/adapter.hpp"
#include "registry/registry.hpp"
#include "runtime/plugins/manifest_adapter.hpp"

namespace gantry::test {
namespace {

constexpr uint32_t kBlockSize = 8;
constexpr uint32_t kBlocks = 32;
constexpr uint32_t kSequences = 4;

}  // namespace

FileModel::FileModel(const std::filesystem::path& path, const std::string& plugin, uint32_t max_context) {
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
    spec.max_context = max_context;
    spec.block_size = kBlockSize;
    spec.block_count = kBlocks * kSequences;
    spec.max_step_tokens = kBlockSize * kBlocks;
    spec.max_sequences = kSequences;
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

std::vector<float> FileModel::run(const std::vector<Part>& parts) {
    std::vector<int32_t> tokens;
    std::vector<uint32_t> begin{0}, contexts, blocks, block_begin{0}, adapters;
    for (const Part& part : parts) {
        tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
        begin.push_back(static_cast<uint32_t>(tokens.size()));
        contexts.push_back(part.context);
        for (uint32_t i = 0; i < kBlocks; ++i) blocks.push_back(part.sequence * kBlocks + i);
        block_begin.push_back(static_cast<uint32_t>(blocks.size()));
        adapters.push_back(adapter_);
    }
    std::vector<uint32_t> rows(tokens.size());
    std::iota(rows.begin(), rows.end(), 0U);
    std::vector<float> logits(tokens.size() * vocab());
    gantry_batch_t batch{};
    batch.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
    batch.sequence_count = static_cast<uint32_t>(parts.size());
    batch.token_count = begin.back();
    batch.logit_row_count = begin.back();
    batch.token_ids = tokens.data();
    batch.token_begin = begin.data();
    batch.context_len = contexts.data();
    batch.block_begin = block_begin.data();
    batch.block_ids = blocks.data();
    batch.logit_rows = rows.data();
    batch.logits = logits.data();
    batch.adapter_ids = adapters.data();
    const auto status = model_->execute(batch);
    EXPECT_TRUE(status) << (status ? "" : status.error().text());
    return logits;
}

Result<uint32_t> FileModel::load_adapter(const std::filesystem::path& path) {
    auto manifest = registry::load_adapter(path);
    if (!manifest) {
        return manifest.error();
    }
    const plugins::ManifestAdapter shown(std::make_shared<const registry::ModelManifest>(std::move(*manifest)),
                                         plugins::ManifestAdapter::Data::kMapped);
    return model_->load_adapter(*shown.table(), 1.0);
}
std::vector<int32_t> FileModel::greedy(const std::vector<int32_t>& prompt, size_t count) {
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

}  // namespace gantry::test
