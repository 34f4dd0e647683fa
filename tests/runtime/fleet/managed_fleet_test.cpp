/// Managed models over processes that only exist on paper.

#include "runtime/fleet/managed_fleet.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <set>

#include "base/log.hpp"
#include "base/sqlite/database.hpp"
#include "runtime/fleet/event_log.hpp"
#include "tests/api/fake_fleet.hpp"

namespace gantry::fleet {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ManagedFleetTest : public ::testing::Test {
  protected:
    ManagedFleetTest() {
        log::setup(log::Level::kOff, log::Format::kText);
        start();
    }

    /// A server's beginning; what was there before ends without ceremony.
    void start(bool with_state = true) {
        fleet.reset();
        auto made = std::make_unique<test::FakeFleet>(io.get_executor());
        processes = made.get();
        fleet = make_managed_fleet(io.get_executor(), std::move(made), {with_state ? &database : nullptr, -1s});
        settle();
    }
    /// Runs what can run now.
    void settle() {
        io.restart();
        io.poll();
    }
    template <class T>
    T run(test::asio::awaitable<T> task) {
        std::optional<T> out;
        test::asio::co_spawn(
            io, [&]() -> test::asio::awaitable<void> { out = co_await std::move(task); },
            [](std::exception_ptr e) {
                if (e) {
                    std::rethrow_exception(e);
                }
            });
        io.restart();
        while (!out) {
            io.run_one();
        }
        settle();
        return std::move(*out);
    }
    static LaunchRequest request(std::string uid) {
        LaunchRequest r;
        r.model = "tiny";
        r.uid = std::move(uid);
        return r;
    }
    void launch(LaunchRequest r) { ASSERT_TRUE(run(fleet->launch(std::move(r)))); }
    std::vector<std::string> uids() const {
        std::vector<std::string> out;
        for (const ModelStatus& model : fleet->list()) {
            out.push_back(model.uid);
        }
        return out;
    }
    std::vector<std::string> running() const {
        std::vector<std::string> out;
        for (const ModelStatus& model : processes->list()) {
            out.push_back(model.uid);
        }
        return out;
    }
    State state(const std::string& uid) const { return fleet->describe(uid).value().state; }
    Status answer(const std::string& uid, std::string prompt = "x") {
        engine::GenerateRequest r;
        r.input = engine::TextInput{std::move(prompt)};
        auto stream = run(fleet->generate(uid, std::move(r)));
        return stream ? ok() : Status(stream.error());
    }
    std::vector<std::string> events() const {
        std::vector<std::string> out;
        for (const FleetEvent& event : fleet->events()->all()) {
            out.push_back(event.type);
        }
        return out;
    }

