#include "runtime/engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/retry.hpp"
#include "fakes.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

using testing::FakeModel;
using ::testing::HasSubstr;
using testing::Recorder;
using testing::Transcript;

EngineRequest request(std::string id, size_t prompt_length = 6, uint32_t max_tokens = 8) {
    EngineRequest r;
    r.id = std::move(id);
    for (size_t i = 0; i < prompt_length; ++i) {
        r.prompt.push_back(static_cast<int32_t>(i % 31) + 1);
    }
    r.params.max_tokens = max_tokens;
    r.params.ignore_eos = true;
    r.params.sampling.seed = 1;
    return r;
}

/// A model whose steps wait for permission.
class Gate {
  public:
    Status pass() {
        std::unique_lock lock(mutex_);
        ++arrived_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return open_ || passes_ > 0; });
        passes_ -= open_ ? 0 : 1;
        return ok();
    }
    void let_one_pass() {
        std::lock_guard lock(mutex_);
        ++passes_;
        changed_.notify_all();
    }
    void open() {
        std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void wait_for_arrivals(int count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return arrived_ >= count; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int arrived_ = 0, passes_ = 0;
    bool open_ = false;
};

struct Bench {
    explicit Bench(EngineOptions options = {}, ModelLimits limits = testing::small_limits()) {
        auto owned = std::make_unique<FakeModel>(limits);
        model = owned.get();
        options.eos_ids = {testing::kEos};
        make = [owned = std::make_shared<std::unique_ptr<FakeModel>>(std::move(owned)), options] {
            return std::make_unique<Engine>(std::move(*owned), testing::small_tokenizer(), options);
        };
    }
    Engine& start() {
        engine = make();
        return *engine;
    }

    FakeModel* model = nullptr;
    std::function<std::unique_ptr<Engine>()> make;
    std::unique_ptr<Engine> engine;
};

TEST(Engine, AnswersARequestWithDeltasFinishAndUsage) {
    Bench b;
    Recorder recorder;
    ASSERT_TRUE(b.start().submit(request("a"), recorder.sink()));
    const Transcript t = recorder.wait();
    EXPECT_EQ(t.complaint, "");
    EXPECT_EQ(t.answers.at(0).finish, FinishReason::kLength);
    EXPECT_EQ(t.answers.at(0).ids.size(), 8u);
    EXPECT_EQ(t.usage->prompt_tokens, 6u);
    EXPECT_EQ(t.usage->completion_tokens, 8u);
    EXPECT_GE(t.usage->decode_seconds, 0);
}

TEST(Engine, TheSecondOfTwoEqualPromptsComesFromTheCache) {
    Bench b;
    Recorder first, second;
    ASSERT_TRUE(b.start().submit(request("a", 20), first.sink()));
    EXPECT_EQ(first.wait().usage->cached_tokens, 0u);
    ASSERT_TRUE(b.engine->submit(request("b", 20), second.sink()));
    const Transcript t = second.wait();
    EXPECT_EQ(t.usage->cached_tokens, 19u);  // four blocks and, by a copy, all but the last token of the fifth
    EXPECT_EQ(t.answers.at(0).text, first.wait().answers.at(0).text);
}

TEST(Engine, APromptIsCutOnlyWhenTheRequestAsksForIt) {
    Bench b;
    const uint32_t context = b.model->limits().max_context;
    Recorder refused;
    const Status status = b.start().submit(request("a", context + 10), refused.sink());
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr(std::to_string(context + 10)));
    EXPECT_THAT(status.error().message, HasSubstr(std::to_string(context)));

    const struct {
        int32_t keep;
        size_t prompt;
        uint64_t kept;
    } cases[] = {{-1, context + 10, context - 8}, {5, 20, 5}, {30, 20, 20}};
    for (const auto& c : cases) {
        EngineRequest r = request("keep " + std::to_string(c.keep), c.prompt);
        r.params.truncate_prompt_tokens = c.keep;
        EngineRequest cut = r;
        cut.id = "cut";
        cut.params.truncate_prompt_tokens.reset();
        cut.prompt.erase(cut.prompt.begin(), cut.prompt.end() - static_cast<std::ptrdiff_t>(c.kept));
        Recorder recorder, expected;
        ASSERT_TRUE(b.engine->submit(r, recorder.sink()));
        const Transcript t = recorder.wait();
        EXPECT_EQ(t.usage->prompt_tokens, c.kept);
        EXPECT_EQ(t.usage->truncated_tokens, c.prompt - c.kept);
        ASSERT_TRUE(b.engine->submit(cut, expected.sink()));
        EXPECT_EQ(t.answers.at(0).ids, expected.wait().answers.at(0).ids);
    }
}

