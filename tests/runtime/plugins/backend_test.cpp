// The loader against a plugin as it should be and against every way that one can be wrong. The fixtures are
// tests/sdk/abi/tiny_plugin.c and its variants.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include <array>
#include <set>

#include "tests/runtime/plugins/plugin_folder.hpp"

namespace gantry::plugins {
namespace {

namespace fs = std::filesystem;
using testing::add_plugin;
using ::testing::HasSubstr;
using testing::only_plugin;
using testing::TempDir;
using testing::tiny_manifest;

const LoadProgress kNoProgress;

Result<std::unique_ptr<Backend>> load_variant(const TempDir& dir, const std::string& variant) {
    add_plugin(dir.path(), variant);
    return Backend::load(only_plugin(dir.path()), 2);
}

LoadSpec spec_of(uint64_t blocks) {
    LoadSpec spec;
    spec.block_count = blocks;
    return spec;
}

TEST(BackendLoad, NegotiatesAndDescribes) {
    const TempDir dir;
    auto backend = load_variant(dir, "ok");
    ASSERT_TRUE(backend) << backend.error().text();
    EXPECT_EQ((*backend)->id(), "tiny");
    EXPECT_EQ((*backend)->version(), "1.2.3");
    std::string why = "stale";
    const auto devices = (*backend)->devices(why);
    ASSERT_TRUE(devices);
    ASSERT_EQ(devices->size(), 1u);
    EXPECT_EQ((*devices)[0].kind, "cpu");
    EXPECT_EQ((*devices)[0].name, "tiny device");
    EXPECT_EQ((*devices)[0].memory_free, 1u << 29);
    EXPECT_TRUE((*devices)[0].unified);
    EXPECT_EQ(why, "");
}

TEST(BackendLoad, ToleratesWhatIsOptional) {
    const TempDir dir;
    auto backend = load_variant(dir, "no_extension_fn");
    EXPECT_TRUE(backend) << backend.error().text();
}

TEST(BackendLoad, RefusesEveryBrokenPluginWithAReason) {
    const struct {
        const char* variant;
        Code code;
        const char* reason;
    } cases[] = {
        {"missing_symbol", Code::kFailedPrecondition, "does not export gantry_backend_entry"},
        {"wrong_major", Code::kFailedPrecondition, "answered with plugin contract 7.0 where 0.9 to 0.9 was offered"},
        {"newer_minor", Code::kFailedPrecondition, "answered with plugin contract 0.10"},
        {"older_minor", Code::kFailedPrecondition, "answered with plugin contract 0.8"},
        {"no_backend", Code::kInternal, "success without a backend"},
        {"short_backend", Code::kInternal, "its backend has no destroy"},
        {"no_devices_fn", Code::kInternal, "its backend has no devices"},
        {"no_assess_fn", Code::kInternal, "its backend has no assess"},
        {"no_load_fn", Code::kInternal, "its backend has no load"},
        {"no_destroy_fn", Code::kInternal, "its backend has no destroy"},
        {"other_id", Code::kInternal, "calls itself 'somebody-else'"},
        {"error_at_entry", Code::kFailedPrecondition, "the fixture refuses"},
        {"bare_error", Code::kInternal, "nobody frees me"},
        {"short_error", Code::kUnavailable, "without a message"},
        {"throws", Code::kInternal, "thrown out of the entry"},
    };
    for (const auto& c : cases) {
        const TempDir dir;
        const auto backend = load_variant(dir, c.variant);
        ASSERT_FALSE(backend) << c.variant;
        EXPECT_EQ(backend.error().code, c.code) << c.variant;
        EXPECT_THAT(backend.error().message, HasSubstr(c.reason)) << c.variant;
    }
}

TEST(BackendLoad, TellsTheLoadersOwnWordsForAForeignFile) {
    const TempDir dir;
    const fs::path folder = add_plugin(dir.path(), "ok");
    fs::remove(folder / "tiny.gantry.so");
    testing::write_file(folder / "tiny.gantry.so", "#!/bin/sh\necho not a library\n");
    const auto backend = Backend::load(only_plugin(dir.path()), 1);
    ASSERT_FALSE(backend);
    EXPECT_THAT(backend.error().message, HasSubstr("cannot load"));
    EXPECT_THAT(backend.error().message, ::testing::AnyOf(HasSubstr("ELF"), HasSubstr("file too short")));
}

TEST(BackendLoad, PassesOnWhyAFileWasRejected) {
    PluginFile file;
    file.rejected = Error{Code::kPermissionDenied, "no"};
    const auto backend = Backend::load(file, 1);
    ASSERT_FALSE(backend);
    EXPECT_EQ(backend.error().code, Code::kPermissionDenied);
}

TEST(Backend, SaysWhyThereAreNoDevices) {
    const TempDir dir;
    auto backend = load_variant(dir, "silent_devices");
    ASSERT_TRUE(backend);
    std::string why;
    const auto devices = (*backend)->devices(why);
    ASSERT_TRUE(devices);
    EXPECT_TRUE(devices->empty());
    EXPECT_EQ(why, "this machine has no tiny device");
}

TEST(Backend, AssessesOrSaysWhyNot) {
    const TempDir dir;
    auto backend = load_variant(dir, "ok");
    ASSERT_TRUE(backend);
    auto manifest = tiny_manifest(dir.path());
    const auto assessment = (*backend)->assess(*manifest, {});
    ASSERT_TRUE(assessment) << assessment.error().text();
    EXPECT_EQ(assessment->score, 1);
    EXPECT_EQ(assessment->weights_bytes, 1000u);
    EXPECT_EQ(assessment->max_context, 4096u);

    LoadSpec with_option;
    with_option.options["colour"] = "red";
    const auto refused = (*backend)->assess(*manifest, with_option);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
    EXPECT_EQ(refused.error().message, "unknown option 'colour'");
    EXPECT_EQ(refused.error().hint, "see the fixture's source");

    manifest->architecture = "mammoth";
    const auto unknown = (*backend)->assess(*manifest, {});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::kUnimplemented);
}

TEST(Backend, LoadsAModelThatRuns) {
    const TempDir dir;
    auto backend = load_variant(dir, "ok");
    ASSERT_TRUE(backend);
    std::string plan;
    uint64_t reported = 0;
    const LoadProgress progress = [&](std::string_view stage, uint64_t done, uint64_t total) {
        if (done > 0) {
            EXPECT_EQ(stage, "map");
            EXPECT_EQ(total, 10u);
        }
        reported = done;
        return true;
    };
    auto model = (*backend)->load_causal(tiny_manifest(dir.path()), spec_of(4), progress, plan);
    ASSERT_TRUE(model) << model.error().text();
    backend->reset();  // the model keeps what it needs
    EXPECT_EQ(reported, 10u);
    EXPECT_EQ(plan, "tiny: one byte a slot");
    EXPECT_EQ((*model)->limits().vocab_size, 32u);
    EXPECT_EQ((*model)->limits().block_count, 4u);

    const std::array<int32_t, 3> tokens{5, 6, 31};
    const std::array<uint32_t, 2> begin{0, 3};
    const std::array<uint32_t, 1> context{0};
    const std::array<uint32_t, 2> block_begin{0, 1};
    const std::array<uint32_t, 1> blocks{2};
    const std::array<uint32_t, 2> rows{0, 2};
    std::array<float, 64> logits{};
    gantry_batch_t batch{};
    batch.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
    batch.sequence_count = 1;
    batch.token_count = 3;
    batch.logit_row_count = 2;
    batch.token_ids = tokens.data();
    batch.token_begin = begin.data();
    batch.context_len = context.data();
    batch.block_begin = block_begin.data();
    batch.block_ids = blocks.data();
    batch.logit_rows = rows.data();
    batch.logits = logits.data();
    ASSERT_TRUE((*model)->execute(batch));
    EXPECT_EQ(logits[6], 1.0F);
    EXPECT_EQ(logits[32 + 0], 1.0F);

    const std::array<uint32_t, 1> source{2}, target{3}, nowhere{9};
    EXPECT_TRUE((*model)->copy_blocks(source, target));
    const auto refused = (*model)->copy_blocks(source, nowhere);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "no such block");
    batch.token_count = 0;
    EXPECT_EQ((*model)->execute(batch).error().message, "an empty batch");
}