    test::asio::io_context io;
    sqlite::Database database = sqlite::Database::in_memory().value();
    test::FakeFleet* processes = nullptr;
    std::unique_ptr<Fleet> fleet;
};

TEST_F(ManagedFleetTest, WhatRanComesBackInItsOrderAndWhatWasStoppedDoesNot) {
    launch(request("b"));
    launch(request("a"));
    launch(request("gone"));
    ASSERT_TRUE(run(fleet->stop("gone")));
    start();
    EXPECT_THAT(running(), ElementsAre("b", "a"));
    EXPECT_EQ(state("a"), State::kReady);
    EXPECT_THAT(events(), ::testing::Contains("restored"));
    EXPECT_EQ(fleet->desired().size(), 2u);
}

TEST_F(ManagedFleetTest, TheServersOwnEndForgetsNothing) {
    launch(request("m"));
    bool done = false;
    test::asio::co_spawn(io, fleet->stop_all(), [&](const std::exception_ptr&) { done = true; });
    settle();
    ASSERT_TRUE(done);
    start();
    EXPECT_THAT(running(), ElementsAre("m"));
}

TEST_F(ManagedFleetTest, WithoutADatabaseNothingComesBack) {
    start(false);
    launch(request("m"));
    start(false);
    EXPECT_THAT(uids(), IsEmpty());
}

TEST_F(ManagedFleetTest, ALaunchThatIsRefusedLeavesNothing) {
    processes->launch_error = Error{Code::kInvalidArgument, "no such model"};
    EXPECT_EQ(run(fleet->launch(request("m"))).error().message, "no such model");
    EXPECT_THAT(uids(), IsEmpty());
    EXPECT_THAT(fleet->desired(), IsEmpty());
    processes->launch_error.reset();
    launch(request("m"));
    EXPECT_EQ(run(fleet->launch(request("m"))).error().code, Code::kAlreadyExists);
    EXPECT_EQ(run(fleet->launch(request("m-rep1"))).error().code, Code::kInvalidArgument);
    LaunchRequest unnamed = request("");
    EXPECT_EQ(run(fleet->launch(unnamed)).value(), "tiny");
    EXPECT_THAT(run(fleet->launch(unnamed)).value(), ::testing::MatchesRegex("tiny-[0-9A-Za-z]{8}"));
}

TEST_F(ManagedFleetTest, AFirstLoadThatFailsIsShownButNotRepeated) {
    processes->wait_error = Error{Code::kDataLoss, "the file is cut short"};
    launch(request("m"));
    EXPECT_EQ(state("m"), State::kFailed);
    EXPECT_EQ(fleet->describe("x").error().hint, "no models are launched");
    EXPECT_THAT(fleet->desired(), IsEmpty());
    processes->wait_error.reset();
    launch(request("m"));
    EXPECT_EQ(state("m"), State::kReady);
}

TEST_F(ManagedFleetTest, AModelThatCrashedTooOftenIsParkedAndStaysSo) {
    launch(request("m"));
    processes->models.front().error = Error{Code::kUnavailable, "it crashed 6 times"};
    ASSERT_TRUE(processes->set_state("m", State::kFailed));
    settle();
    EXPECT_TRUE(fleet->describe("m").value().parked);
    start();
    EXPECT_THAT(running(), IsEmpty());
    const ModelStatus parked = fleet->describe("m").value();
    EXPECT_EQ(parked.state, State::kFailed);
    EXPECT_TRUE(parked.parked);
    ASSERT_TRUE(parked.error);
    EXPECT_EQ(parked.error->message, "it crashed 6 times");
    launch(request("m"));
    start();
    EXPECT_THAT(running(), ElementsAre("m")) << "a new launch is a new beginning";
}

TEST_F(ManagedFleetTest, WhatDiesAsleepIsAsleepUntilItIsWoken) {
    for (const bool on_request : {false, true}) {
        LaunchRequest wanted = request("m");
        wanted.wake_on_request = on_request;
        launch(std::move(wanted));
        ASSERT_TRUE(run(fleet->sleep("m")));
        ASSERT_TRUE(processes->set_state("m", State::kFailed));
        settle();
        EXPECT_EQ(state("m"), State::kAsleep);
        EXPECT_FALSE(fleet->describe("m").value().parked);
        EXPECT_THAT(running(), IsEmpty());
        EXPECT_EQ(fleet->desired().size(), 1U);
        const Status answered = answer("m");
        EXPECT_EQ(answered.has_value(), on_request) << "it was launched so that requests wake it";
        if (!on_request) {
            EXPECT_EQ(answered.error().code, Code::kUnavailable);
            ASSERT_TRUE(run(fleet->wake("m")));
        }
        EXPECT_EQ(state("m"), State::kReady);
        EXPECT_TRUE(answer("m"));
        EXPECT_THAT(running(), ElementsAre("m"));
        ASSERT_TRUE(run(fleet->stop("m")));
    }
}

TEST_F(ManagedFleetTest, ARestoreThatFailsAgainAndAgainIsParked) {
    launch(request("m"));
    for (int i = 1; i <= 3; ++i) {
        fleet.reset();
        auto made = std::make_unique<test::FakeFleet>(io.get_executor());
        made->launch_error = Error{Code::kNotFound, "the file is gone"};
        processes = made.get();
        fleet = make_managed_fleet(io.get_executor(), std::move(made), {&database, -1s});
        settle();
        EXPECT_EQ(state("m"), State::kFailed);
        EXPECT_EQ(fleet->describe("m").value().parked, i == 3);
    }
    ASSERT_EQ(fleet->desired().size(), 1u) << "it is told of, not forgotten";
    EXPECT_EQ(fleet->desired().front().reason, "the file is gone");
}

TEST_F(ManagedFleetTest, IdleModelsAreStoppedUnlessPinned) {
    LaunchRequest idle = request("idle");
    idle.keep_alive = 0s;
    launch(idle);
    LaunchRequest pinned = request("pinned");
    pinned.keep_alive = 0s;
    pinned.pinned = true;
    launch(pinned);
    launch(request("stays"));
    EXPECT_THAT(uids(), ElementsAre("idle", "pinned", "stays")) << "nothing stops before its first request";
    for (const char* uid : {"idle", "pinned", "stays"}) {
        ASSERT_TRUE(answer(uid));
    }
    settle();
    EXPECT_THAT(uids(), ElementsAre("pinned", "stays"));
    EXPECT_THAT(running(), ElementsAre("pinned", "stays"));
    EXPECT_EQ(fleet->desired().size(), 2u);
}

TEST_F(ManagedFleetTest, ARunningRequestKeepsAModelAndATouchRenewsIt) {
    LaunchRequest short_lived = request("m");
    short_lived.keep_alive = 3600s;
    launch(short_lived);
    EXPECT_GT(fleet->describe("m").value().expires, 0);
    engine::GenerateRequest r;
    r.input = engine::TextInput{"x"};
    auto stream = run(fleet->generate("m", std::move(r)));
    ASSERT_TRUE(stream);
    ASSERT_TRUE(fleet->touch("m", 0s));
    settle();
    EXPECT_EQ(fleet->describe("m").value().in_use, 1u);
    EXPECT_EQ(fleet->describe("m").value().expires, 0) << "not while it works";
    stream->reset();
    settle();
    EXPECT_THAT(uids(), IsEmpty());
    EXPECT_EQ(fleet->touch("m", 0s).error().code, Code::kNotFound);
}

TEST_F(ManagedFleetTest, OnDemandLoadsWithTheFirstRequestAndAgain) {
    LaunchRequest lazy = request("m");
    lazy.on_demand = true;
    lazy.keep_alive = 0s;
    launch(lazy);
    EXPECT_EQ(state("m"), State::kUnloaded);
    EXPECT_THAT(running(), IsEmpty());
    EXPECT_TRUE(run(fleet->wait_ready("m")));
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(answer("m"));
        settle();
        EXPECT_EQ(state("m"), State::kUnloaded);
        EXPECT_EQ(processes->launches.size(), static_cast<size_t>(i + 1));
    }
    start();
    EXPECT_EQ(state("m"), State::kUnloaded);
    processes->launch_error = Error{Code::kOutOfMemory, "no room"};
    EXPECT_EQ(answer("m").error().message, "no room");
    processes->launch_error.reset();
    EXPECT_TRUE(answer("m"));
}