TEST(Engine, AShiftedContextGoesOnAsIfComputedAnew) {
    Bench b;
    const size_t context = b.model->limits().max_context;
    EngineRequest r = request("a", 9, static_cast<uint32_t>(3 * context));
    r.params.sampling.temperature = 0;
    r.params.context_shift = true;
    r.params.n_keep = 3;
    std::vector<int32_t> tokens = r.prompt, expected;
    uint64_t shifts = 0;
    std::vector<float> row(b.model->limits().vocab_size);
    while (expected.size() < 3 * context) {
        testing::fake_logits(tokens, row);
        expected.push_back(static_cast<int32_t>(std::ranges::max_element(row) - row.begin()));
        tokens.push_back(expected.back());
        if (tokens.size() == context && expected.size() < 3 * context) {
            tokens.erase(tokens.begin() + 3, tokens.begin() + 3 + static_cast<std::ptrdiff_t>(context - 2) / 2);
            ++shifts;
        }
    }
    Recorder recorder;
    ASSERT_TRUE(b.start().submit(r, recorder.sink()));
    const Transcript t = recorder.wait();
    EXPECT_EQ(t.complaint, "");
    EXPECT_EQ(t.answers.at(0).ids, expected);
    EXPECT_GT(shifts, 3u);
    EXPECT_EQ(t.usage->context_shifts, shifts);

    r.id = "b";
    r.params.n_keep = static_cast<int32_t>(context);
    EXPECT_FALSE(b.engine->submit(r, recorder.sink()));

    ASSERT_TRUE(b.engine->drain(std::chrono::seconds(10)));  // the books are closed after the last event
    EXPECT_EQ(b.engine->stats().blocks_free + b.engine->stats().blocks_cached, b.engine->stats().blocks_total);
}

TEST(Engine, AdaptersComeAndGoWhileOthersAreAnswered) {
    Bench b;
    Gate gate;
    b.model->before_execute = [&](const gantry_batch_t&) { return gate.pass(); };
    Engine& engine = b.start();
    const auto load = [&](const std::string& name) {
        std::promise<Status> done;
        engine.load_adapter(
            name, [](CausalModel& model) { return model.load_adapter(gantry_manifest_t{}, 1); },
            [&](Status status) { done.set_value(std::move(status)); });
        return done.get_future().get();
    };
    ASSERT_TRUE(load("a"));
    ASSERT_TRUE(load("b"));
    EXPECT_EQ(load("a").error().code, Code::kAlreadyExists);
    EXPECT_EQ(engine.adapters(), (std::vector<std::string>{"a", "b"}));

    Recorder plain, with_a, with_b, unknown, late;
    const auto ask = [&](const char* id, const char* adapter, Recorder& to) {
        EngineRequest r = request(id, 20);
        r.params.adapter = adapter;
        return engine.submit(std::move(r), to.sink());
    };
    EXPECT_EQ(ask("0", "c", unknown).error().code, Code::kNotFound);
    ASSERT_TRUE(ask("1", "", plain));
    ASSERT_TRUE(ask("2", "a", with_a));
    ASSERT_TRUE(ask("3", "b", with_b));
    std::promise<Status> dropped;
    engine.drop_adapter("a", [&](Status status) { dropped.set_value(std::move(status)); });
    EXPECT_EQ(ask("4", "a", late).error().code, Code::kNotFound);  // from now on, though "2" still runs
    gate.open();
    ASSERT_TRUE(dropped.get_future().get());
    EXPECT_EQ(with_a.wait().complaint, "");
    EXPECT_EQ(b.model->dropped, std::vector<uint32_t>{1});
    // Each is computed with its own: their texts differ, and nobody reads the other's blocks from the cache.
    EXPECT_NE(with_a.wait().answers.at(0).ids, with_b.wait().answers.at(0).ids);
    EXPECT_NE(plain.wait().answers.at(0).ids, with_b.wait().answers.at(0).ids);
    Recorder again, plain_again;
    ASSERT_TRUE(ask("5", "b", again));
    EXPECT_EQ(again.wait().answers.at(0).ids, with_b.wait().answers.at(0).ids);
    EXPECT_EQ(again.wait().usage->cached_tokens, 19u);
    ASSERT_TRUE(ask("6", "", plain_again));
    EXPECT_EQ(plain_again.wait().answers.at(0).ids, plain.wait().answers.at(0).ids);
    EXPECT_EQ(plain_again.wait().usage->cached_tokens, 19u);
    std::promise<Status> never;
    engine.drop_adapter("a", [&](Status status) { never.set_value(std::move(status)); });
    EXPECT_EQ(never.get_future().get().error().code, Code::kNotFound);
}

