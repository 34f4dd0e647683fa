#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "runtime/encoder/encoder_engine.hpp"
#include "runtime/encoder/meter.hpp"

namespace gantry::encoder {
namespace {

using ::testing::HasSubstr;

/// Rows are the sum of a sequence's tokens and its length. A gate holds steps back, so that tests decide what has come
/// when a step is made.
class FakeModel final : public EncoderModel {
  public:
    struct Shared {
        std::mutex mutex;
        std::condition_variable changed;
        int permits = 1 << 30;  ///< steps that may begin
        int begun = 0;
        std::vector<uint32_t> batches;  ///< sequences of each step
        std::optional<Error> error;     ///< of the next step

        void hold() {
            std::lock_guard lock(mutex);
            permits = 0;
        }
        void release() {
            {
                std::lock_guard lock(mutex);
                permits = 1 << 30;
            }
            changed.notify_all();
        }
        void wait_begun(int count) {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return begun >= count; });
        }
    };

    FakeModel(std::shared_ptr<Shared> shared, EncoderLimits limits) : shared_(std::move(shared)), limits_(limits) {}
    const EncoderLimits& limits() const override { return limits_; }
    Status encode(const gantry_encode_batch_t& batch) override {
        std::unique_lock lock(shared_->mutex);
        ++shared_->begun;
        shared_->changed.notify_all();
        shared_->changed.wait(lock, [&] { return shared_->permits > 0; });
        --shared_->permits;
        shared_->batches.push_back(batch.sequence_count);
        if (auto error = std::exchange(shared_->error, std::nullopt)) {
            return *error;
        }
        for (uint32_t s = 0; s < batch.sequence_count; ++s) {
            float sum = 0;
            for (uint32_t t = batch.token_begin[s]; t < batch.token_begin[s + 1]; ++t) {
                sum += static_cast<float>(batch.token_ids[t]);
            }
            batch.out[s * batch.out_width] = sum;
            if (batch.out_width > 1) {
                batch.out[s * batch.out_width + 1] =
                    static_cast<float>(batch.token_begin[s + 1] - batch.token_begin[s]);
            }
        }
        return ok();
    }

  private:
    std::shared_ptr<Shared> shared_;
    EncoderLimits limits_;
};

class EncoderEngineTest : public ::testing::Test {
  protected:
    EncoderEngine& engine() {
        if (!engine_) {
            engine_ = std::make_unique<EncoderEngine>(std::make_unique<FakeModel>(shared_, limits_), options_);
        }
        return *engine_;
    }
    static EncodeWork work(std::string id, std::vector<std::vector<int32_t>> inputs) {
        EncodeWork out;
        out.id = std::move(id);
        for (auto& ids : inputs) {
            out.inputs.push_back({std::move(ids), {}});
        }
        return out;
    }
    std::future<Result<EncodedRows>> submit(EncodeWork what) {
        const auto promise = std::make_shared<std::promise<Result<EncodedRows>>>();
        auto future = promise->get_future();
        const Status taken = engine().submit(
            std::move(what), [promise](Result<EncodedRows> rows) { promise->set_value(std::move(rows)); });
        EXPECT_TRUE(taken) << taken.error().text();
        return future;
    }
    Error refused(EncodeWork what) {
        const Status taken = engine().submit(std::move(what), [](Result<EncodedRows>) { ADD_FAILURE(); });
        EXPECT_FALSE(taken);
        return taken ? Error() : taken.error();
    }

    std::shared_ptr<FakeModel::Shared> shared_ = std::make_shared<FakeModel::Shared>();
    EncoderLimits limits_{100, 16, 64, 32, 2, 0};
    EncoderOptions options_;
    std::unique_ptr<EncoderEngine> engine_;
};

TEST_F(EncoderEngineTest, RowsComeInTheOrderOfTheInputsWhateverTheirLength) {
    const auto rows = submit(work("a", {{1}, {2, 3, 4}, {5, 6}})).get();
    ASSERT_TRUE(rows) << rows.error().text();
    EXPECT_EQ(rows->width, 2U);
    EXPECT_EQ(rows->values, (std::vector<float>{1, 1, 9, 3, 11, 2}));
}

TEST_F(EncoderEngineTest, WhatHasComeDuringAStepIsComputedTogether) {
    shared_->hold();
    auto first = submit(work("first", {{1}}));
    shared_->wait_begun(1);
    std::vector<std::future<Result<EncodedRows>>> rest;
    for (int i = 0; i < 20; ++i) {
        rest.push_back(submit(work("r" + std::to_string(i), {{i, i}})));
    }
    shared_->release();
    EXPECT_TRUE(first.get());
    for (int i = 0; i < 20; ++i) {
        const auto rows = rest[static_cast<size_t>(i)].get();
        ASSERT_TRUE(rows);
        EXPECT_EQ(rows->values.front(), static_cast<float>(2 * i));
    }
    EXPECT_EQ(shared_->batches, (std::vector<uint32_t>{1, 20}));
    const EncoderStats stats = engine().stats();
    EXPECT_EQ(stats.steps, 2U);
    EXPECT_EQ(stats.inputs, 21U);
    EXPECT_EQ(stats.prompt_tokens, 41U);
    EXPECT_EQ(stats.finished, 21U);
    EXPECT_EQ(stats.waiting + stats.running, 0U);
}

