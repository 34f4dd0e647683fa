// Whatever is drafted, answers are what they are without: the same tokens for the same seed, and the distribution that
// the model gives.

#include <gtest/gtest.h>

#include <cmath>

#include "fakes.hpp"
#include "guessing_drafter.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

using testing::FakeModel;
using testing::GuessingDrafter;
using testing::Transcript;

ModelLimits wide_limits(bool trees) {
    ModelLimits l = testing::small_limits();
    l.max_logit_rows = 40;
    l.max_step_tokens = 64;
    l.block_count = 128;
    l.features = trees ? uint32_t{GANTRY_CAUSAL_LM_TREE} : 0u;
    return l;
}

EngineOptions guessing(uint32_t percent_right, uint64_t seed) {
    EngineOptions options;
    options.eos_ids = {testing::kEos};
    options.speculative = DraftSource::kDraft;
    options.draft_adaptive = false;
    options.drafter = std::make_shared<GuessingDrafter>(32, seed, percent_right);
    return options;
}

EngineRequest request(const std::string& id, std::vector<int32_t> prompt, double temperature, uint64_t seed) {
    EngineRequest r;
    r.id = id;
    r.prompt = std::move(prompt);
    r.params.sampling.temperature = temperature;
    r.params.sampling.seed = seed;
    r.params.max_tokens = 40;
    r.params.ignore_eos = true;
    return r;
}

struct Outcome {
    Transcript transcript;
    EngineStats stats;
    uint64_t executes = 0;
};

Outcome run(const EngineRequest& request, EngineOptions options, bool trees) {
    auto model = std::make_unique<FakeModel>(wide_limits(trees));
    FakeModel* const raw = model.get();
    EngineCore core(std::move(model), testing::small_tokenizer(), std::move(options));
    Outcome out;
    core.add(request, [&](auto events) { out.transcript.take(events); });
    while (core.step()) {
        EXPECT_EQ(core.audit(), "");
    }
    EXPECT_EQ(raw->complaint, "");
    out.stats = core.stats();
    out.executes = raw->executes;
    EXPECT_EQ(out.stats.blocks_free + out.stats.blocks_cached, out.stats.blocks_total);
    return out;
}

EngineOptions plain() {
    EngineOptions options;
    options.eos_ids = {testing::kEos};
    return options;
}

TEST(Speculation, SavesStepsWhereGuessesAreRight) {
    const EngineRequest r = request("a", {3, 1, 4}, 0, 1);
    const Outcome without = run(r, plain(), false);
    for (bool trees : {false, true}) {
        const Outcome with = run(r, guessing(95, 7), trees);
        EXPECT_EQ(with.transcript.answers.at(0).ids, without.transcript.answers.at(0).ids);
        EXPECT_LT(with.executes, without.executes / 2);
        EXPECT_GT(with.stats.accepted_tokens, 20u);
        EXPECT_GE(with.stats.drafted_tokens, with.stats.accepted_tokens);
    }
}

