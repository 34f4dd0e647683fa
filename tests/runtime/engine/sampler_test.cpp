#include "runtime/engine/sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "runtime/engine/types.hpp"
#include "tests/runtime/engine/fakes.hpp"

namespace gantry::engine {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_row(size_t n, uint64_t seed, float spread = 3) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> row(n);
    std::ranges::generate(row, [&] { return normal(random); });
    return row;
}

int32_t pick(std::vector<float> row, const SamplerConfig& config, uint64_t position = 0,
             const TokenHistory& history = {}, std::vector<int32_t> forbidden = {}) {
    Sampler sampler;
    std::vector<float> peaks(logit_blocks(row.size())), masses(peaks.size());
    const float scale = Sampler::mass_scale(config, row.size());
    testing::sum_up(row, scale, peaks.data(), masses.data());
    const auto id = sampler.sample(row, config, {history, forbidden, {0, position}}).value().id;
    EXPECT_EQ(sampler.sample(row, config, {history, forbidden, {0, position}, {}, {peaks, masses, scale}}).value().id,
              id);
    return id;
}

/// Probabilities of all tokens by sorting everything, in double; 0 where a filter has removed one.
std::vector<double> naive_distribution(std::vector<float> row, const SamplerConfig& config, const TokenHistory& history,
                                       const std::vector<int32_t>& forbidden) {
    const size_t n = row.size();
    for (const auto& [id, bias] : config.logit_bias) {
        row[static_cast<size_t>(id)] += bias;
    }
    for (const auto& entry : history.entries()) {
        float& x = row[static_cast<size_t>(entry.id)];
        x = x > 0 ? x / config.repetition_penalty : x * config.repetition_penalty;
        x -= static_cast<float>(entry.in_answer) * config.frequency_penalty +
             (entry.in_answer > 0 ? config.presence_penalty : 0);
    }
    for (int32_t id : forbidden) {
        row[static_cast<size_t>(id)] = -kInf;
    }
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, [&](size_t a, size_t b) { return row[a] > row[b]; });
    const auto best = static_cast<double>(row[order[0]]);
    std::vector<double> p(n, 0);
    if (config.temperature == 0) {
        p[order[0]] = 1;
        return p;
    }
    const auto term = [&](size_t i) {
        return std::exp((static_cast<double>(row[i]) - best) / static_cast<double>(config.temperature));
    };
    size_t kept = config.top_k > 0 ? std::min<size_t>(config.top_k, n) : n;
    double total = 0;
    for (size_t i = 0; i < kept; ++i) {
        total += term(order[i]);
    }
    double mass = 0;
    for (size_t i = 0; i < kept; ++i) {
        mass += term(order[i]);
        if (mass >= static_cast<double>(config.top_p) * total && config.top_p < 1) {
            kept = i + 1;
        }
    }
    double sum = 0;
    for (size_t i = 0; i < kept; ++i) {
        const double t = term(order[i]);
        p[order[i]] = t >= static_cast<double>(config.min_p) ? t : 0;
        sum += p[order[i]];
    }
    for (double& x : p) {
        x /= sum;
    }
    return p;
}

int32_t naive_draw(const std::vector<double>& p, uint64_t seed, DrawPlace place) {
    double left = uniform(seed, place);
    int32_t last = -1;
    for (size_t i = 0; i < p.size(); ++i) {
        if (p[i] > 0) {
            last = static_cast<int32_t>(i);
            left -= p[i];
            if (left < 0) {
                break;
            }
        }
    }
    return last;
}

TEST(Philox, GivesThePublishedVectors) {
    using Words = std::array<uint32_t, 4>;
    EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Sampler, GreedyTakesTheLargestAndOfEqualsTheLowest) {
    for (size_t n : {1u, 7u, 255u, 256u, 257u, 5000u}) {
        SamplerConfig greedy;
        greedy.temperature = 0;
        auto row = random_row(n, n);
        const auto best = std::ranges::max_element(row) - row.begin();
        EXPECT_EQ(pick(row, greedy), best);
        row.assign(n, 1.5f);
        EXPECT_EQ(pick(row, greedy), 0);
        row[n - 1] = row[n / 2] = 2;
        EXPECT_EQ(pick(row, greedy), static_cast<int32_t>(n / 2));
    }
}