TEST(Backend, CancelsALoad) {
    const TempDir dir;
    auto backend = load_variant(dir, "ok");
    ASSERT_TRUE(backend);
    std::string plan;
    const LoadProgress stop_at_three = [](std::string_view, uint64_t done, uint64_t) { return done < 3; };
    const auto model = (*backend)->load_causal(tiny_manifest(dir.path()), spec_of(4), stop_at_three, plan);
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, Code::kCancelled);

    const LoadProgress throws = [](std::string_view, uint64_t, uint64_t) -> bool { throw 1; };
    EXPECT_EQ((*backend)->load_causal(tiny_manifest(dir.path()), spec_of(4), throws, plan).error().code,
              Code::kCancelled);
}

TEST(Backend, RefusesModelsThatBreakTheContract) {
    const struct {
        const char* variant;
        Code code;
        const char* reason;
    } cases[] = {
        {"no_model", Code::kInternal, "success without a model"},
        {"short_model", Code::kInternal, "cannot be destroyed"},
        {"no_causal_lm", Code::kUnimplemented, "no causal language model"},
        {"no_execute", Code::kInternal, "no execute or copy_blocks"},
        {"zero_limits", Code::kInternal, "vocab_size is 0"},
    };
    for (const auto& c : cases) {
        const TempDir dir;
        auto backend = load_variant(dir, c.variant);
        ASSERT_TRUE(backend) << c.variant;
        std::string plan;
        const auto model = (*backend)->load_causal(tiny_manifest(dir.path()), spec_of(4), kNoProgress, plan);
        ASSERT_FALSE(model) << c.variant;
        EXPECT_EQ(model.error().code, c.code) << c.variant;
        EXPECT_THAT(model.error().message, HasSubstr(c.reason)) << c.variant;
    }
}

