#include "runtime/engine/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace gantry::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<int32_t> prompt(size_t length, int32_t first = 100) {
    std::vector<int32_t> tokens(length);
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
}

struct Bench {
    Bench(uint32_t block_count, SchedulerLimits limits, bool cache = true)
        : blocks(block_count, 4, cache), scheduler(limits, blocks) {}

    /// Plans and commits a step and appends a token where one is due.
    StepPlan step() {
        StepPlan plan = scheduler.plan(now);
        scheduler.commit(plan);
        for (const StepItem& item : plan.items) {
            if (item.samples) {
                scheduler.append(item.id, static_cast<int32_t>(item.id) * 1000 + static_cast<int32_t>(item.context));
            }
        }
        return plan;
    }

    TimePoint now{};
    BlockManager blocks;
    Scheduler scheduler;
};

std::vector<std::pair<SequenceId, uint32_t>> shares(const StepPlan& plan) {
    std::vector<std::pair<SequenceId, uint32_t>> out;
    for (const StepItem& item : plan.items) {
        out.emplace_back(item.id, item.count);
    }
    return out;
}

using Share = std::pair<SequenceId, uint32_t>;

TEST(Scheduler, HasNothingToDoWithoutSequences) {
    Bench b(8, {8, 4});
    EXPECT_THAT(b.step().items, IsEmpty());
}

TEST(Scheduler, GivesBackBlocksThatNoTokenSees) {
    for (const bool cache : {false, true}) {
        SchedulerLimits limits{8, 4};
        limits.window = 9;
        Bench b(16, limits, cache);
        b.scheduler.add(1, 0, prompt(14));
        uint32_t most = 0;
        for (int i = 0; i < 40; ++i) {
            b.step();
            ASSERT_EQ(b.blocks.audit(true), "");
            if (i > 3) {
                most = std::max(most, b.blocks.counts().used);
            }
        }
        EXPECT_EQ(b.scheduler.at(1).table.size(), b.blocks.blocks_for(b.scheduler.at(1).computed));
        EXPECT_LE(most, 4u);  // nine tokens lie in four blocks at most
        b.scheduler.remove(1);
        EXPECT_EQ(b.blocks.counts().used, 0u);
        // A text's beginning is found as before.
        b.scheduler.add(2, 0, prompt(14));
        b.step();
        EXPECT_EQ(b.scheduler.at(2).cached, cache ? 13u : 0u);
    }
}

TEST(Scheduler, CutsALongPromptIntoChunksAndSamplesAfterTheLast) {
    Bench b(8, {6, 4});
    b.scheduler.add(1, 0, prompt(14));
    EXPECT_FALSE(b.step().items.at(0).samples);
    EXPECT_FALSE(b.step().items.at(0).samples);
    const StepPlan last = b.step();
    EXPECT_THAT(shares(last), ElementsAre(Share{1, 2}));
    EXPECT_EQ(last.items[0].context, 12u);
    EXPECT_TRUE(last.items[0].samples);
    EXPECT_THAT(shares(b.step()), ElementsAre(Share{1, 1}));
}

TEST(Scheduler, ServesDecodesBeforePrompts) {
    Bench b(32, {4, 4});
    b.scheduler.add(1, 0, prompt(3));
    b.step();
    b.scheduler.add(2, 5, prompt(20, 500));  // higher priority, but the decode keeps its token
    EXPECT_THAT(shares(b.step()), ElementsAre(Share{1, 1}, Share{2, 3}));
    EXPECT_THAT(shares(b.step()), ElementsAre(Share{2, 3}, Share{1, 1}));
}

TEST(Scheduler, AdmitsByPriorityThenInOrderOfArrival) {
    Bench b(64, {64, 8});
    b.scheduler.add(1, 0, prompt(4, 0));
    b.scheduler.add(2, 1, prompt(4, 50));
    b.scheduler.add(3, 0, prompt(4, 90));
    b.scheduler.add(4, 1, prompt(4, 150));
    EXPECT_THAT(b.step().admitted, ElementsAre(2, 4, 1, 3));
}

TEST(Scheduler, RunsNoMoreSequencesThanAllowed) {
    Bench b(64, {64, 2});
    for (SequenceId id = 1; id <= 3; ++id) {
        b.scheduler.add(id, 0, prompt(4, static_cast<int32_t>(id) * 50));
    }
    EXPECT_EQ(b.step().items.size(), 2u);
    b.scheduler.remove(1);
    EXPECT_THAT(b.step().admitted, ElementsAre(3));
}

TEST(Scheduler, AdmitsOnlyWhatHasAllItsBlocks) {
    Bench b(6, {64, 4}, false);
    b.scheduler.add(1, 0, prompt(16));     // 4 blocks
    b.scheduler.add(2, 0, prompt(8, 50));  // 2 blocks, but then no spare one for the first
    EXPECT_THAT(b.step().admitted, ElementsAre(1));
    b.scheduler.remove(1);
    EXPECT_THAT(b.step().admitted, ElementsAre(2));
}

