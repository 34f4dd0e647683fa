#include "runtime/fleet/uid.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace gantry::fleet {
namespace {

TEST(Uid, FollowsTheRules) {
    for (const std::string& uid : std::vector<std::string>{"a", "qwen2.5-0.5b-instruct", "A_b:c", "7b", "x-rep",
                                                           "x-rep1b", "rep1", std::string(100, 'x')}) {
        EXPECT_TRUE(check_uid(uid)) << uid;
    }
    for (const std::string& uid :
         std::vector<std::string>{"", std::string(101, 'x'), "-a", ".hidden", "a b", "a/b", "a?b", "ä", "model-rep0",
                                  "x-rep12", "prompts", "instances"}) {
        const auto status = check_uid(uid);
        ASSERT_FALSE(status) << uid;
        EXPECT_EQ(status.error().code, Code::kInvalidArgument);
    }
}

TEST(Uid, IsMadeOfTheModelsName) {
    std::set<std::string> taken;
    const auto make = [&](std::string_view name) {
        std::string uid = make_uid(name, [&](const std::string& u) { return taken.contains(u); });
        taken.insert(uid);
        EXPECT_TRUE(check_uid(uid)) << uid;
        return uid;
    };
    EXPECT_EQ(make("qwen3"), "qwen3");
    for (int i = 0; i < 100; ++i) {
        EXPECT_THAT(make("qwen3"), ::testing::MatchesRegex("qwen3-[0-9A-Za-z]{8}"));
    }
    EXPECT_EQ(make("My Model (final)"), "My-Model--final-");
    EXPECT_EQ(make(""), "model");
    EXPECT_THAT(make("..."), ::testing::MatchesRegex("model-[0-9A-Za-z]{8}"));
    EXPECT_EQ(make("x-rep3"), "x-rep3-model");
    EXPECT_EQ(make("prompts"), "prompts-model");
    EXPECT_LE(make(std::string(300, 'y')).size(), 100u);
}

}  // namespace
}  // namespace gantry::fleet