TEST(Engine, GivesSeveralAnswersThatShareThePrompt) {
    Bench b;
    Recorder recorder;
    EngineRequest r = request("a", 10);
    r.params.n = 3;
    r.params.top_logprobs = 2;
    r.params.echo = true;
    r.echo_text = "prompt: ";
    ASSERT_TRUE(b.start().submit(r, recorder.sink()));
    const Transcript t = recorder.wait();
    ASSERT_EQ(t.answers.size(), 3u);
    EXPECT_EQ(t.usage->completion_tokens, 24u);
    EXPECT_NE(t.answers.at(0).ids, t.answers.at(1).ids);
    for (const auto& [index, answer] : t.answers) {
        EXPECT_TRUE(answer.text.starts_with("prompt: "));
        ASSERT_EQ(answer.logprobs.size(), 8u);
        EXPECT_EQ(answer.logprobs[3].top.size(), 2u);
        EXPECT_LE(answer.logprobs[3].logprob, answer.logprobs[3].top[0].second);
    }
}

TEST(Engine, AnswersARequestForNoTokensWithoutTheModel) {
    Bench b;
    Recorder recorder;
    EngineRequest r = request("a", 5, 0);
    r.params.echo = true;
    r.echo_text = "only this";
    r.params.n = 2;
    ASSERT_TRUE(b.start().submit(r, recorder.sink()));
    const Transcript t = recorder.wait();
    EXPECT_EQ(t.answers.at(1).text, "only this");
    EXPECT_EQ(t.answers.at(1).finish, FinishReason::kLength);
    EXPECT_EQ(t.usage->completion_tokens, 0u);
    EXPECT_EQ(b.model->executes, 0u);
}

TEST(Engine, RefusesWhatItCanNeverAnswer) {
    ModelLimits limits = testing::small_limits();
    limits.block_count = 8;  // 32 tokens, though the context has 128
    Bench b({}, limits);
    Engine& engine = b.start();
    const auto refused = [&](EngineRequest r) {
        const Status status = engine.submit(std::move(r), [](std::vector<Event>) { ADD_FAILURE(); });
        EXPECT_FALSE(status);
        EXPECT_EQ(status.error().code, Code::kInvalidArgument);
        return status.error().message;
    };
    EXPECT_THAT(refused(request("a", 0)), HasSubstr("empty"));
    EXPECT_THAT(refused(request("a", 128)), HasSubstr("128 tokens, but the model's context holds 128"));
    EXPECT_THAT(refused(request("a", 200)), HasSubstr("200 tokens, but the model's context holds 128"));
    EXPECT_THAT(refused(request("a", 32)), HasSubstr("32 tokens, but the model was given KV memory for 32"));
    EngineRequest unknown_token = request("a");
    unknown_token.prompt[2] = 32;
    EXPECT_THAT(refused(unknown_token), HasSubstr("prompt token 2 is 32"));
    EngineRequest hot = request("a");
    hot.params.sampling.temperature = -1;
    EXPECT_THAT(refused(hot), HasSubstr("sampling.temperature is -1"));
    EngineRequest bias = request("a");
    bias.params.sampling.logit_bias[99] = 1;
    EXPECT_THAT(refused(bias), HasSubstr("logit_bias has token 99"));
    EXPECT_EQ(engine.stats().requests, 0u);
}