TEST_F(EncoderEngineTest, RefusesWhatCannotBeComputed) {
    struct Row {
        EncodeWork work;
        Code code;
        const char* message;
    };
    EncodeWork scores = work("s", {{1}});
    scores.pooling = GANTRY_POOLING_SCORES;
    const Row rows[] = {
        {work("none", {}), Code::kInvalidArgument, "no input"},
        {work("empty", {{1}, {}}), Code::kInvalidArgument, "input 1 has no tokens"},
        {work("long", {std::vector<int32_t>(17, 1)}), Code::kInvalidArgument,
         "17 tokens, but the model takes at most 16"},
        {work("unknown", {{100}}), Code::kInvalidArgument, "the token 100"},
        {scores, Code::kInvalidArgument, "no scores"},
    };
    for (const Row& row : rows) {
        const Error error = refused(row.work);
        EXPECT_EQ(error.code, row.code) << row.message;
        EXPECT_THAT(error.message, HasSubstr(row.message));
    }
}

TEST_F(EncoderEngineTest, AFullQueueRefusesAndSaysWhenToComeBack) {
    options_.queue_limit = 2;
    shared_->hold();
    auto running = submit(work("running", {{1}}));
    shared_->wait_begun(1);
    auto a = submit(work("a", {{1}}));
    auto b = submit(work("b", {{1}}));
    const Error error = refused(work("c", {{1}}));
    EXPECT_EQ(error.code, Code::kResourceExhausted);
    EXPECT_THAT(error.hint, HasSubstr("try again in"));
    EXPECT_EQ(refused(work("a", {{1}})).code, Code::kResourceExhausted);
    shared_->release();
    EXPECT_TRUE(running.get() && a.get() && b.get());
}

TEST_F(EncoderEngineTest, CancelledInputsAreNotComputed) {
    shared_->hold();
    auto running = submit(work("running", {{1}}));
    shared_->wait_begun(1);
    auto gone = submit(work("gone", {{1}, {2}}));
    auto stays = submit(work("stays", {{3}}));
    EXPECT_TRUE(engine().cancel("gone"));
    EXPECT_FALSE(engine().cancel("never"));
    shared_->release();
    const auto ended = gone.get();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Code::kCancelled);
    EXPECT_TRUE(stays.get());
    EXPECT_TRUE(running.get());
    EXPECT_EQ(shared_->batches, (std::vector<uint32_t>{1, 1}));
    EXPECT_EQ(engine().stats().cancelled, 1U);
}

TEST_F(EncoderEngineTest, ADeadlineThatPassesInTheQueueEndsTheRequest) {
    shared_->hold();
    auto running = submit(work("running", {{1}}));
    shared_->wait_begun(1);
    EncodeWork late = work("late", {{1}});
    late.deadline_ms = 1;
    auto ended = submit(std::move(late));
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    shared_->release();
    const auto result = ended.get();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::kDeadlineExceeded);
    EXPECT_TRUE(running.get());
    EXPECT_EQ(engine().stats().expired, 1U);
}

TEST_F(EncoderEngineTest, AStepThatFailsEndsItsRequestsAndNoOthers) {
    shared_->error = Error{Code::kOutOfMemory, "no scratch"};
    const auto failed = submit(work("a", {{1}})).get();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::kOutOfMemory);
    EXPECT_TRUE(submit(work("b", {{1}})).get());
}

TEST_F(EncoderEngineTest, ABrokenModelEndsEverythingAndSaysSoOnce) {
    std::atomic<int> told = 0;
    options_.on_broken = [&](const Error&) { ++told; };
    shared_->error = Error{Code::kInternal, "lost the device"};
    const auto failed = submit(work("a", {{1}})).get();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::kInternal);
    const Error later = refused(work("b", {{1}}));
    EXPECT_EQ(later.code, Code::kUnavailable);
    engine_.reset();
    EXPECT_EQ(told, 1);
}

TEST_F(EncoderEngineTest, StoppingAnswersEverybody) {
    shared_->hold();
    auto running = submit(work("running", {{1}}));
    shared_->wait_begun(1);
    auto waiting = submit(work("waiting", {{1}}));
    std::thread release([&] { shared_->release(); });
    engine_.reset();
    release.join();
    (void)running.get();
    const auto ended = waiting.get();
    EXPECT_TRUE(ended || ended.error().code == Code::kUnavailable);
}

}  // namespace
}  // namespace gantry::encoder