TEST(Sampler, AgreesWithTheNaiveImplementation) {
    std::mt19937_64 random(7);
    const auto choose = [&](auto... values) {
        const std::vector<double> list{static_cast<double>(values)...};
        return static_cast<float>(list[random() % list.size()]);
    };
    int filtered = 0;
    for (uint64_t round = 0; round < 3000; ++round) {
        const size_t n = std::vector<size_t>{2, 17, 256, 300, 1024, 3001}[random() % 6];
        auto row = random_row(n, round, choose(0.1, 1, 3, 10));
        if (round % 7 == 0) {  // masked and equal logits
            for (size_t i = 0; i < n / 3; ++i) {
                row[random() % n] = round % 2 == 0 ? -kInf : 1.25f;
            }
        }
        row[random() % n] = 2;  // never everything masked
        SamplerConfig config;
        config.temperature = choose(0, 0.3, 0.7, 1, 1, 2);
        config.top_k = static_cast<uint32_t>(choose(0, 0, 1, 2, 20, 700, 5000));
        config.top_p = choose(1, 1, 0.05, 0.5, 0.9, 0.99);
        config.min_p = choose(0, 0, 0, 0.02, 0.3, 1);
        TokenHistory history;
        if (round % 3 == 0) {
            config.repetition_penalty = choose(1, 1.3, 0.8);
            config.frequency_penalty = choose(0, 0.5, -0.5);
            config.presence_penalty = choose(0, 0.7, -1);
            for (int i = 0; i < 20; ++i) {
                const auto id = static_cast<int32_t>(random() % n);
                i % 2 == 0 ? history.add_answer(id) : history.add_prompt({&id, 1});
            }
        }
        if (round % 5 == 0) {
            for (int i = 0; i < 5; ++i) {
                config.logit_bias.emplace_back(static_cast<int32_t>(random() % n), choose(-100, 3, 1));
            }
        }
        std::vector<int32_t> forbidden;
        if (round % 11 == 0 && n > 2) {
            forbidden = {static_cast<int32_t>(random() % n)};
        }
        config.seed = round;
        const auto p = naive_distribution(row, config, config.penalises() ? history : TokenHistory(), forbidden);
        filtered += std::ranges::count(p, 0) > 0;
        for (uint64_t position = 0; position < 5; ++position) {
            ASSERT_EQ(pick(row, config, position, history, forbidden), naive_draw(p, config.seed, {0, position}))
                << "round " << round << " n " << n << " t " << config.temperature << " k " << config.top_k << " p "
                << config.top_p << " min " << config.min_p;
        }
    }
    EXPECT_GT(filtered, 1000);
}