TEST(Speculation, ChangesNoAnswer) {
    struct Row {
        const char* name;
        std::function<void(GenerateRequest&)> set;
    };
    const Row rows[] = {
        {"plain", [](auto&) {}},
        {"penalties", [](auto& p) { p.sampling.repetition_penalty = 1.3, p.sampling.frequency_penalty = 0.7; }},
        {"bias",
         [](auto& p) {
             p.sampling.logit_bias = {{5, 3.0}, {6, -100.0}};
         }},
        {"stop text",
         [](auto& p) {
             p.stop = {"a", "en"};
         }},
        {"stop id after min_tokens",
         [](auto& p) {
             p.stop_token_ids = {4, 9, 12}, p.min_tokens = 6;
         }},
        {"filters", [](auto& p) { p.sampling.top_k = 8, p.sampling.top_p = 0.8; }},
        {"logprobs", [](auto& p) { p.top_logprobs = 3; }},
        {"several answers", [](auto& p) { p.n = 4; }},
    };
    for (const Row& row : rows) {
        for (double temperature : {0.0, 0.7}) {
            EngineRequest r = request("a", {7, 7, 2, 9, 7, 7}, temperature, 5);
            row.set(r.params);
            const Outcome without = run(r, plain(), false);
            for (DraftSource source : {DraftSource::kNgram, DraftSource::kSuffix, DraftSource::kDraft}) {
                for (bool trees : {false, true}) {
                    SCOPED_TRACE(std::string(row.name) + " temperature " + std::to_string(temperature) + " source " +
                                 std::to_string(static_cast<int>(source)) + (trees ? " trees" : ""));
                    EngineOptions options = guessing(70, 3);
                    options.speculative = source;
                    const Outcome with = run(r, options, trees);
                    ASSERT_EQ(with.transcript.complaint, "");
                    ASSERT_EQ(with.transcript.answers.size(), without.transcript.answers.size());
                    for (const auto& [i, answer] : without.transcript.answers) {
                        const auto& other = with.transcript.answers.at(i);
                        EXPECT_EQ(other.text, answer.text);
                        EXPECT_EQ(other.ids, answer.ids);
                        EXPECT_EQ(other.finish, answer.finish);
                        ASSERT_EQ(other.logprobs.size(), answer.logprobs.size());
                        for (size_t k = 0; k < answer.logprobs.size(); ++k) {
                            EXPECT_EQ(other.logprobs[k].logprob, answer.logprobs[k].logprob);
                            EXPECT_EQ(other.logprobs[k].top, answer.logprobs[k].top);
                        }
                    }
                    EXPECT_EQ(with.transcript.usage->completion_tokens, without.transcript.usage->completion_tokens);
                }
            }
        }
    }
}

TEST(Speculation, KeepsAcceptedTokensInThePrefixCache) {
    const EngineRequest first = request("a", {3, 1, 4, 1}, 0, 1);
    auto model = std::make_unique<FakeModel>(wide_limits(true));
    FakeModel* const raw = model.get();
    EngineCore core(std::move(model), testing::small_tokenizer(), guessing(90, 5));
    Transcript transcript;
    core.add(first, [&](auto events) { transcript.take(events); });
    while (core.step()) {
    }
    EXPECT_GT(raw->slot_copies, 0u);
    EngineRequest second = request("b", first.prompt, 0, 1);
    const auto& ids = transcript.answers.at(0).ids;
    second.prompt.insert(second.prompt.end(), ids.begin(), ids.end());
    Transcript again;
    core.add(second, [&](auto events) { again.take(events); });
    while (core.step()) {
    }
    EXPECT_GE(again.usage->cached_tokens, second.prompt.size() - 8);
    const Outcome alone = run(second, plain(), false);
    EXPECT_EQ(again.answers.at(0).ids, alone.transcript.answers.at(0).ids);
}

TEST(Speculation, NeverTakesWhatOthersNeed) {
    // 8 sequences that fill the blocks to the last: with drafts there are no more preemptions than without.
    const auto preemptions = [](EngineOptions options) {
        ModelLimits limits = wide_limits(false);
        limits.block_count = 8 * 12;
        EngineCore core(std::make_unique<FakeModel>(limits), testing::small_tokenizer(), std::move(options));
        for (int i = 0; i < 8; ++i) {
            core.add(request("r" + std::to_string(i), {i + 1, 2, 3, 4, 5, 6, 7, 8}, 1, 9), [](auto) {});
        }
        while (core.step()) {
            EXPECT_EQ(core.audit(), "");
        }
        return core.stats().preemptions;
    };
    EXPECT_EQ(preemptions(plain()), 0u);
    EXPECT_EQ(preemptions(guessing(60, 2)), 0u);
}

