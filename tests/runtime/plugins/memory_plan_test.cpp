#include "runtime/plugins/memory_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gantry::plugins {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

/// 1 GiB of weights, 16 tokens a block, 1 MiB a block: 64 KiB a token.
Assessment assessment() { return {50, kGiB, 0, kMiB, 64 * kMiB, 0, 16, 32768}; }

TEST(MemoryPlan, GivesTheModelsContextWhereThereIsRoom) {
    const auto plan = plan_memory(assessment(), {{}, 1, 16 * kGiB, {}});
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->context, 32768u);
    EXPECT_FALSE(plan->context_reduced);
    EXPECT_EQ(plan->block_count, 2048u + 2);
    EXPECT_EQ(plan->total(), kGiB + 64 * kMiB + 32 * kMiB + 2050 * kMiB);
}

TEST(MemoryPlan, ShortensTheContextToHalfOfWhatIsLeft) {
    // 1120 MiB are fixed; of the 1000 MiB left half goes to one context.
    const auto plan = plan_memory(assessment(), {{}, 1, 2120 * kMiB, {}});
    ASSERT_TRUE(plan) << plan.error().text();
    EXPECT_TRUE(plan->context_reduced);
    EXPECT_EQ(plan->context, 500u * 16);
    EXPECT_LE(plan->total(), 2120 * kMiB);
}

TEST(MemoryPlan, KeepsRoomForSeveralConversations) {
    Assessment small = assessment();
    small.max_context = 4096;
    const auto one = plan_memory(small, {{}, 1, 64 * kGiB, {}});
    const auto many = plan_memory(small, {{}, 16, 64 * kGiB, {}});
    ASSERT_TRUE(one && many);
    EXPECT_EQ(one->block_count, 256u + 2);
    EXPECT_EQ(many->block_count, 16u * 128 + 2);
}

TEST(MemoryPlan, GivesOrRefusesAContextThatWasAskedFor) {
    const auto given = plan_memory(assessment(), {8000, 1, 2120 * kMiB, {}});
    ASSERT_TRUE(given);
    EXPECT_EQ(given->context, 8000u);
    const auto more_than_half = plan_memory(assessment(), {15000, 1, 2120 * kMiB, {}});
    ASSERT_TRUE(more_than_half) << more_than_half.error().text();
    const auto refused = plan_memory(assessment(), {16384, 1, 2120 * kMiB, {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kOutOfMemory);
    for (const uint32_t absurd : {0U, 40000U}) {
        EXPECT_EQ(plan_memory(assessment(), {absurd, 1, 99 * kGiB, {}}).error().code, Code::kInvalidArgument);
    }
}

TEST(MemoryPlan, RefusesWithTheWholeSum) {
    const auto plan = plan_memory(assessment(), {{}, 16, kGiB, "'other' holds 3.0 GiB of 4.0 GiB"});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, Code::kOutOfMemory);
    for (const char* part : {"weights 1.0 GiB", "KV cache", "256 tokens", "scratch 64 MiB", "process 32 MiB", " = ",
                             "only 1.0 GiB are free", "'other' holds 3.0 GiB of 4.0 GiB"}) {
        EXPECT_THAT(plan.error().message, HasSubstr(part));
    }
}

TEST(MemoryPlan, CountsTheMappedFile) {
    Assessment mapped = assessment();
    mapped.weights_bytes = 0, mapped.mapped_bytes = 5 * kGiB;
    EXPECT_FALSE(plan_memory(mapped, {1024, 1, 4 * kGiB, {}}));
}

TEST(BytesText, ReadsWell) {
    EXPECT_EQ(bytes_text(0), "0 B");
    EXPECT_EQ(bytes_text(1023), "1023 B");
    EXPECT_EQ(bytes_text(1536), "2 KiB");
    EXPECT_EQ(bytes_text(kMiB * 3 / 2), "1.5 MiB");
    EXPECT_EQ(bytes_text(512 * kMiB), "512 MiB");
    EXPECT_EQ(bytes_text(kGiB * 5 / 2), "2.5 GiB");
}

}  // namespace
}  // namespace gantry::plugins
