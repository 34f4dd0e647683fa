// The filters against plain Python (generate_sampling.py), and what they remember between tokens.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "runtime/engine/sampler.hpp"
#include "runtime/engine/types.hpp"
#include "tests/runtime/engine/fakes.hpp"

namespace gantry::engine {
namespace {

namespace json = boost::json;

json::object fixture() {
    std::ifstream file(GANTRY_ENGINE_TEST_DIR "/sampling_cases.json");
    std::stringstream text;
    text << file.rdbuf();
    return json::parse(text.str()).as_object();
}

/// A request's `sampling` from JSON, through the codec.
SamplingParams params_of(const json::value& sampling) {
    return generate_request_from_json(json::object{{"input", json::object{{"text", ""}}}, {"sampling", sampling}})
        .value()
        .sampling;
}

std::map<int32_t, double> distribution(std::vector<float> row, const SamplerConfig& config, const SampleInput& in) {
    Sampler sampler;
    std::map<int32_t, double> out;
    double sum = 0;
    const auto got = sampler.distribution(row, config, in);
    EXPECT_TRUE(got);
    for (const auto& [id, probability] : got.value()) {
        EXPECT_TRUE(out.empty() || out.rbegin()->first < id);
        out[id] = probability;
        sum += probability;
    }
    EXPECT_NEAR(sum, 1, 1e-9);
    return out;
}

TEST(SamplerFilters, AgreeWithPython) {
    const json::object all = fixture();
    const testing::FakeTokenizer tokenizer(json::value_to<std::vector<std::string>>(all.at("texts")), {});
    size_t seen = 0;
    for (const json::value& c : all.at("cases").as_array()) {
        const SamplerConfig config = resolve(params_of(c.at("params")), {}, 1, tokenizer);
        TokenHistory history(config, tokenizer);
        history.add_prompt(json::value_to<std::vector<int32_t>>(c.at("prompt")));
        for (const int32_t id : json::value_to<std::vector<int32_t>>(c.at("answer"))) {
            history.add_answer(id);
        }
        const auto row = json::value_to<std::vector<float>>(c.at("logits"));
        const auto got = distribution(row, config, {history});
        const auto& wanted = c.at("probabilities").as_object();
        const auto likely = std::ranges::count_if(got, [](const auto& entry) { return entry.second > 1e-6; });
        ASSERT_EQ(static_cast<size_t>(likely), wanted.size()) << json::serialize(c.at("params"));
        for (const auto& [key, probability] : wanted) {
            const auto it = got.find(std::stoi(std::string(key)));
            ASSERT_NE(it, got.end()) << json::serialize(c.at("params"));
            EXPECT_NEAR(it->second, probability.to_number<double>(), 2e-6) << json::serialize(c.at("params"));
        }
        ++seen;
    }
    EXPECT_GT(seen, 100u);
}

double chi_square(const std::vector<double>& seen, const std::map<int32_t, double>& p, double draws) {
    double sum = 0;
    for (const auto& [id, probability] : p) {
        const double expected = probability * draws;
        sum += (seen[static_cast<size_t>(id)] - expected) * (seen[static_cast<size_t>(id)] - expected) / expected;
    }
    return sum;
}

TEST(SamplerFilters, DrawsHaveTheDistribution) {
    const auto tokenizer = testing::small_tokenizer();
    std::vector<float> row(100);
    testing::fake_logits(std::vector<int32_t>{5}, row);
    for (const char* sampling :
         {R"({"typical_p":0.6})", R"({"top_n_sigma":1})", R"({"mirostat":1,"mirostat_tau":5})",
          R"({"mirostat":2,"mirostat_tau":3})", R"({"dynatemp_range":0.8,"top_k":20})",
          R"({"typical_p":0.7,"top_p":0.8,"min_p":0.02})", R"({"xtc_probability":1,"xtc_threshold":0.01})"}) {
        SamplerConfig config = resolve(params_of(json::parse(sampling)), {}, 11, *tokenizer);
        const TokenHistory history(config, *tokenizer);
        const auto p = distribution(row, config, {history});
        std::vector<double> seen(row.size(), 0);
        constexpr int kDraws = 8000;
        Sampler sampler;
        for (uint64_t i = 0; i < kDraws; ++i) {
            const auto token = sampler.sample(row, config, {history, {}, {0, i}}).value();
            seen[static_cast<size_t>(token.id)] += 1;
            ASSERT_TRUE(p.contains(token.id)) << sampling;
            ASSERT_NEAR(token.surprise, -std::log2(p.at(token.id)), 1e-3) << sampling;
        }
        const double freedom = static_cast<double>(p.size()) - 1;
        EXPECT_LE(chi_square(seen, p, kDraws), freedom + 4 * std::sqrt(2 * freedom)) << sampling;
    }
}

TEST(SamplerFilters, XtcActsWithItsProbability) {
    const auto tokenizer = testing::small_tokenizer();
    std::vector<float> row{3, 2.9f, 1, 0};
    SamplerConfig config = resolve(params_of(json::parse(R"({"xtc_probability":0.3,"seed":5})")), {}, 0, *tokenizer);
    const auto off = distribution(row, SamplerConfig(), {TokenHistory()});
    ASSERT_GT(off.at(0), 0.4);
    Sampler sampler;
    double without_top = 0;
    double best = 0;
    constexpr int kDraws = 10'000;
    for (uint64_t i = 0; i < kDraws; ++i) {
        without_top += sampler.distribution(row, config, {TokenHistory(), {}, {0, i}}).value().front().id != 0;
        best += sampler.sample(row, config, {TokenHistory(), {}, {0, i}}).value().id == 0;
    }
    const double deviation = std::sqrt(0.3 * 0.7 / kDraws);
    EXPECT_NEAR(without_top / kDraws, 0.3, 4 * deviation);
    EXPECT_NEAR(best / kDraws, 0.7 * off.at(0), 4 * 0.5 / std::sqrt(kDraws));  // independent of the token's number
}

TEST(SamplerFilters, MirostatFollowsTheSurprise) {
    const auto tokenizer = testing::small_tokenizer();
    std::vector<float> row(2000);
    testing::fake_logits(std::vector<int32_t>{9}, row);
    for (const int version : {1, 2}) {
        for (const double tau : {2.0, 4.0, 6.0}) {
            SamplerConfig config;
            config.mirostat = static_cast<uint32_t>(version);
            config.mirostat_tau = static_cast<float>(tau);
            TokenHistory history(config, *tokenizer);
            EXPECT_FLOAT_EQ(history.mirostat_mu(), 2 * config.mirostat_tau);
            Sampler sampler;
            double sum = 0;
            constexpr int kTokens = 3000;
            for (uint64_t i = 0; i < kTokens; ++i) {
                const auto token = sampler.sample(row, config, {history, {}, {0, i}}).value();
                const float before = history.mirostat_mu();
                history.accept(token, config);
                ASSERT_FLOAT_EQ(history.mirostat_mu(), before - 0.1f * (token.surprise - config.mirostat_tau));
                sum += i < 500 ? 0 : static_cast<double>(token.surprise);
            }
            EXPECT_NEAR(sum / (kTokens - 500), tau, 0.25) << version;
        }
    }
}

TEST(SamplerFilters, BadWordsNeverGetWhole) {
    const testing::FakeTokenizer tokenizer({"</s>", "b", "a", "d"}, {});
    SamplerConfig config;
    config.temperature = 0;
    config.bad_words = {{1, 2, 3}, {2}};
    TokenHistory history(config, tokenizer);
    history.add_prompt(std::vector<int32_t>{1, 2});  // the prompt's beginning of a word is no part of the answer
    std::vector<float> row{0, 1, 3, 2};
    Sampler sampler;
    EXPECT_EQ(sampler.sample(row, config, {history}).value().id, 3);
    config.bad_words = {{1, 2, 3}};
    row = {0, 1, 2, 3};
    EXPECT_EQ(sampler.sample(row, config, {history}).value().id, 3);
    history.add_answer(1);
    EXPECT_EQ(sampler.sample(row, config, {history}).value().id, 3);
    history.add_answer(2);
    EXPECT_EQ(sampler.sample(row, config, {history}).value().id, 2);
}

TEST(SamplerFilters, MasksComeBeforeEverything) {
    std::vector<float> row(100, 0);
    row[70] = 5;
    row[3] = 2;
    const auto before = row;
    SamplerConfig config;
    config.top_logprobs = 1;
    config.logit_bias = {{70, 100}};
    std::vector<uint32_t> mask{8u | 16u, 1u, 0, 0};
    Sampler sampler;
    for (const auto& [allowed, may] :
         std::vector<std::pair<std::vector<uint32_t>, std::vector<int32_t>>>{{{}, {3, 4, 32}}, {{16u, 1u}, {4, 32}}}) {
        config.allowed = allowed;
        std::vector<int32_t> ids;
        for (const auto& [id, p] : distribution(row, config, {TokenHistory(), {}, {}, mask})) {
            ids.push_back(id);
        }
        EXPECT_EQ(ids, may);
        const auto token = sampler.sample(row, config, {TokenHistory(), {}, {}, mask}).value();
        EXPECT_THAT(may, ::testing::Contains(token.id));
        EXPECT_EQ(token.top.at(0).first, 70);  // logprobs are the model's
        EXPECT_EQ(row, before);
    }
    config.allowed = {4u};
    const auto none = sampler.sample(row, config, {TokenHistory(), {}, {}, mask});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Code::kFailedPrecondition);
    EXPECT_EQ(row, before);
}

TEST(TokenHistory, CountsWithinItsWindow) {
    SamplerConfig config;
    config.presence_penalty = 1;
    config.repeat_last_n = 3;
    TokenHistory history(config, *testing::small_tokenizer());
    history.add_prompt(std::vector<int32_t>{1, 2, 1, 3});
    history.add_answer(1);
    std::map<int32_t, std::pair<uint32_t, uint32_t>> counts;
    const auto look = [&] {
        counts.clear();
        for (const auto& entry : history.entries()) {
            if (entry.present()) {
                counts[entry.id] = {entry.in_prompt, entry.in_answer};
            }
        }
        return counts;
    };
    using Counts = std::map<int32_t, std::pair<uint32_t, uint32_t>>;
    EXPECT_EQ(look(), (Counts{{1, {1, 1}}, {3, {1, 0}}}));
    for (int i = 0; i < 4; ++i) {
        history.add_answer(7);
    }
    EXPECT_EQ(look(), (Counts{{7, {0, 3}}}));
}

}  // namespace
}  // namespace gantry::engine
