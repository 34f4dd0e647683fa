// What a request asks of sampling, through the whole engine: logprobs of its prompt, the best of several answers, the
// same answer whatever else runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fakes.hpp"
#include "runtime/engine/beam_search.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

using testing::FakeModel;
using testing::Transcript;

EngineRequest request(std::string id, size_t prompt_length, uint32_t max_tokens = 6) {
    EngineRequest r;
    r.id = std::move(id);
    for (size_t i = 0; i < prompt_length; ++i) {
        r.prompt.push_back(static_cast<int32_t>(i * 7 % 31) + 1);
    }
    r.params.max_tokens = max_tokens;
    r.params.ignore_eos = true;
    r.params.sampling.seed = 1;
    return r;
}

/// Steps an engine by hand.
struct Bench {
    explicit Bench(ModelLimits limits = testing::small_limits()) {
        auto owned = std::make_unique<FakeModel>(limits);
        model = owned.get();
        EngineOptions options;
        options.eos_ids = {testing::kEos};
        core = std::make_unique<EngineCore>(std::move(owned), testing::small_tokenizer(), options);
    }
    std::shared_ptr<Transcript> add(EngineRequest r) {
        auto transcript = std::make_shared<Transcript>();
        EXPECT_TRUE(core->check(r));
        core->add(std::move(r), [transcript](std::vector<Event> events) { transcript->take(events); });
        return transcript;
    }
    void finish() {
        while (core->step()) {
            EXPECT_EQ(core->audit(), "");
        }
        EXPECT_EQ(model->complaint, "");
    }

    FakeModel* model = nullptr;
    std::unique_ptr<EngineCore> core;
};

/// log-softmax of the fake model's logits after these tokens.
std::vector<double> log_softmax(std::span<const int32_t> tokens) {
    std::vector<float> row(testing::small_limits().vocab_size);
    testing::fake_logits(tokens, row);
    double sum = 0;
    for (float x : row) {
        sum += std::exp(static_cast<double>(x));
    }
    std::vector<double> out;
    for (float x : row) {
        out.push_back(static_cast<double>(x) - std::log(sum));
    }
    return out;
}

void expect_scores(const PromptLogprobs& scores, const std::vector<int32_t>& prompt, size_t top) {
    ASSERT_EQ(scores.tokens.size(), prompt.size());
    EXPECT_EQ(scores.tokens[0].id, prompt[0]);
    EXPECT_EQ(scores.tokens[0].logprob, -std::numeric_limits<double>::infinity());
    for (size_t i = 1; i < prompt.size(); ++i) {
        const auto expected = log_softmax(std::span(prompt).first(i));
        const TokenLogprob& got = scores.tokens[i];
        EXPECT_EQ(got.id, prompt[i]);
        EXPECT_NEAR(got.logprob, expected[static_cast<size_t>(prompt[i])], 1e-5);
        ASSERT_EQ(got.top.size(), top);
        ASSERT_EQ(got.top_bytes.size(), top);
        if (top > 0) {
            EXPECT_NEAR(got.top[0].second, *std::ranges::max_element(expected), 1e-5);
        }
    }
}

TEST(PromptLogprobsFlow, EveryTokenIsScoredWhateverTheRows) {
    for (const uint32_t rows : {1u, 2u, 3u, 8u, 64u}) {
        for (const uint32_t step_tokens : {4u, 32u}) {
            ModelLimits limits = testing::small_limits();
            limits.max_logit_rows = rows;
            limits.max_step_tokens = step_tokens;
            limits.max_sequences = 4;
            Bench b(limits);
            auto mate = b.add(request("mate", 5, 20));
            auto warm = b.add(request("warm", 23, 2));  // leaves its prefix in the cache
            b.core->step();
            std::vector<std::shared_ptr<Transcript>> scored;
            for (const size_t length : {1u, 2u, 23u, 30u}) {
                EngineRequest r = request("r" + std::to_string(length), length);
                r.params.prompt_logprobs = 2;
                r.params.top_logprobs = 0;
                scored.push_back(b.add(std::move(r)));
            }
            b.finish();
            for (const auto& t : {mate, warm}) {
                EXPECT_TRUE(t->usage);
                EXPECT_FALSE(t->prompt);
            }
            size_t i = 0;
            for (const size_t length : {1u, 2u, 23u, 30u}) {
                const Transcript& t = *scored[i++];
                EXPECT_EQ(t.complaint, "");
                ASSERT_TRUE(t.prompt) << rows;
                EXPECT_EQ(t.usage->cached_tokens, 0u);
                expect_scores(*t.prompt, request("", length).prompt, 2);
                EXPECT_EQ(t.answers.at(0).logprobs.size(), 6u);
            }
        }
    }
}