TEST(Scheduler, NeverLetsASmallRequestOvertakeABigOne) {
    Bench b(6, {64, 4}, false);
    b.scheduler.add(1, 0, prompt(8));
    b.step();
    b.scheduler.add(2, 0, prompt(20, 50));
    b.scheduler.add(3, 0, prompt(2, 90));
    EXPECT_THAT(b.step().admitted, IsEmpty());
}

TEST(Scheduler, PreemptsTheLastInOrderWhenBlocksRunOut) {
    Bench b(5, {64, 4}, false);
    b.scheduler.add(1, 0, prompt(7));
    b.scheduler.add(2, 1, prompt(7, 50));
    b.step();
    b.step();  // both have 8 tokens in 2 blocks each
    b.scheduler.add(3, -1, prompt(1, 90));
    const StepPlan plan = b.step();  // 2 takes the fifth block, 1 finds none
    EXPECT_THAT(plan.preempted, ElementsAre(1));
    EXPECT_THAT(shares(plan), ElementsAre(Share{2, 1}));
    EXPECT_FALSE(b.scheduler.at(1).running);
    EXPECT_EQ(b.scheduler.at(1).computed, 0u);
    b.scheduler.remove(2);
    EXPECT_THAT(b.step().admitted, ElementsAre(1, 3));
}

TEST(Scheduler, MovesThePreemptedOutWhereThatIsCheaperThanComputingAgain) {
    for (const double block_cost : {0.5, 100.0}) {
        SchedulerLimits limits{64, 4};
        limits.swap_blocks = 2;
        Bench b(5, limits, false);
        b.scheduler.set_costs(1, block_cost);
        b.scheduler.add(1, 0, prompt(7));
        b.scheduler.add(2, 1, prompt(7, 50));
        b.step();
        b.step();  // both have 8 tokens in 2 blocks each
        const auto blocks = b.scheduler.at(1).table;
        const StepPlan plan = b.step();
        ASSERT_THAT(plan.preempted, ElementsAre(1));
        const bool cheap = block_cost < 1;
        ASSERT_EQ(plan.swap_outs.size(), cheap ? 1u : 0u);
        b.scheduler.remove(2);
        const StepPlan again = b.step();
        EXPECT_THAT(again.admitted, ElementsAre(1));
        if (cheap) {
            EXPECT_EQ(plan.swap_outs[0].blocks, blocks);
            ASSERT_EQ(again.swap_ins.size(), 1u);
            EXPECT_THAT(again.swap_ins[0].blocks, ElementsAre(b.scheduler.at(1).table[0], b.scheduler.at(1).table[1]));
            EXPECT_THAT(shares(again), ElementsAre(Share{1, 1}));
        } else {
            EXPECT_THAT(shares(again), ElementsAre(Share{1, 9}));
        }
    }
}

TEST(Scheduler, MovesOutNoMoreThanHostMemoryHolds) {
    SchedulerLimits limits{64, 4};
    limits.swap_blocks = 1;
    Bench b(5, limits, false);
    b.scheduler.set_costs(1, 0);
    b.scheduler.add(1, 0, prompt(7));
    b.scheduler.add(2, 1, prompt(7, 50));
    b.step();
    b.step();
    const StepPlan plan = b.step();
    EXPECT_THAT(plan.preempted, ElementsAre(1));
    EXPECT_TRUE(plan.swap_outs.empty());
}

TEST(Scheduler, ReusesACachedPrefixButComputesTheLastToken) {
    Bench b(16, {64, 4});
    b.scheduler.add(1, 0, prompt(8));
    b.step();
    b.scheduler.remove(1);
    b.scheduler.add(2, 0, prompt(8));
    b.scheduler.add(3, 0, prompt(10));
    const StepPlan plan = b.step();
    EXPECT_THAT(shares(plan), ElementsAre(Share{2, 1}, Share{3, 2}));
    EXPECT_EQ(b.scheduler.at(2).cached, 7u);  // of the second block a copy, whose last token is computed anew
    EXPECT_EQ(plan.copies.size(), 1u);
    EXPECT_EQ(b.scheduler.at(3).cached, 8u);
}

TEST(Scheduler, SaysWhyTheCacheGaveNoMore) {
    Bench b(16, {64, 4});
    const auto miss = [&](SequenceId id, std::vector<int32_t> tokens, std::string_view salt = {}) {
        b.scheduler.add(id, 0, std::move(tokens), {}, {}, {salt, false, true});
        b.step();
        const auto& s = b.scheduler.at(id);
        const auto out = std::pair(s.miss, s.cached);
        b.scheduler.remove(id);
        return out;
    };
    using Miss = std::pair<MissReason, uint32_t>;
    auto other = prompt(12);
    other[6] = 7;
    EXPECT_EQ(miss(1, prompt(12)), Miss(MissReason::kNew, 0));
    EXPECT_EQ(miss(2, prompt(12)), Miss(MissReason::kNone, 11));
    EXPECT_EQ(miss(3, other), Miss(MissReason::kDiffers, 6));
    EXPECT_EQ(miss(4, prompt(20)), Miss(MissReason::kNew, 12));
    EXPECT_EQ(miss(5, prompt(12), "salt"), Miss(MissReason::kNewSalt, 0));
    EXPECT_EQ(miss(6, prompt(12), "salt"), Miss(MissReason::kNone, 11));
    Bench off(16, {64, 4}, false);
    off.scheduler.add(1, 0, prompt(12), {}, {}, {{}, false, true});
    off.step();
    EXPECT_EQ(off.scheduler.at(1).miss, MissReason::kOff);
}