TEST_F(ManagedFleetTest, ReplicasShareTheRequests) {
    LaunchRequest two = request("m");
    two.replicas = 2;
    launch(two);
    EXPECT_THAT(running(), ElementsAre("m", "m-rep1"));
    ASSERT_EQ(uids().size(), 1u);
    EXPECT_EQ(fleet->describe("m").value().replicas.size(), 2u);
    const auto added = run(fleet->add_replicas("m", 1));
    ASSERT_TRUE(added);
    EXPECT_EQ(added->front().id, 2);
    EXPECT_EQ(run(fleet->remove_replica("m", 1, 0ms)).value(), 2u);
    EXPECT_EQ(run(fleet->add_replicas("m", 1)).value().front().id, 3) << "ids go on";
    EXPECT_EQ(run(fleet->remove_replica("m", 7, 0ms)).error().code, Code::kNotFound);
    start();
    EXPECT_EQ(fleet->describe("m").value().replicas.size(), 3u) << "as many come back";
    for (const int id : {0, 1}) {
        ASSERT_TRUE(run(fleet->remove_replica("m", id, 0ms)));
    }
    EXPECT_EQ(run(fleet->remove_replica("m", 2, 0ms)).value(), 0u);
    EXPECT_THAT(uids(), IsEmpty());
    EXPECT_THAT(running(), IsEmpty());
}

