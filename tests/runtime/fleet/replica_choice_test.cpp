#include "runtime/fleet/replica_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <set>

#include "runtime/fleet/event_log.hpp"

namespace gantry::fleet {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ReplicaChoice, KeepsBeginningsTogetherWhileTheLoadAllows) {
    std::vector<ReplicaLoad> loads{{0, 0}, {1, 0}, {2, 0}};
    std::set<size_t> used;
    for (uint64_t key = 1; key < 100; ++key) {
        const size_t home = choose_replica(loads, key, key);
        EXPECT_EQ(choose_replica(loads, key, key + 7), home);
        used.insert(home);
        loads[home].in_use = 2;
        EXPECT_EQ(choose_replica(loads, key, 0), home) << "a little more work is no reason to leave a warm cache";
        loads[home].in_use = 3;
        EXPECT_NE(choose_replica(loads, key, 0), home);
        loads[home].in_use = 0;
    }
    EXPECT_EQ(used.size(), 3u);
}

TEST(ReplicaChoice, AReplicaThatGoesMovesOnlyItsOwnBeginnings) {
    const std::vector<ReplicaLoad> three{{0, 0}, {1, 0}, {2, 0}};
    const std::vector<ReplicaLoad> two{{0, 0}, {2, 0}};
    for (uint64_t key = 1; key < 100; ++key) {
        const int before = three[choose_replica(three, key, 0)].id;
        if (before != 1) {
            EXPECT_EQ(two[choose_replica(two, key, 0)].id, before);
        }
    }
}

TEST(ReplicaChoice, WithoutAKeyTheLeastBusyTakeTurns) {
    const std::vector<ReplicaLoad> loads{{0, 1}, {1, 0}, {2, 0}};
    EXPECT_EQ(choose_replica(loads, 0, 0), 1u);
    EXPECT_EQ(choose_replica(loads, 0, 1), 2u);
    EXPECT_EQ(choose_replica(loads, 0, 2), 1u);
}

TEST(ReplicaChoice, AKeyIsOfTheBeginning) {
    const auto key = [](std::string text, std::string salt = {}) {
        engine::GenerateRequest request;
        request.input = engine::TextInput{std::move(text)};
        request.cache_salt = std::move(salt);
        return prefix_key(request);
    };
    const std::string system(2000, 's');
    EXPECT_EQ(key(system + "one"), key(system + "two"));
    EXPECT_NE(key("one"), key("two"));
    EXPECT_NE(key("one", "salt"), key("one"));
    engine::GenerateRequest chat;
    engine::ChatInput messages;
    messages.messages = boost::json::parse(R"([{"role":"user","content":"x"}])").as_array();
    chat.input = std::move(messages);
    EXPECT_NE(prefix_key(chat), 0u);
}

TEST(Victims, OneThatSufficesBeforeSeveral) {
    const std::vector<EvictionCandidate> models{{"old", 10, 1}, {"middle", 50, 2}, {"new", 100, 3}};
    EXPECT_THAT(choose_victims(models, 5), ElementsAre("old"));
    EXPECT_THAT(choose_victims(models, 40), ElementsAre("middle"));
    EXPECT_THAT(choose_victims(models, 105), ElementsAre("old", "middle", "new"));
    EXPECT_THAT(choose_victims(models, 161), IsEmpty());
}

TEST(EventLog, KeepsTheLastAndNumbersAll) {
    boost::asio::io_context io;
    EventLog log(io.get_executor());
    EXPECT_EQ(log.after(0), nullptr);
    for (size_t i = 0; i < EventLog::kKept + 10; ++i) {
        log.add("state", {{"i", i}});
    }
    ASSERT_NE(log.after(0), nullptr);
    EXPECT_EQ(log.after(0)->number, 11u) << "the oldest that is kept";
    EXPECT_EQ(log.after(20)->number, 21u);
    EXPECT_EQ(log.after(log.last()), nullptr);
    EXPECT_EQ(log.after(log.last() + 100), nullptr);
    EXPECT_EQ(log.all().size(), EventLog::kKept);
}

}  // namespace
}  // namespace gantry::fleet
