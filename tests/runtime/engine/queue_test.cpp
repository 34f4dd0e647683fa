// Deadlines and places in the queue, on a clock that the test moves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using testing::FakeModel;
using ::testing::HasSubstr;
using testing::Transcript;

/// One place, so that everybody else waits.
struct Bench {
    Bench() {
        ModelLimits limits = testing::small_limits();
        limits.max_sequences = 1;
        core = std::make_unique<EngineCore>(std::make_unique<FakeModel>(limits), testing::small_tokenizer(),
                                            EngineOptions{});
    }
    void add(const std::string& id, uint32_t tokens, std::optional<uint32_t> deadline_ms = {}, bool report = false) {
        EngineRequest r;
        r.id = id;
        r.prompt = {1, 2, 3};
        r.params.max_tokens = tokens;
        r.params.ignore_eos = true;
        r.params.deadline_ms = deadline_ms;
        r.params.report_queue = report;
        core->add(
            r, [this, id](std::vector<Event> events) { got[id].take(events); }, now);
    }
    void step(milliseconds passes = milliseconds(250)) {
        core->step(now);
        now += passes;
    }
    std::vector<uint64_t> places(const std::string& id) {
        std::vector<uint64_t> out;
        for (const Queued& place : got[id].places) {
            out.push_back(place.position);
        }
        return out;
    }

    EngineCore::Clock::time_point now{};
    std::map<std::string, Transcript> got;
    std::unique_ptr<EngineCore> core;
};

TEST(Deadline, EndsARequestThatIsBeingAnswered) {
    Bench b;
    b.add("a", 100, 1000);
    for (int i = 0; i < 4; ++i) {
        b.step();
        EXPECT_FALSE(b.got["a"].ended());
    }
    b.step();
    ASSERT_TRUE(b.got["a"].error);
    EXPECT_EQ(b.got["a"].error->code, Code::kDeadlineExceeded);
    EXPECT_EQ(b.got["a"].error->message, "the deadline of 1000 ms has passed; the answer had 4 tokens by then");
    EXPECT_EQ(b.core->stats().expired, 1u);
    EXPECT_EQ(b.core->stats().running, 0u);
    EXPECT_EQ(b.core->audit(), "");
}

TEST(Deadline, EndsARequestThatWaits) {
    Bench b;
    b.add("running", 100);
    b.add("waiting", 5, 400);
    b.step();
    b.step();
    EXPECT_FALSE(b.got["waiting"].ended());
    b.step();
    ASSERT_TRUE(b.got["waiting"].error);
    EXPECT_THAT(b.got["waiting"].error->message, HasSubstr("had 0 tokens"));
    EXPECT_FALSE(b.got["running"].ended());
}

TEST(Deadline, DoesNotMatterToARequestThatIsDoneInTime) {
    Bench b;
    b.add("a", 2, 1000);
    for (int i = 0; i < 8; ++i) {
        b.step();
    }
    EXPECT_TRUE(b.got["a"].usage);
    EXPECT_EQ(b.core->stats().expired, 0u);
}

TEST(QueueReport, TellsThePlaceWheneverItChanges) {
    Bench b;
    b.add("running", 2);
    b.add("first", 2);
    b.add("second", 2);
    b.add("asks", 1, {}, true);
    for (int i = 0; i < 10; ++i) {
        b.step();
    }
    EXPECT_TRUE(b.got["asks"].usage);
    EXPECT_THAT(b.places("asks"), ElementsAre(3, 2, 1));
    EXPECT_THAT(b.places("first"), ElementsAre());
    EXPECT_EQ(b.got["asks"].complaint, "");
}

TEST(QueueReport, IsNotRepeatedMoreOftenThanPeopleCanRead) {
    Bench b;
    b.add("running", 2);
    b.add("first", 2);
    b.add("second", 2);
    b.add("asks", 1, {}, true);
    for (int i = 0; i < 10; ++i) {
        b.step(milliseconds(1));
    }
    EXPECT_THAT(b.places("asks"), ElementsAre(3));
}

}  // namespace
}  // namespace gantry::engine