TEST_F(ManagedFleetTest, AnAbortReachesTheReplicaThatHasTheRequest) {
    LaunchRequest three = request("m");
    three.replicas = 3;
    launch(three);
    processes->aborts_on = "m-rep1";
    EXPECT_TRUE(run(fleet->call("m", "/abort", boost::json::object{{"id", "r"}})));
    EXPECT_THAT(processes->calls, ElementsAre("m/abort", "m-rep1/abort")) << "found, so no further one is asked";
    processes->aborts_on = "nobody";
    EXPECT_EQ(run(fleet->call("m", "/abort", boost::json::object{{"id", "r"}})).error().code, Code::kNotFound);
}

TEST_F(ManagedFleetTest, AReplicaCanBeAskedByItsName) {
    LaunchRequest two = request("m");
    two.replicas = 2;
    launch(two);
    for (const char* name : {"m-rep0", "m-rep1"}) {
        EXPECT_TRUE(run(fleet->call(name, "/tokenize", boost::json::object())));
    }
    EXPECT_THAT(processes->calls, ElementsAre("m/tokenize", "m-rep1/tokenize"));
    for (const char* name : {"m-rep2", "m-repx", "x-rep0", "m-rep"}) {
        EXPECT_EQ(run(fleet->call(name, "/tokenize", boost::json::object())).error().code, Code::kNotFound) << name;
    }
}

TEST_F(ManagedFleetTest, AdaptersThatCameLaterAreKeptAndReachNewReplicas) {
    launch(request("m"));
    ASSERT_TRUE(run(fleet->load_adapter("m", "sql", "/adapters/sql")));
    ASSERT_TRUE(run(fleet->load_adapter("m", "gone", "/adapters/gone")));
    ASSERT_TRUE(run(fleet->drop_adapter("m", "gone")));
    ASSERT_TRUE(run(fleet->add_replicas("m", 1)));
    const std::map<std::string, std::string> wanted{{"sql", "/adapters/sql"}};
    EXPECT_EQ(processes->launches.back().adapters, wanted);
    EXPECT_EQ(fleet->desired().front().request.adapters, wanted);
    start();
    EXPECT_EQ(processes->launches.front().adapters, wanted);
}

TEST_F(ManagedFleetTest, AnAdapterIsOnAllReplicasOrOnNone) {
    LaunchRequest two = request("m");
    two.replicas = 2;
    launch(two);
    processes->no_adapters_on = "m-rep1";
    EXPECT_EQ(run(fleet->load_adapter("m", "sql", "/adapters/sql")).error().code, Code::kOutOfMemory);
    EXPECT_THAT(processes->describe("m").value().adapters, IsEmpty());
    EXPECT_THAT(fleet->desired().front().request.adapters, IsEmpty());
}

TEST_F(ManagedFleetTest, AFirstLoadThatFailedIsForgottenInTheEnd) {
    fleet.reset();
    auto made = std::make_unique<test::FakeFleet>(io.get_executor());
    processes = made.get();
    ManagedOptions options{&database, -1s};
    options.tell_failure = 0ms;
    fleet = make_managed_fleet(io.get_executor(), std::move(made), options);
    settle();
    processes->wait_error = Error{Code::kDataLoss, "the file is cut short"};
    launch(request("m"));
    settle();
    EXPECT_THAT(uids(), IsEmpty());
    EXPECT_THAT(running(), IsEmpty());
}