TEST(Engine, ClampsTheAnswerToWhatFits) {
    ModelLimits limits = testing::small_limits();
    limits.block_count = 8;
    Bench b({}, limits);
    Recorder recorder;
    EngineRequest r = request("a", 31, 5);
    ASSERT_TRUE(b.start().submit(r, recorder.sink()));
    EXPECT_EQ(recorder.wait().answers.at(0).ids.size(), 1u);
    Recorder open;
    r = request("b", 20);
    r.params.max_tokens.reset();
    ASSERT_TRUE(b.engine->submit(r, open.sink()));
    EXPECT_EQ(open.wait().usage->completion_tokens, 12u);
}

TEST(Engine, RefusesAnIdInUseAndAFullQueue) {
    EngineOptions options;
    options.queue_limit = 2;
    ModelLimits limits = testing::small_limits();
    limits.max_sequences = 1;
    Bench b(options, limits);
    Gate gate;
    b.model->before_execute = [&](const auto&) { return gate.pass(); };
    Engine& engine = b.start();
    Recorder running, first, second, again;
    ASSERT_TRUE(engine.submit(request("running"), running.sink()));
    gate.let_one_pass();
    gate.wait_for_arrivals(2);  // it has been admitted, and the engine knows
    EXPECT_EQ(engine.submit(request("running"), first.sink()).error().code, Code::kAlreadyExists);
    ASSERT_TRUE(engine.submit(request("first"), first.sink()));
    ASSERT_TRUE(engine.submit(request("second"), second.sink()));
    EXPECT_EQ(engine.stats().waiting, 2u);
    const Status full = engine.submit(request("third"), first.sink());
    EXPECT_EQ(full.error().code, Code::kResourceExhausted);
    EXPECT_NE(full.error().message.find("2 requests are waiting; this one would be at position 3"), std::string::npos)
        << full.error().message;
    EXPECT_TRUE(retry_seconds(full.error().hint)) << full.error().hint;
    gate.open();
    EXPECT_TRUE(running.wait().usage && first.wait().usage && second.wait().usage);
    EXPECT_TRUE(engine.submit(request("running"), again.sink()));  // free again
    EXPECT_TRUE(again.wait().usage);
}

TEST(Engine, CancelsWithinOneStep) {
    Bench b;
    Gate gate;
    b.model->before_execute = [&](const auto&) { return gate.pass(); };
    Engine& engine = b.start();
    Recorder recorder, other;
    EngineRequest r = request("a", 6, 100);
    r.params.n = 2;
    ASSERT_TRUE(engine.submit(r, recorder.sink()));
    gate.let_one_pass();
    gate.let_one_pass();
    gate.wait_for_arrivals(3);
    engine.cancel("a");
    engine.cancel("unknown");
    gate.let_one_pass();
    const Transcript t = recorder.wait();
    EXPECT_EQ(t.complaint, "");
    EXPECT_EQ(t.answers.at(0).finish, FinishReason::kCancelled);
    EXPECT_EQ(t.answers.at(1).finish, FinishReason::kCancelled);
    EXPECT_EQ(t.usage->completion_tokens, 6u);
    EXPECT_EQ(b.model->executes, 3u);
    gate.open();
    ASSERT_TRUE(engine.submit(request("b"), other.sink()));
    EXPECT_TRUE(other.wait().usage);
    ASSERT_TRUE(engine.drain(std::chrono::minutes(1)));
    EXPECT_EQ(engine.stats().cancelled, 1u);
    EXPECT_EQ(engine.stats().blocks_free + engine.stats().blocks_cached, 64u);
}