TEST(Scheduler, AForkSharesBlocksAndCopiesThePartialOneOnce) {
    Bench b(16, {64, 4});
    b.scheduler.add(16, 0, prompt(6));
    b.scheduler.commit(b.scheduler.plan(b.now));
    b.scheduler.fork(16, 17);
    b.scheduler.fork(16, 18);
    for (SequenceId id : {16u, 17u, 18u}) {
        b.scheduler.append(id, static_cast<int32_t>(id));
    }
    EXPECT_EQ(b.blocks.counts().used, 2u);
    const StepPlan plan = b.step();
    EXPECT_EQ(plan.items.size(), 3u);
    EXPECT_EQ(plan.copies.size(), 2u);  // the last owner writes in place
    EXPECT_EQ(b.blocks.counts().used, 4u);
    EXPECT_EQ(b.scheduler.at(16).table[0], b.scheduler.at(18).table[0]);
    EXPECT_NE(b.scheduler.at(16).table[1], b.scheduler.at(18).table[1]);
    EXPECT_THAT(b.step().copies, IsEmpty());
}

TEST(Scheduler, AForkWithoutAPlaceWaits) {
    Bench b(16, {64, 1});
    b.scheduler.add(16, 0, prompt(6));
    b.scheduler.commit(b.scheduler.plan(b.now));
    b.scheduler.fork(16, 17);
    EXPECT_FALSE(b.scheduler.at(17).running);
    b.scheduler.append(16, 1);
    b.scheduler.append(17, 2);
    b.scheduler.remove(16);
    EXPECT_THAT(b.step().admitted, ElementsAre(17));
}

// Random life: at every step the plan keeps to the budget, the first in order advances, blocks are conserved.
TEST(Scheduler, KeepsItsPromisesThroughRandomUse) {
    for (uint64_t seed = 0; seed < 500; ++seed) {
        std::mt19937_64 random(seed);
        const auto pick = [&](uint64_t low, uint64_t high) { return low + random() % (high - low + 1); };
        const auto block_count = static_cast<uint32_t>(pick(8, 40));
        const SchedulerLimits limits{static_cast<uint32_t>(pick(4, 40)), static_cast<uint32_t>(pick(1, 4))};
        Bench b(block_count, limits, seed % 2 == 0);
        std::map<SequenceId, size_t> goal;  // length at which it ends
        SequenceId next = 1;
        for (int step = 0; step < 300 && (step < 100 || !goal.empty()); ++step) {
            if (step < 100 && pick(0, 3) == 0) {
                const size_t length = pick(1, 16);
                b.scheduler.add(next, static_cast<int32_t>(pick(0, 2)),
                                prompt(length, static_cast<int32_t>(pick(0, 1))));
                goal[next++] = length + pick(1, 16);
            }
            const StepPlan plan = b.step();
            ASSERT_EQ(b.blocks.audit(), "");
            ASSERT_EQ(plan.items.empty(), goal.empty());
            uint32_t tokens = 0;
            for (const StepItem& item : plan.items) {
                tokens += item.count;
                const auto& s = b.scheduler.at(item.id);
                ASSERT_GE(s.table.size() * 4, size_t{item.context} + item.count);
            }
            ASSERT_LE(tokens, limits.step_tokens);
            ASSERT_LE(b.scheduler.running(), limits.max_running);
            ASSERT_EQ(b.scheduler.running() + b.scheduler.waiting(), goal.size());
            if (!plan.items.empty() && plan.admitted.empty()) {
                const auto first = std::ranges::min_element(goal, [&](const auto& x, const auto& y) {
                    const auto& s = b.scheduler.at(x.first);
                    const auto& t = b.scheduler.at(y.first);
                    return std::pair(!s.running, std::pair(-s.priority, s.id)) <
                           std::pair(!t.running, std::pair(-t.priority, t.id));
                });
                ASSERT_EQ(plan.items.front().id, first->first);
            }
            for (const StepItem& item : plan.items) {
                if (b.scheduler.at(item.id).tokens.size() >= goal[item.id] || pick(0, 40) == 0) {
                    b.scheduler.remove(item.id);
                    goal.erase(item.id);
                }
            }
        }
        ASSERT_TRUE(goal.empty()) << "seed " << seed;
        ASSERT_EQ(b.blocks.counts().used, 0u);
    }
}

}  // namespace
}  // namespace gantry::engine