TEST_F(ManagedFleetTest, ALaunchMayLimitRequestsOnEachReplica) {
    LaunchRequest limited = request("m");
    limited.replicas = 2;
    limited.request_limit = 1;
    launch(limited);
    const auto begin = [&] {
        engine::GenerateRequest r;
        r.input = engine::TextInput{"x"};
        return run(fleet->generate("m", std::move(r)));
    };
    auto first = begin();
    auto second = begin();
    ASSERT_TRUE(first && second) << "one on each";
    const auto third = begin();
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, Code::kResourceExhausted);
    EXPECT_THAT(third.error().message, ::testing::HasSubstr("Rate limit reached"));
    EXPECT_TRUE(run(fleet->call("m", "/tokenize", boost::json::object()))) << "only computing is limited";
    second->reset();
    EXPECT_TRUE(begin());
    first->reset();  // what a fleet streams ends before it
    start();
    EXPECT_EQ(fleet->desired().front().request.request_limit, 1u);
}

TEST_F(ManagedFleetTest, ADeadReplicaCostsNoRequest) {
    LaunchRequest two = request("m");
    two.replicas = 2;
    launch(two);
    ASSERT_TRUE(processes->set_state("m", State::kRestarting));
    EXPECT_EQ(state("m"), State::kReady);
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(answer("m", "prompt " + std::to_string(i)));
    }
}

TEST_F(ManagedFleetTest, ANewVersionTakesTheNameOverOrNothingChanges) {
    launch(request("m"));
    LaunchRequest next = request("ignored");
    next.model = "tinier";
    processes->launch_error = Error{Code::kOutOfMemory, "no room"};
    EXPECT_FALSE(run(fleet->replace("m", next, 0ms)));
    EXPECT_THAT(running(), ElementsAre("m"));
    processes->launch_error.reset();
    ASSERT_TRUE(run(fleet->replace("m", next, 0ms)));
    EXPECT_THAT(running(), ElementsAre("m-rep1"));
    EXPECT_THAT(uids(), ElementsAre("m"));
    EXPECT_TRUE(answer("m"));
    EXPECT_EQ(fleet->desired().front().request.model, "tinier");
    start();
    EXPECT_EQ(processes->launches.back().model, "tinier");
}

TEST_F(ManagedFleetTest, AliasesAreFurtherNames) {
    launch(request("m"));
    ASSERT_TRUE(fleet->set_alias("gpt-4", "m"));
    EXPECT_TRUE(answer("gpt-4"));
    EXPECT_EQ(fleet->route("gpt-4").value().first, "m");
    EXPECT_EQ(fleet->set_alias("m", "other").error().code, Code::kAlreadyExists);
    EXPECT_EQ(fleet->set_alias("x", "gpt-4").error().code, Code::kFailedPrecondition);
    EXPECT_EQ(run(fleet->launch(request("gpt-4"))).error().code, Code::kAlreadyExists);
    start();
    EXPECT_TRUE(answer("gpt-4")) << "it comes back as models do";
    ASSERT_TRUE(fleet->drop_alias("gpt-4"));
    EXPECT_EQ(answer("gpt-4").error().code, Code::kNotFound);
    EXPECT_EQ(fleet->drop_alias("gpt-4").error().code, Code::kNotFound);
}

TEST_F(ManagedFleetTest, EventsTellEachStateOnce) {
    launch(request("m"));
    const size_t before = fleet->events()->all().size();
    ASSERT_TRUE(processes->set_state("m", State::kReady));
    EXPECT_EQ(fleet->events()->all().size(), before);
    ASSERT_TRUE(processes->set_state("m", State::kRestarting));
    EXPECT_EQ(fleet->events()->all().back().data.at("state"), "restarting");
}

TEST_F(ManagedFleetTest, RecordedLaunchesComeWithTheNextStart) {
    ASSERT_TRUE(fleet->remember(request("later")));
    EXPECT_THAT(uids(), IsEmpty());
    start();
    EXPECT_THAT(running(), ElementsAre("later"));
    ASSERT_TRUE(fleet->unremember("later"));
    EXPECT_THAT(running(), ElementsAre("later")) << "it runs on";
    start();
    EXPECT_THAT(running(), IsEmpty());
}

}  // namespace
}  // namespace gantry::fleet
