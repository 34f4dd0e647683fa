/// Greedy answers of a real model are the same tokens with and without speculative decoding, on every plugin and from
/// every source of guesses.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "registry/registry.hpp"
#include "runtime/engine/core.hpp"
#include "runtime/engine/model_drafter.hpp"
#include "runtime/plugins/plugin.hpp"

namespace gantry {
namespace {

namespace fs = std::filesystem;

class PluginSpeculation : public ::testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        const fs::path build = GANTRY_BUILD_DIR;
        const fs::path path = build / "share/gantry/models/gantry-demo.gguf";
        ASSERT_TRUE(fs::exists(path)) << path;
        auto manifest = registry::load_manifest(path.string());
        ASSERT_TRUE(manifest) << manifest.error().text();
        manifest_ = std::make_shared<const registry::ModelManifest>(std::move(*manifest));
        auto tokenizer = text::Tokenizer::create(manifest_->tokenizer);
        ASSERT_TRUE(tokenizer) << tokenizer.error().text();
        tokenizer_ = *tokenizer;
        const auto files = plugins::discover({build / "lib/gantry/plugins"});
        const auto file = std::ranges::find(files, GetParam(), &plugins::PluginFile::id);
        ASSERT_NE(file, files.end()) << "plugin " << GetParam() << " was not built";
        auto backend = plugins::Backend::load(*file, 2);
        ASSERT_TRUE(backend) << backend.error().text();
        backend_ = std::move(*backend);
    }

    std::unique_ptr<engine::CausalModel> load() {
        plugins::LoadSpec spec;
        spec.block_size = 16;
        spec.block_count = 64;
        spec.max_step_tokens = 128;
        spec.max_sequences = 4;
        spec.max_logit_rows = 40;
        std::string plan;
        auto model = backend_->load_causal(
            manifest_, spec, [](auto, auto, auto) { return true; }, plan);
        EXPECT_TRUE(model) << (model ? "" : model.error().text());
        return model ? std::move(*model) : nullptr;
    }

    struct Answers {
        std::vector<std::vector<int32_t>> ids;
        engine::EngineStats stats;
    };
    Answers answers(engine::DraftSource source) {
        engine::EngineOptions options;
        options.speculative = source;
        options.draft_adaptive = false;
        if (source == engine::DraftSource::kDraft) {
            options.drafter = std::make_shared<engine::ModelDrafter>(load(), tokenizer_->vocab_size());
        }
        engine::EngineCore core(load(), tokenizer_, options);
        const std::vector<std::string> prompts{"one two three one two three one two", "Once upon a time",
                                               "a b a b a b a c a b a b"};
        Answers out;
        out.ids.resize(prompts.size());
        for (size_t i = 0; i < prompts.size(); ++i) {
            engine::EngineRequest request;
            request.id = std::to_string(i);
            request.prompt = tokenizer_->encode(prompts[i], {});
            request.params.sampling.temperature = 0;
            request.params.max_tokens = 96;
            request.params.ignore_eos = true;
            core.add(std::move(request), [&out, i](const std::vector<engine::Event>& events) {
                for (const engine::Event& event : events) {
                    if (const auto* delta = std::get_if<engine::Delta>(&event)) {
                        out.ids[i].insert(out.ids[i].end(), delta->ids.begin(), delta->ids.end());
                    }
                }
            });
        }
        while (core.step()) {
            EXPECT_EQ(core.audit(), "");
        }
        out.stats = core.stats();
        return out;
    }

    std::shared_ptr<const registry::ModelManifest> manifest_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::unique_ptr<plugins::Backend> backend_;
};

TEST_P(PluginSpeculation, GivesTheSameGreedyTokens) {
    const Answers plain = answers(engine::DraftSource::kOff);
    EXPECT_EQ(plain.stats.drafted_tokens, 0u);
    for (const auto source : {engine::DraftSource::kNgram, engine::DraftSource::kSuffix, engine::DraftSource::kDraft}) {
        const Answers with = answers(source);
        EXPECT_EQ(with.ids, plain.ids) << engine::draft_source_name(source);
        EXPECT_GT(with.stats.accepted_tokens, 0u) << engine::draft_source_name(source);
        EXPECT_LT(with.stats.steps, plain.stats.steps) << engine::draft_source_name(source);
    }
}

INSTANTIATE_TEST_SUITE_P(Plugins, PluginSpeculation, ::testing::Values("reference", "cpu"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace gantry
