#include "runtime/engine/fair_share.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/engine/admission_queue.hpp"
#include "runtime/engine/deadlines.hpp"
#include "runtime/engine/load_estimate.hpp"

namespace gantry::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

TEST(FairShare, DividesWhatIsChargedByTheWeight) {
    FairShare shares({{"big", 4.0}});
    const auto big = shares.enter("big"), small = shares.enter("small");
    shares.charge(big, 100);
    shares.charge(small, 100);
    EXPECT_EQ(shares.counter(big), 25);
    EXPECT_EQ(shares.counter(small), 100);
}

TEST(FairShare, RemembersWhatAKeyHasHadWhileItIsAway) {
    FairShare shares;
    const auto key = shares.enter("a");
    shares.charge(key, 7);
    shares.leave(key);
    EXPECT_EQ(shares.counter(shares.enter("a")), 7);
}

TEST(FairShare, ForgetsIdleKeysWhenThereAreTooMany) {
    FairShare shares;
    const auto used = shares.enter("used");
    for (int i = 0; i < 100'000; ++i) {
        const auto key = shares.enter(std::to_string(i));
        shares.charge(key, i % 2);
        shares.leave(key);
    }
    EXPECT_LT(shares.known(), 10'000u);
    EXPECT_EQ(shares.enter("used"), used);
}

struct Line {
    explicit Line(Duration ageing = {}) : queue(ageing, shares), ageing_(ageing) {}
    AdmissionQueue::Entry add(SequenceId id, std::string_view key, int32_t priority = 0, TimePoint arrival = {}) {
        const AdmissionQueue::Entry entry{Rank::of(id, priority, arrival, ageing_), shares.enter(key), arrival};
        queue.push(entry);
        entries[id] = entry;
        return entry;
    }
    SequenceId take(double cost, TimePoint now = {}) {
        const SequenceId id = queue.next(now);
        queue.erase(entries.at(id));
        shares.charge(entries.at(id).key, cost);
        return id;
    }

    FairShare shares;
    AdmissionQueue queue;
    std::map<SequenceId, AdmissionQueue::Entry> entries;

  private:
    Duration ageing_;
};

TEST(AdmissionQueue, TakesKeysInTurnsHoweverManyRequestsOneHas) {
    Line line;
    for (SequenceId id = 1; id <= 4; ++id) {
        line.add(id, "greedy");
    }
    line.add(5, "modest");
    line.add(6, "modest");
    std::vector<SequenceId> order;
    while (!line.queue.empty()) {
        order.push_back(line.take(10));
    }
    EXPECT_THAT(order, ElementsAre(1, 5, 2, 6, 3, 4));
}

TEST(AdmissionQueue, GivesAWeightedKeyItsMultiple) {
    Line line;
    line.shares = FairShare({{"paying", 3.0}});
    for (SequenceId id = 1; id <= 40; ++id) {
        line.add(id, id <= 20 ? "free" : "paying");
    }
    int paying = 0;
    for (int i = 0; i < 20; ++i) {
        paying += line.take(10) > 20;
    }
    EXPECT_EQ(paying, 15);
}

TEST(AdmissionQueue, GivesNoCreditForTimeSpentIdle) {
    Line line;
    line.add(1, "late");
    line.take(1);
    for (SequenceId id = 2; id <= 30; ++id) {
        line.add(id, "busy");
    }
    for (int i = 0; i < 20; ++i) {
        line.take(100);
    }
    for (SequenceId id = 40; id <= 43; ++id) {
        line.add(id, "late");
    }
    std::vector<SequenceId> order;
    for (int i = 0; i < 4; ++i) {
        order.push_back(line.take(100));
    }
    EXPECT_THAT(order, ElementsAre(22, 40, 23, 41));
}

TEST(AdmissionQueue, LetsWaitingMakeUpForALowerPriority) {
    Line line(seconds(10));
    const TimePoint start{};
    line.add(1, "a", 0, start);
    line.add(2, "b", 2, start + seconds(15));
    line.add(3, "c", 2, start + seconds(25));
    EXPECT_EQ(line.take(5, start + seconds(16)), 2u);     // levels 1 and 2
    EXPECT_EQ(line.queue.next(start + seconds(26)), 1u);  // both 2, equal shares: aged 2.6 and 2.1
}

TEST(AdmissionQueue, DoesNotLetAgeBeatTheFairShareAmongEquals) {
    Line line(seconds(1));
    const TimePoint start{};
    for (SequenceId id = 1; id <= 5; ++id) {
        line.add(id, "hoarder", 0, start);
    }
    line.take(100, start);
    line.add(9, "newcomer", 0, start + seconds(60));
    EXPECT_EQ(line.queue.next(start + seconds(60)), 2u);  // lifted to the hoarder's counter: the older
    line.take(100, start + seconds(60));
    EXPECT_EQ(line.queue.next(start + seconds(60)), 9u);
}

TEST(AdmissionQueue, CountsThoseAhead) {
    Line line;
    for (SequenceId id = 1; id <= 5; ++id) {
        line.add(id, "a");
    }
    line.add(6, "b");
    line.add(7, "c", 1);
    EXPECT_EQ(line.queue.ahead(line.entries[7], {}), 0u);
    EXPECT_EQ(line.queue.ahead(line.entries[1], {}), 1u);
    EXPECT_EQ(line.queue.ahead(line.entries[6], {}), 1u);
    EXPECT_EQ(line.queue.ahead(line.entries[5], {}), 6u);
}

TEST(LoadEstimate, SaysNothingBeforeItHasMeasured) {
    LoadEstimate load;
    EXPECT_FALSE(load.first_token_seconds(0, 10));
    load.add({0.5, 100, true, 4, true});  // the first of a queue: not its pace
    EXPECT_FALSE(load.seconds_per_admission());
    EXPECT_NEAR(*load.first_token_seconds(0, 10), 0.05, 1e-9);
    EXPECT_FALSE(load.first_token_seconds(3, 10));
}

TEST(LoadEstimate, MeasuresHowFastAQueueMoves) {
    LoadEstimate load;
    for (int i = 0; i < 200; ++i) {
        load.add({0.5, 100, true, i % 4 == 0 ? 1u : 0u, true});
    }
    EXPECT_NEAR(*load.seconds_per_admission(), 2, 0.1);
    EXPECT_NEAR(*load.first_token_seconds(5, 100), 10.5, 0.5);
}

TEST(Deadlines, RefusesWhatCannotBeMetAndOnlyThat) {
    LoadEstimate load;
    EXPECT_FALSE(hopeless(milliseconds(1), load, 100, 1'000'000));
    for (int i = 0; i < 100; ++i) {
        load.add({1, 100, true, 1, true});
    }
    EXPECT_FALSE(hopeless(seconds(12), load, 10, 100));
    const auto error = hopeless(seconds(5), load, 10, 100);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Code::kDeadlineExceeded);
    EXPECT_THAT(error->message, ::testing::HasSubstr("10 requests are ahead"));
    EXPECT_THAT(error->hint, ::testing::StartsWith("try again in 6 s"));
}

TEST(Deadlines, GivesOutEachExpiredOneOnce) {
    Deadlines deadlines;
    const TimePoint start{};
    deadlines.add(1, start + seconds(3));
    deadlines.add(2, start + seconds(1));
    deadlines.add(3, start + seconds(1));
    deadlines.remove(3, start + seconds(1));
    EXPECT_THAT(deadlines.expired(start), ElementsAre());
    EXPECT_THAT(deadlines.expired(start + seconds(3)), ElementsAre(2, 1));
    EXPECT_THAT(deadlines.expired(start + seconds(9)), ElementsAre());
}

}  // namespace
}  // namespace gantry::engine