TEST(Engine, ARefusedStepEndsItsRequestsOnly) {
    ModelLimits limits = testing::small_limits();
    limits.max_sequences = 1;
    Bench b({}, limits);
    b.model->before_execute = [](const gantry_batch_t& batch) -> Status {
        return batch.token_count == 7 ? Status(Error{Code::kOutOfMemory, "no scratch"}) : ok();
    };
    Recorder bad, good;
    Engine& engine = b.start();
    ASSERT_TRUE(engine.submit(request("bad", 7), bad.sink()));
    ASSERT_TRUE(engine.submit(request("good", 6), good.sink()));
    EXPECT_EQ(bad.wait().error->code, Code::kOutOfMemory);
    EXPECT_THAT(bad.wait().error->message, HasSubstr("no scratch"));
    EXPECT_TRUE(good.wait().usage);
    EXPECT_EQ(good.wait().complaint, "");
}

TEST(Engine, AFailedModelEndsEverythingAndIsNotUsedAgain) {
    ModelLimits limits = testing::small_limits();
    limits.max_sequences = 1;
    Bench b({}, limits);
    Gate gate;
    b.model->before_execute = [&](const auto&) -> Status {
        GANTRY_CHECK_OK(gate.pass());
        return Error{Code::kInternal, "device lost"};
    };
    Engine& engine = b.start();
    Recorder running, waiting;
    ASSERT_TRUE(engine.submit(request("running"), running.sink()));
    ASSERT_TRUE(engine.submit(request("waiting"), waiting.sink()));
    gate.open();
    EXPECT_EQ(running.wait().error->code, Code::kInternal);
    EXPECT_TRUE(waiting.wait().error);
    ASSERT_TRUE(engine.drain(std::chrono::minutes(1)));
    const Status status = engine.submit(request("late"), waiting.sink());
    EXPECT_EQ(status.error().code, Code::kUnavailable);
    EXPECT_THAT(status.error().message, HasSubstr("device lost"));
    EXPECT_EQ(b.model->executes, 1u);
}

TEST(Engine, ANaNEndsItsRequestOnly) {
    Bench b;
    int row = 0;
    b.model->after_row = [&](std::span<float> logits) {
        if (++row == 1) {
            logits[3] = std::numeric_limits<float>::quiet_NaN();
        }
    };
    Engine& engine = b.start();
    Recorder bad, good;
    EngineRequest r = request("bad");
    r.params.n = 3;
    ASSERT_TRUE(engine.submit(r, bad.sink()));
    EXPECT_THAT(bad.wait().error->message, HasSubstr("NaN"));
    ASSERT_TRUE(engine.submit(request("good"), good.sink()));
    EXPECT_TRUE(good.wait().usage);
    EXPECT_EQ(engine.stats().failed, 1u);
}

TEST(Engine, ASinkThatThrowsHurtsNobodyElse) {
    Bench b;
    Engine& engine = b.start();
    Recorder good;
    ASSERT_TRUE(engine.submit(request("bad", 6, 100), [](std::vector<Event>) { throw std::runtime_error("gone"); }));
    ASSERT_TRUE(engine.submit(request("good"), good.sink()));
    EXPECT_TRUE(good.wait().usage);
    EXPECT_TRUE(engine.drain(std::chrono::minutes(1)));
    EXPECT_EQ(engine.stats().cancelled, 1u);
}

TEST(Engine, DrainsAndThenRefuses) {
    Bench b;
    Gate gate;
    b.model->before_execute = [&](const auto&) { return gate.pass(); };
    Engine& engine = b.start();
    Recorder recorder;
    ASSERT_TRUE(engine.submit(request("a"), recorder.sink()));
    EXPECT_FALSE(engine.drain(std::chrono::milliseconds(1)));
    EXPECT_EQ(engine.submit(request("b"), recorder.sink()).error().code, Code::kUnavailable);
    gate.open();
    EXPECT_TRUE(engine.drain(std::chrono::minutes(1)));
    EXPECT_TRUE(recorder.wait().usage);
}

