#include <gtest/gtest.h>

#include "runtime/engine/draft_policy.hpp"

namespace gantry::engine {
namespace {

/// A machine whose steps take `base` and `slope` a token.
StepCost measured(double base, double slope) {
    StepCost cost;
    for (uint32_t tokens : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u}) {
        cost.observe(tokens, base + slope * tokens);
    }
    return cost;
}

uint32_t chosen(const StepCost& cost, double acceptance, uint32_t batch = 1, uint32_t limit = 8) {
    const std::vector<DraftCandidate> candidates(batch, {acceptance, limit});
    uint32_t sum = 0;
    for (uint32_t length : choose_lengths(candidates, batch, batch, 1000, cost, 0)) {
        sum += length;
    }
    return sum;
}

TEST(StepCost, InterpolatesWhatItHasSeen) {
    const StepCost cost = measured(10, 1);
    EXPECT_NEAR(cost.estimate(1), 11, 1e-9);
    EXPECT_NEAR(cost.estimate(6), 16, 1e-9);
    EXPECT_NEAR(cost.estimate(100), 110, 1e-9);
    EXPECT_GT(cost.estimate(400), cost.estimate(128));
}

TEST(StepCost, FollowsChangesButNotSingleOutliers) {
    StepCost cost;
    for (int i = 0; i < 50; ++i) {
        cost.observe(1, 1);
    }
    cost.observe(1, 1000);
    EXPECT_LT(cost.estimate(1), 1.5);
    for (int i = 0; i < 100; ++i) {
        cost.observe(1, 2);
    }
    EXPECT_NEAR(cost.estimate(1), 2, 0.01);
}

TEST(StepCost, NeverTakesALargerStepForCheaper) {
    StepCost cost;
    cost.observe(1, 5);
    cost.observe(4, 3);
    EXPECT_GE(cost.estimate(4), cost.estimate(1));
}

TEST(Acceptance, LearnsFromWhatWasVerified) {
    Acceptance acceptance;
    for (int i = 0; i < 40; ++i) {
        acceptance.observe(0, true);
    }
    EXPECT_LT(acceptance.rate(), 0.05);
    for (int i = 0; i < 10; ++i) {
        acceptance.observe(8, false);
    }
    EXPECT_GT(acceptance.rate(), 0.9);
}

TEST(ProbeTimer, AsksEverMoreRarelyWhileItDoesNotPay) {
    ProbeTimer timer;
    const auto wait = [&] {
        int steps = 1;
        while (!timer.due()) {
            ++steps;
        }
        return steps;
    };
    const int first = wait();
    timer.verified(false);
    EXPECT_EQ(wait(), 2 * first);
    for (int i = 0; i < 20; ++i) {
        timer.verified(false);
    }
    EXPECT_LE(wait(), 2048);
    timer.verified(true);
    EXPECT_EQ(wait(), first);
}

TEST(ChooseLengths, DraftsLongWhereTokensCostNothing) {
    EXPECT_EQ(chosen(measured(100, 0.01), 0.9), 8u);
    EXPECT_GT(chosen(measured(100, 0.01), 0.3), 0u);
}

TEST(ChooseLengths, DraftsNothingWhereGuessesAreWrongOrTokensDear) {
    EXPECT_EQ(chosen(measured(100, 1), 0.0), 0u);
    EXPECT_EQ(chosen(measured(0, 1), 0.9), 0u);
    EXPECT_EQ(chosen(measured(1, 1), 0.3), 0u);
}

TEST(ChooseLengths, DraftsLessForEachAsTheBatchBecomesBoundByArithmetic) {
    StepCost cost;  // flat up to 16 tokens, then proportional
    for (uint32_t tokens : {1u, 2u, 4u, 8u, 16u}) {
        cost.observe(tokens, 16);
    }
    for (uint32_t tokens : {24u, 32u, 64u, 128u}) {
        cost.observe(tokens, tokens);
    }
    EXPECT_EQ(chosen(cost, 0.7, 1), 8u);
    EXPECT_EQ(chosen(cost, 0.7, 16), 0u);
    const uint32_t four = chosen(cost, 0.7, 4);
    EXPECT_GT(four, 0u);
    EXPECT_LE(four, 12u);
}

TEST(ChooseLengths, GivesTheBudgetToThoseWhoseGuessesAreRight) {
    const std::vector<DraftCandidate> candidates{{0.2, 8}, {0.95, 8}, {0.6, 0}};
    const auto lengths = choose_lengths(candidates, 3, 3, 6, measured(100, 0.01), 0);
    EXPECT_EQ(lengths[2], 0u);
    EXPECT_GT(lengths[1], lengths[0]);
    EXPECT_LE(lengths[0] + lengths[1], 6u);
}

TEST(ChooseLengths, CountsWhatDraftingItselfTakes) {
    const std::vector<DraftCandidate> candidates{{0.5, 8}};
    EXPECT_EQ(choose_lengths(candidates, 1, 1, 8, measured(10, 0.1), 10)[0], 0u);
    EXPECT_GT(choose_lengths(candidates, 1, 1, 8, measured(10, 0.1), 0.1)[0], 0u);
}

}  // namespace
}  // namespace gantry::engine
