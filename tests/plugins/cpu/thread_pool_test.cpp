#include "plugins/cpu/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>

namespace gantry::cpu {
namespace {

TEST(ThreadPoolTest, RunCallsEveryThreadOnce) {
    for (const uint32_t threads : {1U, 2U, 5U}) {
        ThreadPool pool(threads);
        ASSERT_EQ(pool.size(), threads);
        std::vector<int> calls(threads, 0);
        for (int round = 0; round < 300; ++round) pool.run([&](uint32_t thread) { ++calls[thread]; });
        EXPECT_EQ(calls, std::vector<int>(threads, 300));
    }
}

TEST(ThreadPoolTest, ForEachDoesEveryTaskOnce) {
    ThreadPool pool(3);
    for (const size_t count : {0U, 1U, 2U, 3U, 100U}) {
        std::vector<int> done(count, 0);
        pool.for_each(count, [&](size_t task, uint32_t thread) {
            ASSERT_LT(thread, 3U);
            ++done[task];
        });
        EXPECT_EQ(std::accumulate(done.begin(), done.end(), 0), static_cast<int>(count));
    }
}

TEST(ThreadPoolTest, WritesOfWorkersAreSeenAfterwards) {
    ThreadPool pool(4);
    std::vector<uint64_t> sums(4);
    for (uint64_t round = 0; round < 1000; ++round) {
        pool.run([&](uint32_t thread) { sums[thread] += round; });
    }
    for (const uint64_t sum : sums) EXPECT_EQ(sum, 999U * 1000U / 2);
}

TEST(ThreadPoolTest, WorkersThatSleptWakeUp) {
    ThreadPool pool(3);
    std::atomic<int> calls{0};
    for (int round = 0; round < 5; ++round) {
        pool.run([&](uint32_t) { ++calls; });
        // Longer than workers look for work: they are asleep when the next call comes. Correct either way.
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    EXPECT_EQ(calls.load(), 15);
}

TEST(ThreadPoolTest, ASlowWorkerIsWaitedFor) {
    ThreadPool pool(2);
    bool finished = false;
    pool.run([&](uint32_t thread) {
        if (thread == 0) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        finished = true;
    });
    EXPECT_TRUE(finished);
}

TEST(ThreadPoolTest, ExceptionsComeBackToTheCaller) {
    for (const uint32_t threads : {1U, 3U}) {
        ThreadPool pool(threads);
        EXPECT_THROW(pool.for_each(10,
                                   [](size_t task, uint32_t) {
                                       if (task == 7) throw std::runtime_error("seven");
                                   }),
                     std::runtime_error);
        int calls = 0;
        pool.for_each(1, [&](size_t, uint32_t) { ++calls; });
        EXPECT_EQ(calls, 1) << "usable afterwards";
    }
}

}  // namespace
}  // namespace gantry::cpu