TEST(NullPlugin, TakesAnyModelButIsNeverChosen) {
    const TempDir dir;
    const auto files = discover({GANTRY_BUILD_DIR "/lib/gantry/plugins"});
    const auto file = std::ranges::find(files, "null", &PluginFile::id);
    ASSERT_NE(file, files.end());
    auto backend = Backend::load(*file, 1);
    ASSERT_TRUE(backend) << backend.error().text();
    const auto manifest = tiny_manifest(dir.path());
    const auto assessment = (*backend)->assess(*manifest, {});
    ASSERT_TRUE(assessment) << assessment.error().text();
    EXPECT_LT(assessment->score, 0);
    std::string plan;
    auto model = (*backend)->load_causal(manifest, spec_of(8), kNoProgress, plan);
    ASSERT_TRUE(model) << model.error().text();
    EXPECT_EQ((*model)->limits().vocab_size, 32u);
    EXPECT_FALSE((*model)->has_sampler());
    EXPECT_FALSE((*model)->sample({}, {}));

    LoadSpec spec = spec_of(8);
    spec.options["cpu.threads"] = "4";  // another plugin's
    EXPECT_TRUE((*backend)->assess(*manifest, spec));
    spec.options["step_us"] = "fast";
    EXPECT_EQ((*backend)->assess(*manifest, spec).error().message, "option 'step_us' is 'fast', not a whole number");
    spec.options = {{"colour", "red"}};
    EXPECT_EQ((*backend)->assess(*manifest, spec).error().message, "unknown option 'colour'");
}

TEST(NullPlugin, SamplesByItselfWhereAsked) {
    const TempDir dir;
    const auto files = discover({GANTRY_BUILD_DIR "/lib/gantry/plugins"});
    const auto file = std::ranges::find(files, "null", &PluginFile::id);
    ASSERT_NE(file, files.end());
    auto backend = Backend::load(*file, 1);
    ASSERT_TRUE(backend) << backend.error().text();
    LoadSpec spec = spec_of(8);
    spec.options["sampler"] = "1";
    std::string plan;
    auto model = (*backend)->load_causal(tiny_manifest(dir.path()), spec, kNoProgress, plan);
    ASSERT_TRUE(model) << model.error().text();
    ASSERT_TRUE((*model)->has_sampler());

    const int32_t token = 5;
    const uint32_t begin[] = {0, 1}, context[] = {0}, block_begin[] = {0, 1}, block[] = {0}, rows[] = {0};
    gantry_batch_t batch{};
    batch.struct_size = sizeof(batch);
    batch.sequence_count = batch.token_count = batch.logit_row_count = 1;
    batch.token_ids = &token;
    batch.token_begin = begin;
    batch.context_len = context;
    batch.block_begin = block_begin;
    batch.block_ids = block;
    batch.logit_rows = rows;
    std::vector<float> logits(32);
    batch.logits = logits.data();
    ASSERT_TRUE((*model)->execute(batch));
    batch.logits = nullptr;
    ASSERT_TRUE((*model)->execute(batch));
    const auto likely = static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());

    gantry_sample_params_t params{};
    params.struct_size = sizeof(params);
    params.temperature = 1;
    params.top_p = 1;
    params.repetition_penalty = 1;
    params.top_logprobs = 3;
    gantry_sample_result_t result{};
    int32_t ids[3];
    float logprobs[3];
    result.struct_size = sizeof(result);
    result.top_ids = ids;
    result.top_logprobs = logprobs;
    const gantry_sample_params_t* const one[] = {&params};
    gantry_sample_result_t* const out[] = {&result};
    ASSERT_TRUE((*model)->sample(one, out));
    EXPECT_EQ(result.token, likely);
    EXPECT_NEAR(result.logprob, 0, 1e-6);
    EXPECT_EQ(result.top_count, 3u);
    EXPECT_EQ(ids[0], likely);
    const uint32_t mask[] = {~(1u << static_cast<uint32_t>(likely)) & 0x7u};
    params.mask = mask;
    std::set<int32_t> drawn;
    for (params.counter = 0; params.counter < 100; ++params.counter) {
        ASSERT_TRUE((*model)->sample(one, out));
        const int32_t first = result.token;
        ASSERT_TRUE((*model)->sample(one, out));
        EXPECT_EQ(result.token, first);
        drawn.insert(first);
    }
    EXPECT_THAT(drawn, ::testing::ElementsAre(0, 1, 2));
    params.logit_row = 1;
    EXPECT_EQ((*model)->sample(one, out).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace gantry::plugins
