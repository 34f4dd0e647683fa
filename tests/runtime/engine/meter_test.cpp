#include "runtime/engine/meter.hpp"

#include <gtest/gtest.h>

#include <set>

#include "fakes.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

TEST(GapRecorder, TellsPercentilesToWithinAClass) {
    GapRecorder gaps;
    EXPECT_EQ(gaps.percentiles().p50, 0);
    for (int i = 1; i <= 1000; ++i) {
        gaps.add(i * 1e-4);
    }
    const TokenGaps p = gaps.percentiles();
    EXPECT_NEAR(p.p50, 0.05, 0.05 * 0.05);
    EXPECT_NEAR(p.p90, 0.09, 0.09 * 0.05);
    EXPECT_NEAR(p.p99, 0.099, 0.099 * 0.05);
}

TEST(GapRecorder, TakesAnyTime) {
    GapRecorder gaps;
    for (const double seconds : {-1.0, 0.0, 1e-9, 1e9}) {
        gaps.add(seconds);
    }
    EXPECT_GT(gaps.percentiles().p50, 0);
    EXPECT_GT(gaps.percentiles().p99, 100);
}

TEST(EngineMeter, FieldsHaveNamesOfTheirOwnAndHelp) {
    std::set<std::string_view> names;
    for (const StatField& field : stat_fields()) {
        EXPECT_TRUE(names.insert(field.name).second) << field.name;
        EXPECT_TRUE(field.help.ends_with('.')) << field.name;
        EXPECT_EQ(field.read(EngineStats{}), 0) << field.name;
    }
    for (const HistogramField& field : histogram_fields()) {
        EXPECT_TRUE(names.insert(field.name).second) << field.name;
        EXPECT_TRUE(field.help.ends_with('.')) << field.name;
    }
}

uint64_t count(const metrics::Histogram& histogram) {
    uint64_t out = 0;
    for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
        out += histogram.in_bucket(i);
    }
    return out;
}

TEST(EngineMeter, CountsStepsTokensAndRequests) {
    EngineOptions options;
    options.eos_ids = {testing::kEos};
    EngineCore core(std::make_unique<testing::FakeModel>(testing::small_limits()), testing::small_tokenizer(), options);
    std::optional<Usage> usage;
    for (int i = 0; i < 2; ++i) {
        EngineRequest request;
        request.id = std::to_string(i);
        request.prompt = {1, 2, 3};
        request.params.max_tokens = 5;
        request.params.ignore_eos = true;
        core.add(std::move(request), [&](std::vector<Event> events) {
            for (const Event& event : events) {
                if (const auto* last = std::get_if<Usage>(&event)) {
                    usage = *last;
                }
            }
        });
    }
    while (core.step()) {
    }
    const EngineMeter& meter = core.meter();
    EXPECT_EQ(count(meter.step_seconds), core.stats().steps);
    EXPECT_EQ(meter.step_tokens.sum(), 2 * (3 + 4));  // a prompt, then each token but the last
    EXPECT_EQ(meter.step_sequences.sum(), 2 * 5);
    EXPECT_EQ(count(meter.token_gap_seconds), 2u * 4);
    EXPECT_EQ(count(meter.request_seconds), 2u);
    EXPECT_EQ(count(meter.first_token_seconds), 2u);
    ASSERT_TRUE(usage);
    EXPECT_GE(usage->first_token_seconds, usage->queue_seconds);
    EXPECT_GT(usage->gaps.p50, 0);
    EXPECT_LE(usage->gaps.p50, usage->gaps.p99);
}

}  // namespace
}  // namespace gantry::engine