TEST(Engine, StoppingEndsEveryRequestWithAnError) {
    Bench b;
    Gate gate;
    b.model->before_execute = [&](const auto&) { return gate.pass(); };
    std::vector<Recorder> recorders(12);
    Engine& engine = b.start();
    for (size_t i = 0; i < recorders.size(); ++i) {
        ASSERT_TRUE(engine.submit(request(std::to_string(i)), recorders[i].sink()));
    }
    gate.wait_for_arrivals(1);
    std::thread opener([&] { gate.open(); });
    b.engine.reset();
    opener.join();
    for (Recorder& recorder : recorders) {
        const Transcript t = recorder.wait();
        EXPECT_EQ(t.complaint, "");
        ASSERT_TRUE(t.ended());
        EXPECT_TRUE(t.usage || t.error->code == Code::kUnavailable);
    }
}

TEST(Engine, RefusesToServeAModelWithoutRoomOrWithRecurrentState) {
    ModelLimits none = testing::small_limits();
    none.block_count = 0;
    Bench a({}, none);
    EXPECT_FALSE(a.start().submit(request("a"), {}));
    ModelLimits recurrent = testing::small_limits();
    recurrent.features = GANTRY_CAUSAL_LM_RECURRENT;
    Bench b({}, recurrent);
    EXPECT_EQ(b.start().submit(request("a"), {}).error().code, Code::kUnimplemented);
}

TEST(Engine, AsksForDeterminismWhereASeedIsGivenAndTheModelOffersIt) {
    ModelLimits limits = testing::small_limits();
    limits.features = GANTRY_CAUSAL_LM_DETERMINISTIC;
    Bench b({}, limits);
    std::vector<uint32_t> flags;
    b.model->before_execute = [&](const gantry_batch_t& batch) {
        flags.push_back(batch.flags);
        return ok();
    };
    Engine& engine = b.start();
    Recorder seeded, free;
    ASSERT_TRUE(engine.submit(request("seeded", 4, 1), seeded.sink()));
    seeded.wait();
    EngineRequest r = request("free", 5, 1);
    r.params.sampling.seed.reset();
    ASSERT_TRUE(engine.submit(r, free.sink()));
    free.wait();
    b.engine.reset();
    EXPECT_THAT(flags, ::testing::ElementsAre(GANTRY_BATCH_DETERMINISTIC, 0));
}

TEST(Engine, ServesManyThreadsAtOnce) {
    ModelLimits limits = testing::small_limits();
    limits.block_count = 20;
    EngineOptions options;
    options.queue_limit = 100000;
    Bench b(options, limits);
    Engine& engine = b.start();
    constexpr int kThreads = 4, kEach = 60;
    std::map<size_t, std::string> texts;  // by prompt length, from one alone
    for (size_t length = 1; length <= 20; ++length) {
        Recorder recorder;
        ASSERT_TRUE(engine.submit(request("alone", length), recorder.sink()));
        texts[length] = recorder.wait().answers.at(0).text;
    }
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            std::vector<std::pair<size_t, Recorder>> recorders(kEach);
            for (int i = 0; i < kEach; ++i) {
                auto& [length, recorder] = recorders[static_cast<size_t>(i)];
                length = static_cast<size_t>(i + thread) % 20 + 1;
                const std::string id = std::to_string(thread) + "/" + std::to_string(i);
                EXPECT_TRUE(engine.submit(request(id, length), recorder.sink()));
                if (i % 7 == 0) {
                    engine.cancel(id);
                }
                EXPECT_LE(engine.stats().running, 8u);
            }
            for (auto& [length, recorder] : recorders) {
                const Transcript t = recorder.wait();
                EXPECT_EQ(t.complaint, "");
                ASSERT_TRUE(t.usage);
                if (t.answers.at(0).finish != FinishReason::kCancelled) {
                    EXPECT_EQ(t.answers.at(0).text, texts[length]);
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_TRUE(engine.drain(std::chrono::minutes(1)));
    const EngineStats stats = engine.stats();
    EXPECT_EQ(stats.finished + stats.cancelled, 20u + kThreads * kEach);
    EXPECT_EQ(stats.blocks_free + stats.blocks_cached, stats.blocks_total);
}

}  // namespace
}  // namespace gantry::engine