TEST(PromptLogprobsFlow, PreemptionDoesNotScoreTwice) {
    ModelLimits limits = testing::small_limits();
    limits.block_count = 14;
    Bench b(limits);
    std::vector<std::shared_ptr<Transcript>> all;
    for (int i = 0; i < 5; ++i) {
        EngineRequest r = request(std::to_string(i), 9, 30);
        r.params.prompt_logprobs = 1;
        r.params.sampling.seed = static_cast<uint64_t>(i);  // equal answers would share their blocks
        all.push_back(b.add(std::move(r)));
    }
    b.finish();
    EXPECT_GT(b.core->stats().preemptions, 0u);
    for (const auto& t : all) {
        EXPECT_EQ(t->complaint, "");
        ASSERT_TRUE(t->prompt);
        expect_scores(*t->prompt, request("", 9).prompt, 1);
    }
}

TEST(BestOfFlow, ShowsTheLikeliestOfAllAnswers) {
    EngineRequest r = request("all", 5);
    r.params.n = 6;
    r.params.top_logprobs = 0;
    Bench b;
    const auto all = b.add(r);
    r.id = "best";
    r.params.n = 2;
    r.params.best_of = 6;
    const auto best = b.add(r);
    r.id = "plain";
    r.params.top_logprobs.reset();
    const auto plain = b.add(r);
    b.finish();
    std::vector<std::pair<double, std::vector<int32_t>>> ranked;
    for (const auto& [index, answer] : all->answers) {
        double sum = 0;
        for (const auto& token : answer.logprobs) {
            sum -= token.logprob;
        }
        ranked.emplace_back(sum, answer.ids);
    }
    std::ranges::stable_sort(ranked, {}, [](const auto& a) { return a.first; });
    for (const auto& t : {best, plain}) {
        EXPECT_EQ(t->complaint, "");
        ASSERT_EQ(t->answers.size(), 2u);
        EXPECT_EQ(t->answers.at(0).ids, ranked[0].second);
        EXPECT_EQ(t->answers.at(1).ids, ranked[1].second);
        EXPECT_EQ(t->answers.at(1).finish, FinishReason::kLength);
        EXPECT_EQ(t->usage->completion_tokens, 36u);
    }
    EXPECT_EQ(best->answers.at(0).logprobs.size(), 6u);
    EXPECT_TRUE(plain->answers.at(0).logprobs.empty());
}

TEST(BeamSearchFlow, FindsWhatTheSearchFindsAloneWhateverTheRoom) {
    const EngineRequest plain = request("beams", 9, 7);
    for (const uint32_t width : {1u, 3u, 5u}) {
        const BeamParams params{width, 1.5, EarlyStopping::kNo};
        BeamSearch alone({params, 7, {testing::kEos, 4}});
        std::vector<std::vector<int32_t>> running{plain.prompt};
        Sampler sampler;
        while (!alone.done()) {
            std::vector<std::vector<BeamSearch::Candidate>> candidates;
            for (const auto& tokens : running) {
                std::vector<float> row(testing::small_limits().vocab_size);
                testing::fake_logits(tokens, row);
                candidates.push_back(sampler.likeliest(row, {}, {TokenHistory()}, alone.candidates_wanted()).value());
            }
            std::vector<std::vector<int32_t>> next;
            for (const auto& step : alone.advance(candidates)) {
                next.push_back(running[step.parent]);
                next.back().push_back(step.id);
            }
            running = std::move(next);
        }
        for (const auto& [sequences, blocks, mates] : std::vector<std::tuple<uint32_t, uint32_t, int>>{
                 {8, 64, 0}, {8, 64, 4}, {2, 64, 3}, {1, 64, 1}, {4, 8, 2}}) {
            ModelLimits limits = testing::small_limits();
            limits.max_sequences = sequences;
            limits.block_count = blocks;
            limits.features |= mates % 2 != 0 ? uint32_t{GANTRY_CAUSAL_LM_SUMMARIES} : 0u;
            Bench b(limits);
            for (int i = 0; i < mates; ++i) {
                b.add(request("mate" + std::to_string(i), 7, 10));
            }
            EngineRequest r = plain;
            r.params.ignore_eos = false;
            r.params.stop_token_ids = {4};
            r.params.n = static_cast<int32_t>(std::min(width, 2u));
            r.params.beams = params;
            const auto t = b.add(r);
            r.id = "other";
            const auto other = b.add(r);
            b.finish();
            EXPECT_EQ(t->complaint, "");
            ASSERT_TRUE(t->usage);
            const auto found = alone.hypotheses();
            for (uint32_t i = 0; i < static_cast<uint32_t>(r.params.n); ++i) {
                auto ids = found[i].ids;
                const bool ended = ids.back() == testing::kEos || ids.back() == 4;
                ids.resize(ids.size() - (ended ? 1 : 0));
                EXPECT_EQ(t->answers.at(i).ids, ids) << width << " " << sequences;
                EXPECT_EQ(other->answers.at(i).ids, ids);
                EXPECT_EQ(t->answers.at(i).finish, ended ? FinishReason::kStop : FinishReason::kLength);
            }
            EXPECT_EQ(b.core->stats().blocks_free + b.core->stats().blocks_cached, b.core->stats().blocks_total);
        }
    }
}

