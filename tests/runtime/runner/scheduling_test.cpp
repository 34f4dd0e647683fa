#include "runtime/runner/scheduling.hpp"

#include <gtest/gtest.h>

namespace gantry::runner {
namespace {

TEST(SchedulingOptions, AreReadFromTheirTexts) {
    engine::EngineOptions options;
    ASSERT_TRUE(apply_scheduling({{"queue_limit", "7"},
                                  {"priority_ageing_s", "0"},
                                  {"share_weights", "ann=2.5,team=b=0.5"},
                                  {"swap_mib", "64"},
                                  {"cache_host_mib", "3"},
                                  {"prefix_cache", "false"}},
                                 options));
    EXPECT_EQ(options.queue_limit, 7u);
    EXPECT_EQ(options.priority_ageing.count(), 0);
    EXPECT_EQ(options.share_weights, (engine::FairShare::Weights{{"ann", 2.5}, {"team=b", 0.5}}));
    EXPECT_EQ(options.swap_bytes, uint64_t{64} << 20);
    EXPECT_EQ(options.cache_host_bytes, uint64_t{3} << 20);
    EXPECT_FALSE(options.prefix_cache);
}

TEST(SchedulingOptions, AreRefusedByName) {
    struct Row {
        const char *name, *text;
    };
    for (const Row& row : {Row{"queue_limit", "0"}, Row{"queue_limit", "many"}, Row{"priority_ageing_s", "-1"},
                           Row{"share_weights", "ann"}, Row{"share_weights", "ann=0"}, Row{"share_weights", "ann=x"},
                           Row{"share_weights", "ann=1,,b=2"}, Row{"swap_mib", "1.5"}, Row{"prefix_cache", "yes"},
                           Row{"colour", "red"}}) {
        engine::EngineOptions options;
        const Status status = apply_scheduling({{row.name, row.text}}, options);
        ASSERT_FALSE(status) << row.name << " " << row.text;
        EXPECT_EQ(status.error().code, Code::kInvalidArgument);
        EXPECT_NE(status.error().message.find(std::string("scheduler.") + row.name), std::string::npos)
            << status.error().message;
    }
}

}  // namespace
}  // namespace gantry::runner