TEST(Sampler, AgreesWithTheNaiveImplementationOnLargeVocabularies) {
    for (const auto& [spread, top_k, top_p] : std::vector<std::tuple<float, uint32_t, float>>{{0.01f, 0, 0.9f},
                                                                                              {1, 0, 0.95f},
                                                                                              {3, 0, 0.95f},
                                                                                              {3, 50, 0.9f},
                                                                                              {3, 5000, 1},
                                                                                              {1, 100000, 0.5f},
                                                                                              {0, 0, 0.5f}}) {
        SamplerConfig config;
        config.top_k = top_k;
        config.top_p = top_p;
        config.seed = 99;
        const auto row = random_row(150'000, 5, spread);
        const auto p = naive_distribution(row, config, {}, {});
        const auto kept = std::ranges::count_if(p, [](double x) { return x > 0; });
        for (uint64_t position = 0; position < 20; ++position) {
            const int32_t got = pick(row, config, position);
            // Sums of 150,000 floats leave the border of the kept set open by a few tokens.
            if (kept < 10'000) {
                EXPECT_EQ(got, naive_draw(p, config.seed, {0, position})) << spread << " " << top_k << " " << top_p;
            } else {
                EXPECT_NEAR(got, naive_draw(p, config.seed, {0, position}), 200)
                    << spread << " " << top_k << " " << top_p;
            }
        }
    }
}

TEST(Sampler, DrawsWithTheRightFrequencies) {
    struct Case {
        std::string name;
        float temperature;
        uint32_t top_k;
        float top_p, min_p;
    };
    for (const Case& c : std::vector<Case>{{"plain", 1, 0, 1, 0},
                                           {"hot", 2, 0, 1, 0},
                                           {"cold", 0.5f, 0, 1, 0},
                                           {"top-k", 1, 8, 1, 0},
                                           {"top-p", 1, 0, 0.8f, 0},
                                           {"min-p", 1, 0, 1, 0.2f},
                                           {"all", 0.9f, 20, 0.9f, 0.05f}}) {
        SamplerConfig config;
        config.temperature = c.temperature;
        config.top_k = c.top_k;
        config.top_p = c.top_p;
        config.min_p = c.min_p;
        config.seed = 2024;
        auto row = random_row(40, 3, 1);
        const auto p = naive_distribution(row, config, {}, {});
        constexpr int kDraws = 50'000;
        std::vector<double> seen(row.size(), 0);
        Sampler sampler;
        for (uint64_t i = 0; i < kDraws; ++i) {
            seen[static_cast<size_t>(sampler.sample(row, config, {TokenHistory(), {}, {0, i}}).value().id)] += 1;
        }
        double chi_square = 0;
        int cells = 0;
        for (size_t i = 0; i < row.size(); ++i) {
            if (p[i] == 0) {
                EXPECT_EQ(seen[i], 0) << c.name;
                continue;
            }
            const double expected = p[i] * kDraws;
            chi_square += (seen[i] - expected) * (seen[i] - expected) / expected;
            ++cells;
        }
        const double freedom = cells - 1;  // mean `freedom`, deviation sqrt(2 * freedom)
        EXPECT_LT(chi_square, freedom + 4 * std::sqrt(2 * freedom)) << c.name;
    }
}

TEST(Sampler, ADrawDependsOnSeedAnswerAndPositionOnly) {
    auto row = random_row(1000, 1, 0.5f);
    SamplerConfig config;
    config.seed = 5;
    Sampler one, other;
    std::vector<int32_t> forward, backward, second_answer;
    for (uint64_t i = 0; i < 50; ++i) {
        forward.push_back(one.sample(row, config, {TokenHistory(), {}, {0, i}}).value().id);
        second_answer.push_back(one.sample(row, config, {TokenHistory(), {}, {1, i}}).value().id);
    }
    for (uint64_t i = 50; i-- > 0;) {
        backward.insert(backward.begin(), other.sample(row, config, {TokenHistory(), {}, {0, i}}).value().id);
    }
    EXPECT_EQ(forward, backward);
    EXPECT_NE(forward, second_answer);
}

TEST(Sampler, LeavesTheRowAsItWas) {
    auto row = random_row(500, 2);
    const auto before = row;
    SamplerConfig config;
    config.repetition_penalty = 1.5f;
    config.logit_bias = {{3, 5}, {3, 5}, {499, -100}};
    config.top_logprobs = 3;
    TokenHistory history;
    history.add_answer(3);
    history.add_answer(7);
    Sampler sampler;
    ASSERT_TRUE(sampler.sample(row, config, {history, std::vector<int32_t>{3, 9, -1, 500}}));
    EXPECT_EQ(row, before);
}

TEST(Sampler, LogprobsAreOfTheUnmodifiedLogits) {
    auto row = random_row(700, 4);
    double sum = 0;
    for (float x : row) {
        sum += std::exp(static_cast<double>(x));
    }
    for (float temperature : {0.0f, 0.8f}) {
        for (uint32_t top : {0u, 1u, 5u, 20u}) {
            SamplerConfig config;
            config.temperature = temperature;
            config.top_k = 3;
            config.logit_bias = {{42, 100}};
            config.top_logprobs = top;
            Sampler sampler;
            const auto token = sampler.sample(row, config, {TokenHistory()}).value();
            EXPECT_EQ(token.id, 42);
            EXPECT_NEAR(token.logprob, static_cast<double>(row[42]) - std::log(sum), 1e-5);
            auto sorted = row;
            std::ranges::sort(sorted, std::greater<>());
            ASSERT_EQ(token.top.size(), top);
            for (size_t i = 0; i < top; ++i) {
                EXPECT_EQ(row[static_cast<size_t>(token.top[i].first)], sorted[i]);
                EXPECT_NEAR(token.top[i].second, static_cast<double>(sorted[i]) - std::log(sum), 1e-5);
            }
        }
    }
}

TEST(Sampler, AlternativesOfEqualProbabilityComeLowestIdFirst) {
    std::vector<float> row(300, 0.0f);
    row[200] = row[100] = 1;
    SamplerConfig config;
    config.temperature = 0;
    config.top_logprobs = 4;
    Sampler sampler;
    const auto token = sampler.sample(row, config, {TokenHistory()}).value();
    std::vector<int32_t> ids;
    for (const auto& [id, logprob] : token.top) {
        ids.push_back(id);
    }
    EXPECT_THAT(ids, ::testing::ElementsAre(100, 200, 0, 1));
}

TEST(Sampler, RefusesLogitsThatAreNotNumbers) {
    struct Case {
        std::string name;
        std::vector<float> row;
    };
    std::vector<float> nan_at_end(1000, 0.0f);
    nan_at_end.back() = kNaN;
    for (const Case& c : std::vector<Case>{{"NaN", {0, kNaN, 1}},
                                           {"NaN at the end", nan_at_end},
                                           {"only NaN", {kNaN, kNaN}},
                                           {"infinite", {0, kInf, 1}},
                                           {"all masked", {-kInf, -kInf}}}) {
        for (float temperature : {0.0f, 1.0f}) {
            SamplerConfig config;
            config.temperature = temperature;
            Sampler sampler;
            auto row = c.row;
            const auto token = sampler.sample(row, config, {TokenHistory()});
            ASSERT_FALSE(token) << c.name;
            EXPECT_EQ(token.error().code, Code::kInternal) << c.name;
        }
    }
    // Not even when the edit would hide it.
    std::vector<float> row{0, kNaN, 1};
    Sampler sampler;
    EXPECT_FALSE(sampler.sample(row, {}, {TokenHistory(), std::vector<int32_t>{1}}));
}

TEST(Sampler, SurvivesExtremeParameters) {
    auto row = random_row(2000, 8, 50);
    for (float temperature : {1e-7f, 1e-4f, 1e10f}) {
        for (uint32_t top_k : {0u, 2u, 1999u, 2147483647u}) {
            for (float top_p : {1e-6f, 0.9999f, 1.0f}) {
                SamplerConfig config;
                config.temperature = temperature;
                config.top_k = top_k;
                config.top_p = top_p;
                Sampler sampler;
                const auto token = sampler.sample(row, config, {TokenHistory()});
                ASSERT_TRUE(token);
                EXPECT_LT(token->id, 2000);
            }
        }
    }
}

TEST(Resolve, TakesTheRequestThenThePublisherThenTheDefault) {
    SamplingParams request, publisher;
    publisher.temperature = 0.6;
    publisher.top_k = 20;
    publisher.top_p = 0.95;
    request.top_k = -1;
    const SamplerConfig config = resolve(request, publisher, 77, *testing::small_tokenizer());
    EXPECT_FLOAT_EQ(config.temperature, 0.6f);
    EXPECT_EQ(config.top_k, 0u);
    EXPECT_FLOAT_EQ(config.top_p, 0.95f);
    EXPECT_EQ(config.min_p, 0);
    EXPECT_EQ(config.repetition_penalty, 1);
    EXPECT_EQ(config.seed, 77u);
    request.seed = 3;
    EXPECT_EQ(resolve(request, publisher, 77, *testing::small_tokenizer()).seed, 3u);
}

}  // namespace
}  // namespace gantry::engine