TEST(Speculation, CancelInTheMiddleGivesTheBlocksBack) {
    EngineCore core(std::make_unique<FakeModel>(wide_limits(true)), testing::small_tokenizer(), guessing(80, 4));
    Transcript transcript;
    core.add(request("a", {3, 1, 4}, 0.8, 1), [&](auto events) { transcript.take(events); });
    for (int i = 0; i < 4; ++i) {
        core.step();
    }
    core.cancel("a");
    EXPECT_EQ(transcript.answers.at(0).finish, FinishReason::kCancelled);
    EXPECT_EQ(core.audit(), "");
    EXPECT_EQ(core.stats().blocks_free + core.stats().blocks_cached, core.stats().blocks_total);
}

/// The probabilities of the second and third token after a prompt, by walking through all that may come first.
std::vector<std::vector<double>> exact_marginals(const std::vector<int32_t>& prompt) {
    const auto softmax = [](std::vector<int32_t> text) {
        std::vector<float> row(32);
        testing::fake_logits(text, row);
        std::vector<double> p;
        double sum = 0;
        for (float logit : row) {
            p.push_back(std::exp(static_cast<double>(logit)));
            sum += p.back();
        }
        for (double& x : p) {
            x /= sum;
        }
        return p;
    };
    std::vector<std::vector<double>> out(2, std::vector<double>(32));
    const auto first = softmax(prompt);
    for (int32_t a = 0; a < 32; ++a) {
        std::vector<int32_t> text = prompt;
        text.push_back(a);
        const auto second = softmax(text);
        for (int32_t b = 0; b < 32; ++b) {
            const double both = first[static_cast<size_t>(a)] * second[static_cast<size_t>(b)];
            out[0][static_cast<size_t>(b)] += both;
            text.push_back(b);
            const auto third = softmax(text);
            text.pop_back();
            for (size_t c = 0; c < 32; ++c) {
                out[1][c] += both * third[c];
            }
        }
    }
    return out;
}

TEST(Speculation, DrawsFromTheModelsOwnDistribution) {
    constexpr int kRuns = 6000;
    const std::vector<int32_t> prompt{3, 1, 4, 1, 5};
    const auto expected = exact_marginals(prompt);
    for (bool trees : {false, true}) {
        EngineCore core(std::make_unique<FakeModel>(wide_limits(trees)), testing::small_tokenizer(), guessing(80, 6));
        std::vector<std::vector<double>> seen(2, std::vector<double>(32));
        for (int i = 0; i < kRuns; ++i) {
            EngineRequest r = request("r", prompt, 1, static_cast<uint64_t>(i) * 7919 + 13);
            r.params.max_tokens = 3;
            Transcript transcript;
            core.add(r, [&](auto events) { transcript.take(events); });
            while (core.step()) {
            }
            const auto& ids = transcript.answers.at(0).ids;
            ASSERT_EQ(ids.size(), 3u);
            for (size_t k = 0; k < 2; ++k) {
                seen[k][static_cast<size_t>(ids[k + 1])] += 1;
            }
        }
        EXPECT_GT(core.stats().accepted_tokens, 300u);
        for (size_t k = 0; k < 2; ++k) {
            double chi_square = 0;
            for (size_t t = 0; t < 32; ++t) {
                const double wanted = expected[k][t] * kRuns;
                chi_square += (seen[k][t] - wanted) * (seen[k][t] - wanted) / wanted;
            }
            EXPECT_LT(chi_square, 61.1) << "p < 0.001 at 31 degrees of freedom, token " << k + 2;
        }
    }
}

TEST(Speculation, StopsDraftingWhereItDoesNotPay) {
    EngineOptions options = guessing(0, 1);
    options.draft_adaptive = true;
    auto model = std::make_unique<FakeModel>(wide_limits(false));
    EngineCore core(std::move(model), testing::small_tokenizer(), options);
    for (int i = 0; i < 40; ++i) {
        core.add(request("r" + std::to_string(i), {3, 1, i % 30 + 1}, 1, 1), [](auto) {});
        while (core.step()) {
        }
    }
    const EngineStats stats = core.stats();
    EXPECT_LT(stats.draft_steps, stats.steps / 4);
}

}  // namespace
}  // namespace gantry::engine
