#include "runtime/fleet/placement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fleet/memory_ledger.hpp"

namespace gantry::fleet {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kGiB = uint64_t{1} << 30;

PluginReport able(const std::string& id, int32_t score, uint64_t weights) {
    PluginReport plugin;
    plugin.id = id;
    plugin.devices = {{0, "cpu", "a CPU", "", 8 * kGiB, 8 * kGiB, true}};
    plugin.assessment = plugins::Assessment{score, weights, 0, 1024, 0, 0, 16, 4096};
    return plugin;
}

PlacementWish wish(const std::string& engine = {}) { return {engine, {}, 16, 4 * kGiB, "4.0 GiB in all"}; }

TEST(Placement, TakesTheHighestScore) {
    const ProbeReport report{{able("reference", 0, kGiB), able("cpu", 50, kGiB), able("null", -1, 0)}, {}, {}};
    EXPECT_EQ(place(report, wish())->engine, "cpu");
    EXPECT_EQ(place(report, wish("auto"))->engine, "cpu");
    EXPECT_EQ(place(report, wish("null"))->engine, "null");
}

TEST(Placement, NeverChoosesANegativeScoreByItself) {
    const ProbeReport report{{able("null", -1, 0)}, {}, {}};
    EXPECT_FALSE(place(report, wish()));
    EXPECT_TRUE(place(report, wish("null")));
}

TEST(Placement, GoesOnToTheNextWhereTheBestDoesNotFit) {
    const ProbeReport report{{able("cpu", 50, 9 * kGiB), able("lean", 10, kGiB)}, {}, {}};
    EXPECT_EQ(place(report, wish())->engine, "lean");
    const auto named = place(report, wish("cpu"));
    ASSERT_FALSE(named);
    EXPECT_EQ(named.error().code, Code::kOutOfMemory);
    EXPECT_THAT(named.error().message, HasSubstr("weights 9.0 GiB"));
}

TEST(Placement, SaysWhyNoneCan) {
    ProbeReport report{{able("cpu", 50, kGiB), able("cuda", 90, kGiB), able("old", 1, kGiB)}, {}, {}};
    report.plugins[0].assessment.reset();
    report.plugins[0].cannot = Error{Code::kUnimplemented, "architecture 'mammoth' is unknown"};
    report.plugins[1].devices.clear();
    report.plugins[1].why = "no driver";
    report.plugins[2].error = Error{Code::kFailedPrecondition, "too old"};
    const auto none = place(report, wish());
    ASSERT_FALSE(none);
    for (const char* part : {"cpu: architecture 'mammoth' is unknown", "cuda: no driver", "old: too old"}) {
        EXPECT_THAT(none.error().message, HasSubstr(part));
    }
    const auto named = place(report, wish("cuda"));
    ASSERT_FALSE(named);
    EXPECT_EQ(named.error().code, Code::kFailedPrecondition);
    EXPECT_EQ(named.error().message, "engine 'cuda' cannot run this model: no driver");
    const auto unknown = place(report, wish("tpu"));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::kInvalidArgument);
    EXPECT_THAT(unknown.error().hint, HasSubstr("cpu, cuda, old"));
}

TEST(Placement, CountsADevicesOwnMemory) {
    PluginReport gpu = able("cuda", 90, 6 * kGiB);
    gpu.devices[0].unified = false;
    const auto placed = place({{gpu}, {}, {}}, wish());
    ASSERT_TRUE(placed) << placed.error().text();
    EXPECT_LT(placed->host_bytes, kGiB);
    EXPECT_GE(placed->device_bytes, 6 * kGiB);
    gpu.devices[0].memory_free = kGiB;
    EXPECT_EQ(place({{gpu}, {}, {}}, wish()).error().code, Code::kOutOfMemory);
}

TEST(Placement, PassesOnWhyTheModelCannotBeRead) {
    ProbeReport report{{able("cpu", 50, kGiB)}, {}, Error{Code::kDataLoss, "cut short at offset 12"}};
    EXPECT_EQ(place(report, wish()).error().message, "cut short at offset 12");
}

TEST(MemoryLedger, AddsUp) {
    MemoryLedger ledger(4 * kGiB);
    EXPECT_TRUE(ledger.reserve("a", 2 * kGiB));
    EXPECT_TRUE(ledger.reserve("b", kGiB));
    EXPECT_EQ(ledger.reserved(), 3 * kGiB);
    EXPECT_EQ(ledger.free(), kGiB);
    const auto refused = ledger.reserve("c", 2 * kGiB);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kOutOfMemory);
    EXPECT_THAT(refused.error().message,
                HasSubstr("4.0 GiB in all, of which 3.0 GiB are reserved: 'a' 2.0 GiB, 'b' 1.0 GiB"));
    EXPECT_TRUE(ledger.reserve("a", 3 * kGiB));  // replaces
    ledger.release("a");
    ledger.release("unknown");
    EXPECT_EQ(ledger.free(), 3 * kGiB);
}

}  // namespace
}  // namespace gantry::fleet
