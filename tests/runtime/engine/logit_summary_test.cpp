// Draws from rows that the model has summed up; that they are those from the rows alone, sampler_test.cpp shows as
// well.

#include "runtime/engine/logit_summary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <random>

#include "runtime/engine/sampler.hpp"
#include "tests/runtime/engine/fakes.hpp"

namespace gantry::engine {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kVocab = 1000;

class LogitSummary : public ::testing::Test {
  protected:
    LogitSummary() {
        std::mt19937 random(3);
        std::normal_distribution<float> normal(0, 2);
        std::ranges::generate(row_, [&] { return normal(random); });
    }
    Result<SampledToken> sample(const SamplerConfig& config, std::vector<int32_t> forbidden = {},
                                std::span<const uint32_t> mask = {}) {
        const float scale = Sampler::mass_scale(config, row_.size());
        std::vector<float> peaks(logit_blocks(row_.size())), masses(peaks.size());
        testing::sum_up(row_, scale, peaks.data(), masses.data());
        Sampler sampler;
        return sampler.sample(row_, config, {history_, forbidden, {}, mask, {peaks, masses, scale}});
    }

    std::vector<float> row_ = std::vector<float>(kVocab);
    TokenHistory history_;
};

std::vector<SamplerConfig> configs() {
    std::vector<SamplerConfig> out(4);
    out[0].temperature = 0;
    out[1].temperature = 0.7f;
    out[2].top_k = 5;
    out[3].top_p = 0.5f;
    return out;
}

TEST_F(LogitSummary, TellsOfLogitsThatAreNoNumbers) {
    row_[700] = kNaN;
    for (const SamplerConfig& config : configs()) {
        const auto token = sample(config);
        ASSERT_FALSE(token);
        EXPECT_EQ(token.error().code, Code::kInternal);
    }
    row_[700] = kInf;
    for (const SamplerConfig& config : configs()) {
        EXPECT_FALSE(sample(config));
    }
}

TEST_F(LogitSummary, ABlockMayHaveNothing) {
    std::fill(row_.begin() + 256, row_.begin() + 512, -kInf);
    for (const SamplerConfig& config : configs()) {
        EXPECT_TRUE(sample(config));
    }
}

TEST_F(LogitSummary, EditsCountThoughItWasMadeBefore) {
    for (SamplerConfig config : configs()) {
        config.logit_bias = {{600, 60}, {3, -50}};
        EXPECT_EQ(sample(config).value().id, 600);
        // The last logits of a block, and of the row.
        std::vector<int32_t> all_but_one;
        for (int32_t id = 0; id < static_cast<int32_t>(kVocab); ++id) {
            if (id != 42) {
                all_but_one.push_back(id);
            }
        }
        EXPECT_EQ(sample(config, all_but_one).value().id, 42);
        all_but_one.push_back(42);
        const auto none = sample(config, all_but_one);
        ASSERT_FALSE(none);
        EXPECT_EQ(none.error().code, Code::kFailedPrecondition);
    }
}

TEST_F(LogitSummary, SaysNothingOfAMaskedRow) {
    std::vector<uint32_t> mask(logit_blocks(kVocab) * 8, 0);
    mask[500 / 32] = 1u << (500 % 32);
    for (const SamplerConfig& config : configs()) {
        EXPECT_EQ(sample(config, {}, mask).value().id, 500);
    }
}

}  // namespace
}  // namespace gantry::engine