TEST(BeamSearchFlow, EndsWhenCancelledOrRefused) {
    Bench b;
    EngineRequest r = request("a", 5, 50);
    r.params.beams = BeamParams{4, 1, EarlyStopping::kNo};
    const auto cancelled = b.add(r);
    r.id = "b";
    const auto failed = b.add(r);
    for (int i = 0; i < 4; ++i) {
        b.core->step();
    }
    b.core->cancel("a");
    EXPECT_EQ(cancelled->answers.at(0).finish, FinishReason::kCancelled);
    b.model->after_row = [](std::span<float> row) { row[3] = std::nanf(""); };
    b.finish();
    ASSERT_TRUE(failed->error);
    EXPECT_EQ(failed->error->code, Code::kInternal);
    EXPECT_EQ(b.core->stats().blocks_free + b.core->stats().blocks_cached, b.core->stats().blocks_total);
}

TEST(ProcessedLogprobsFlow, AreOfWhatWasDrawnFrom) {
    EngineRequest r = request("a", 5);
    r.params.sampling.top_k = 3;
    r.params.sampling.temperature = 0.5;
    r.params.top_logprobs = 5;
    r.params.logprobs_mode = LogprobsMode::kProcessed;
    Bench b;
    const auto t = b.add(r);
    b.finish();
    std::vector<int32_t> tokens = r.prompt;
    for (const TokenLogprob& token : t->answers.at(0).logprobs) {
        const auto raw = log_softmax(tokens);
        auto sorted = raw;
        std::ranges::sort(sorted, std::greater<>());
        double sum = 0;
        for (size_t i = 0; i < 3; ++i) {
            sum += std::exp(sorted[i] * 2);
        }
        ASSERT_EQ(token.top.size(), 3u);  // no other could have been drawn
        for (size_t i = 0; i < 3; ++i) {
            EXPECT_NEAR(token.top[i].second, sorted[i] * 2 - std::log(sum), 1e-5);
        }
        EXPECT_NEAR(token.logprob, raw[static_cast<size_t>(token.id)] * 2 - std::log(sum), 1e-5);
        tokens.push_back(token.id);
    }
}

/// A model whose rounding depends on the batch: on how many tokens it has, unless determinism is asked for.
void make_moody(FakeModel& model, bool able) {
    auto noise = std::make_shared<float>(0.0f);
    model.before_execute = [noise, able](const gantry_batch_t& batch) {
        const bool calm = able && (batch.flags & GANTRY_BATCH_DETERMINISTIC) != 0;
        *noise = calm || batch.token_count == 1 ? 0.0f : static_cast<float>(batch.token_count);
        return ok();
    };
    model.after_row = [noise](std::span<float> row) {
        for (size_t i = 0; i < row.size(); ++i) {
            row[i] += std::sin(*noise * static_cast<float>(i));
        }
    };
}

TEST(DeterministicFlow, MatesDoNotMatter) {
    for (const bool able : {true, false}) {
        ModelLimits limits = testing::small_limits();
        limits.features = able ? uint32_t{GANTRY_CAUSAL_LM_DETERMINISTIC} : 0u;
        const auto answer = [&](bool asked, int mates) {
            Bench b(limits);
            make_moody(*b.model, able);
            for (int i = 0; i < mates; ++i) {
                EngineRequest mate = request("mate" + std::to_string(i), 11 + static_cast<size_t>(i), 12);
                mate.params.sampling.seed.reset();
                b.add(std::move(mate));
            }
            EngineRequest r = request("r", 10, 12);
            r.params.sampling.seed = asked ? std::optional<uint64_t>(3) : std::nullopt;
            r.params.sampling.temperature = 0;
            r.params.deterministic = asked;
            r.params.n = 2;
            const auto t = b.add(std::move(r));
            b.finish();
            EXPECT_TRUE(!asked || t->usage->cached_tokens == 0);
            return t->answers.at(0).ids;
        };
        const auto alone = answer(true, 0);
        EXPECT_EQ(alone.size(), 12u);
        for (const int mates : {1, 3, 6}) {
            EXPECT_EQ(answer(true, mates), alone) << able;
            EXPECT_NE(answer(false, mates), alone) << able;  // or the test would show nothing
        }
    }
}

TEST(DeterministicFlow, StaysOffThePrefixCache) {
    Bench b;
    const auto warm = b.add(request("warm", 20));
    b.finish();
    EngineRequest r = request("r", 20);
    r.params.deterministic = true;
    const auto first = b.add(r);
    b.finish();
    r.id = "again";
    r.params.deterministic = false;
    const auto again = b.add(r);
    b.finish();
    EXPECT_EQ(first->usage->cached_tokens, 0u);
    EXPECT_EQ(again->usage->cached_tokens, 19u);
    EXPECT_EQ(first->answers.at(0).ids, again->answers.at(0).ids);
}

}  // namespace
}  // namespace gantry::engine
