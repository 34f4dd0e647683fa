// What holds for every order of requests: each input is computed once, in its request's order, within the budget, and
// nobody waits for ever.

#include "runtime/encoder/batcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace gantry::encoder {
namespace {

using namespace std::chrono_literals;
using engine::TimePoint;

constexpr TimePoint kStart{};

std::vector<std::pair<uint64_t, uint32_t>> in_order(std::vector<Slot> step) {
    std::vector<std::pair<uint64_t, uint32_t>> out;
    for (const Slot& slot : step) {
        out.emplace_back(slot.request, slot.input);
    }
    std::ranges::sort(out);
    return out;
}

TEST(Batcher, FillsAStepWithTheInputsOfManyRequestsLongestFirst) {
    Batcher batcher({100, 8}, 10s, {});
    for (uint64_t request = 1; request <= 4; ++request) {
        const uint32_t length = 10 * static_cast<uint32_t>(request);
        batcher.add(request, 0, std::vector<uint32_t>{length}, 0, "", kStart);
    }
    EXPECT_EQ(batcher.tokens(), 100U);
    const auto step = batcher.next(kStart);
    ASSERT_EQ(step.size(), 4U);
    EXPECT_EQ(step.front().tokens, 40U);
    EXPECT_EQ(step.back().tokens, 10U);
    EXPECT_TRUE(batcher.empty());
    EXPECT_EQ(batcher.tokens(), 0U);
}

TEST(Batcher, AnInputThatDoesNotFitIsNotPassedBySmallerOnes) {
    Batcher batcher({100, 8}, 10s, {});
    batcher.add(1, 0, std::vector<uint32_t>{60}, 0, "", kStart);
    batcher.add(2, 0, std::vector<uint32_t>{60}, 0, "", kStart);
    batcher.add(3, 0, std::vector<uint32_t>{1}, 0, "", kStart);
    EXPECT_EQ(in_order(batcher.next(kStart)), (std::vector<std::pair<uint64_t, uint32_t>>{{1, 0}}));
    EXPECT_EQ(in_order(batcher.next(kStart)), (std::vector<std::pair<uint64_t, uint32_t>>{{2, 0}, {3, 0}}));
}

TEST(Batcher, AStepHasOneKind) {
    Batcher batcher({100, 8}, 10s, {});
    batcher.add(1, 0, std::vector<uint32_t>{5}, 0, "", kStart);
    batcher.add(2, 5, std::vector<uint32_t>{5}, 0, "", kStart);
    EXPECT_EQ(batcher.next(kStart).size(), 1U);
    EXPECT_EQ(batcher.kind(), 0);
    EXPECT_EQ(batcher.next(kStart).size(), 1U);
    EXPECT_EQ(batcher.kind(), 5);
}

TEST(Batcher, AKeyWithMuchToDoLeavesRoomForOthers) {
    Batcher batcher({40, 4}, 10s, {});
    batcher.add(1, 0, std::vector<uint32_t>(1000, 10), 0, "bulk", kStart);
    (void)batcher.next(kStart);
    batcher.add(2, 0, std::vector<uint32_t>(4, 10), 0, "ann", kStart);
    std::map<uint64_t, int> seen;
    for (int step = 0; step < 3; ++step) {
        for (const Slot& slot : batcher.next(kStart)) {
            ++seen[slot.request];
        }
    }
    EXPECT_EQ(seen[2], 4);
}

TEST(Batcher, WhatIsCancelledNeverComes) {
    Batcher batcher({20, 4}, 10s, {});
    batcher.add(1, 0, std::vector<uint32_t>(5, 10), 0, "", kStart);
    batcher.add(2, 0, std::vector<uint32_t>(1, 10), 0, "", kStart);
    EXPECT_EQ(batcher.next(kStart).size(), 2U);
    batcher.cancel(1);
    batcher.cancel(1);
    batcher.cancel(77);
    EXPECT_EQ(batcher.tokens(), 10U);
    EXPECT_EQ(in_order(batcher.next(kStart)), (std::vector<std::pair<uint64_t, uint32_t>>{{2, 0}}));
    EXPECT_TRUE(batcher.next(kStart).empty());
}

TEST(BatcherProperty, EachInputOnceInOrderWithinTheBudget) {
    for (uint32_t seed = 1; seed <= 60; ++seed) {
        std::mt19937 random(seed);
        const auto up_to = [&](uint32_t most) { return static_cast<uint32_t>(1 + random() % most); };
        const BatchLimits limits{up_to(200), up_to(20)};
        Batcher batcher(limits, 1s, {{"b", 3.0}});
        TimePoint now = kStart;
        std::map<uint64_t, size_t> inputs;   // of living requests
        std::map<uint64_t, uint32_t> taken;  // next input that is due
        uint64_t last = 0;
        const auto take = [&] {
            const auto step = batcher.next(now);
            uint64_t tokens = 0;
            std::map<uint64_t, std::vector<uint32_t>> of_request;
            for (const Slot& slot : step) {
                tokens += slot.tokens;
                of_request[slot.request].push_back(slot.input);
            }
            EXPECT_LE(step.size(), limits.sequences);
            EXPECT_TRUE(tokens <= limits.tokens || step.size() == 1) << tokens;
            EXPECT_TRUE(std::ranges::is_sorted(step, std::ranges::greater{}, &Slot::tokens));
            for (auto& [request, list] : of_request) {
                std::ranges::sort(list);
                ASSERT_TRUE(inputs.contains(request)) << "a request that is over";
                for (const uint32_t input : list) {
                    EXPECT_EQ(input, taken[request]++);
                }
            }
        };
        for (int event = 0; event < 200; ++event) {
            now += std::chrono::milliseconds(random() % 50);
            const auto what = random() % 10;
            if (what < 4) {
                std::vector<uint32_t> lengths(up_to(12));
                std::ranges::generate(lengths, [&] { return up_to(limits.tokens); });
                const std::string key(1, static_cast<char>('a' + random() % 3));
                batcher.add(++last, 0, lengths, static_cast<int32_t>(random() % 3) - 1, key, now);
                inputs[last] = lengths.size();
                taken[last] = 0;
            } else if (what == 4 && last > 0) {
                const uint64_t victim = up_to(static_cast<uint32_t>(last));
                batcher.cancel(victim);
                inputs.erase(victim);
            } else {
                take();
            }
        }
        for (int i = 0; i < 3000 && !batcher.empty(); ++i) {
            take();
        }
        EXPECT_TRUE(batcher.empty());
        EXPECT_EQ(batcher.tokens(), 0U);
        for (const auto& [request, count] : inputs) {
            EXPECT_EQ(taken[request], count) << "request " << request << " of seed " << seed;
        }
    }
}

TEST(BatcherProperty, NobodyStarvesUnderAStreamOfOthers) {
    Batcher batcher({32, 4}, 1s, {});
    TimePoint now = kStart;
    batcher.add(1, 0, std::vector<uint32_t>{32}, -1000, "slow", now);
    uint64_t last = 1;
    bool done = false;
    for (int step = 0; step < 20'000 && !done; ++step) {
        now += 100ms;
        for (int i = 0; i < 3; ++i) {  // more than one step can take
            batcher.add(++last, 0, std::vector<uint32_t>{20}, 0, "fast", now);
        }
        for (const Slot& slot : batcher.next(now)) {
            done = done || slot.request == 1;
        }
    }
    EXPECT_TRUE(done);
}

}  // namespace
}  // namespace gantry::encoder
