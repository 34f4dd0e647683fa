// The fleet with real runner processes. The null plugin's options make the things happen that models do at the worst
// moment.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fstream>

#include "tests/runtime/fleet/fleet_fixture.hpp"

namespace gantry::fleet::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

/// Slow enough that something can happen in the middle of an answer.
const std::map<std::string, std::string> kSlow{{"step_us", "5000"}};

/// One option. (g++ 12 cannot build initialiser lists inside a co_await expression.)
std::map<std::string, std::string> option(const char* key, const char* value) { return {{key, value}}; }

/// generate() for use with &&, whose results g++ 12's Boost cannot combine.
asio::awaitable<void> generate_into(Answer& out, Fleet& fleet, std::string uid, engine::GenerateRequest request) {
    out = co_await generate(fleet, std::move(uid), std::move(request));
}

boost::json::value member(const char* key, boost::json::value value) {
    boost::json::object out;
    out[key] = std::move(value);
    return out;
}

TEST_F(FleetTest, LaunchesServesAndStops) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("a"));
        const auto status = fleet().describe("a");
        EXPECT_EQ(status->state, State::kReady);
        EXPECT_EQ(status->engine, "null");
        EXPECT_EQ(status->architecture, "llama");
        EXPECT_EQ(status->format, "gguf");
        EXPECT_EQ(status->context_length, 512u);
        EXPECT_THAT(status->abilities, ::testing::UnorderedElementsAre("chat", "generate"));
        EXPECT_THAT(status->plan, HasSubstr("null"));
        EXPECT_GT(status->pid, 0);
        EXPECT_GT(status->memory_bytes, 0u);
        EXPECT_EQ(fleet().ledger().reserved, status->memory_bytes);
        EXPECT_EQ(fleet().list().size(), 1u);

        const Answer answer = co_await generate(fleet(), "a", prompt("1", 20));
        EXPECT_FALSE(answer.error) << answer.error->text();
        EXPECT_EQ(answer.tokens, 20u);
        EXPECT_EQ(answer.text.size(), 20u);
        EXPECT_EQ(answer.finish, engine::FinishReason::kLength);
        EXPECT_EQ(answer.usage->completion_tokens, 20u);
        EXPECT_EQ(answer.usage->prompt_tokens, 2u);

        EXPECT_TRUE(co_await fleet().stop("a"));
        EXPECT_EQ(fleet().describe("a").error().code, Code::kNotFound);
        EXPECT_EQ((co_await fleet().stop("a")).error().code, Code::kNotFound);
        expect_nothing_left();
    }());
}

TEST_F(FleetTest, PassesCallsOn) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("a"));
        const auto ids = co_await fleet().call("a", "/tokenize", member("text", "ab!"));
        EXPECT_TRUE(ids);
        EXPECT_EQ(ids->at("tokens").as_array().size(), 2u);
        const auto text = co_await fleet().call("a", "/detokenize", member("ids", ids->at("ids")));
        EXPECT_EQ(text->at("text").as_string(), "ab!");
        const auto stats = co_await fleet().call("a", "/stats", nullptr);
        EXPECT_EQ(stats->at("running").to_number<int>(), 0);
        const auto bad = co_await fleet().call("a", "/tokenize", member("wrong", 1));
        EXPECT_EQ(bad.error().code, Code::kInvalidArgument);
    }());
}

TEST_F(FleetTest, ListsBackends) {
    run([this]() -> asio::awaitable<void> {
        const auto answer = co_await fleet().backends();
        EXPECT_TRUE(answer);
        bool null_seen = false;
        for (const auto& plugin : answer->at("plugins").as_array()) {
            null_seen = null_seen || plugin.at("id").as_string() == "null";
        }
        EXPECT_TRUE(null_seen);
    }());
}

TEST_F(FleetTest, MakesUidsAndKeepsThemUnique) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("tiny"));
        EXPECT_EQ((co_await fleet().launch(request("tiny"))).error().code, Code::kAlreadyExists);
        EXPECT_EQ((co_await fleet().launch(request("not good"))).error().code, Code::kInvalidArgument);
        const auto made = co_await fleet().launch(request(""));
        EXPECT_THAT(*made, ::testing::MatchesRegex("tiny-[0-9A-Za-z]{8}"));
        EXPECT_TRUE(co_await fleet().wait_ready(*made));
        EXPECT_EQ((co_await fleet().wait_ready("nobody")).error().code, Code::kNotFound);
    }());
}

TEST_F(FleetTest, StopsOneWhileTheOtherStreams) {
    run([this]() -> asio::awaitable<void> {
        co_await (launch_ready(request("a", kSlow)) && launch_ready(request("b", kSlow)));
        const auto stop_a = [&]() -> asio::awaitable<void> {
            co_await sleep(200ms);
            EXPECT_TRUE(co_await fleet().stop("a"));
        };
        Answer stopped, other;
        co_await (generate_into(stopped, fleet(), "a", prompt("1", 400)) &&
                  generate_into(other, fleet(), "b", prompt("2", 150)) && stop_a());
        EXPECT_TRUE(stopped.error);
        if (stopped.error) {
            EXPECT_EQ(stopped.error->code, Code::kUnavailable);
            EXPECT_THAT(stopped.error->message, HasSubstr("'a' was stopped"));
        }
        EXPECT_GT(stopped.tokens, 0u);
        EXPECT_FALSE(other.error);
        EXPECT_EQ(other.tokens, 150u);
    }());
}

TEST_F(FleetTest, ACrashEndsOnlyItsOwnRequestsAndComesBack) {
    run([this]() -> asio::awaitable<void> {
        co_await (launch_ready(request("a", kSlow)) && launch_ready(request("b", kSlow)));
        const int victim = fleet().describe("a")->pid;
        const auto crash = [&]() -> asio::awaitable<void> {
            co_await sleep(200ms);
            ::kill(victim, SIGKILL);
        };
        Answer first, second, other;
        co_await (generate_into(first, fleet(), "a", prompt("1", 400)) &&
                  generate_into(second, fleet(), "a", prompt("2", 400)) &&
                  generate_into(other, fleet(), "b", prompt("3", 150)) && crash());
        for (const Answer* broken : {&first, &second}) {
            EXPECT_TRUE(broken->error);
            if (broken->error) {
                EXPECT_EQ(broken->error->code, Code::kUnavailable);
                EXPECT_THAT(broken->error->message, HasSubstr("signal 9 (Killed)"));
                EXPECT_THAT(broken->error->message, HasSubstr("being restarted"));
            }
        }
        EXPECT_FALSE(other.error);
        EXPECT_EQ(other.tokens, 150u);

        const Answer meanwhile = co_await generate(fleet(), "a", prompt("4", 1));
        if (meanwhile.error) {
            EXPECT_EQ(meanwhile.error->code, Code::kUnavailable);
        }
        co_await wait_state("a", State::kReady);
        EXPECT_NE(fleet().describe("a")->pid, victim);
        EXPECT_EQ(fleet().describe("a")->restarts, 1);
        EXPECT_EQ((co_await generate(fleet(), "a", prompt("5", 3))).tokens, 3u);
        EXPECT_EQ(fleet().describe("b")->restarts, 0);
    }());
}

TEST_F(FleetTest, ParksAModelThatCrashesTooOften) {
    options_.restart_limit = 1;
    run([this]() -> asio::awaitable<void> {
        // Two steps warm it up; the third is the first request's.
        co_await launch_ready(request("a", option("crash_step", "3")));
        EXPECT_TRUE((co_await generate(fleet(), "a", prompt("1", 5))).error);
        co_await wait_state("a", State::kReady);
        const Answer last = co_await generate(fleet(), "a", prompt("2", 5));
        EXPECT_TRUE(last.error);
        co_await wait_state("a", State::kFailed);
        const auto status = fleet().describe("a");
        EXPECT_THAT(status->error->message, HasSubstr("crashed 2 times"));
        EXPECT_THAT(status->error->message, HasSubstr("signal 6 (Aborted)"));
        EXPECT_THAT((co_await generate(fleet(), "a", prompt("3", 5))).error->message, HasSubstr("has failed"));
        EXPECT_FALSE((co_await fleet().wait_ready("a")));
        expect_nothing_left();
        EXPECT_TRUE(co_await fleet().stop("a"));
        EXPECT_TRUE(fleet().list().empty());
    }());
}

TEST_F(FleetTest, CancelsALaunchInEveryStage) {
    run([this]() -> asio::awaitable<void> {
        const auto cancel_in = [&](State state) -> asio::awaitable<void> {
            co_await wait_state("a", state);
            EXPECT_TRUE(co_await fleet().cancel("a"));
        };
        const LaunchRequest slow = request("a", option("load_ms", "20000"));

        const auto placing = co_await (fleet().launch(slow) && cancel_in(State::kPlacing));
        EXPECT_EQ(placing.error().code, Code::kCancelled);
        EXPECT_TRUE(fleet().list().empty());
        expect_nothing_left();

        for (const State state : {State::kStarting, State::kLoading}) {
            EXPECT_TRUE(co_await fleet().launch(slow));
            const auto loading = co_await (fleet().wait_ready("a") && cancel_in(state));
            EXPECT_EQ(loading.error().code, Code::kCancelled) << state_name(state);
            EXPECT_TRUE(fleet().list().empty());
            expect_nothing_left();
        }
        co_await launch_ready(request("a"));
        EXPECT_EQ((co_await fleet().cancel("a")).error().code, Code::kFailedPrecondition);
    }());
}

TEST_F(FleetTest, ShowsTheProgressOfALoad) {
    run([this]() -> asio::awaitable<void> {
        EXPECT_TRUE(co_await fleet().launch(request("a", option("load_ms", "1000"))));
        uint64_t last = 0, seen = 0;
        while (fleet().describe("a")->state != State::kReady) {
            const auto status = fleet().describe("a");
            if (status->state == State::kLoading && status->bytes_total == 100) {
                EXPECT_EQ(status->stage, "map");
                EXPECT_GE(status->bytes_done, last);
                seen += status->bytes_done != last ? 1 : 0;
                last = status->bytes_done;
            }
            co_await sleep(5ms);
        }
        EXPECT_GT(seen, 3u);
    }());
}

TEST_F(FleetTest, KillsALoadThatMakesNoProgress) {
    options_.load_watchdog = 1500ms;
    run([this]() -> asio::awaitable<void> {
        EXPECT_TRUE(co_await fleet().launch(request("a", option("stall_load", "1"))));
        const auto ready = co_await fleet().wait_ready("a");
        EXPECT_EQ(ready.error().code, Code::kDeadlineExceeded);
        EXPECT_THAT(ready.error().message, HasSubstr("no progress"));
        expect_nothing_left();
    }());
}

TEST_F(FleetTest, ALaunchThatFailsLeavesNothing) {
    run([this]() -> asio::awaitable<void> {
        LaunchRequest unknown = request("a");
        unknown.model = "no-such-model";
        EXPECT_EQ((co_await fleet().launch(unknown)).error().code, Code::kNotFound);
        LaunchRequest engine = request("a");
        engine.engine = "abacus";
        const auto no_engine = co_await fleet().launch(engine);
        EXPECT_EQ(no_engine.error().code, Code::kInvalidArgument);
        EXPECT_THAT(no_engine.error().message, HasSubstr("no engine 'abacus'"));
        const auto bad_option = co_await fleet().launch(request("a", option("colour", "red")));
        EXPECT_EQ(bad_option.error().code, Code::kInvalidArgument);
        EXPECT_THAT(bad_option.error().message, HasSubstr("unknown option 'colour'"));
        EXPECT_TRUE(fleet().list().empty());
        expect_nothing_left();

        EXPECT_TRUE(co_await fleet().launch(request("a", option("crash_load", "1"))));
        const auto crashed = co_await fleet().wait_ready("a");
        EXPECT_EQ(crashed.error().code, Code::kUnavailable);
        EXPECT_THAT(crashed.error().message, HasSubstr("signal 6 (Aborted)"));
        EXPECT_EQ(fleet().describe("a")->state, State::kFailed);
        expect_nothing_left();

        co_await launch_ready(request("a"));  // the uid of a failed launch is free
        EXPECT_EQ(fleet().list().size(), 1u);
    }());
}

TEST_F(FleetTest, SaysWhatIsWrongWithAModelFile) {
    std::string bytes;
    {
        std::ifstream file(model_path_, std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(file), {});
    }
    const struct {
        std::string name, content;
    } cases[] = {{"empty.gguf", ""},
                 {"cut.gguf", bytes.substr(0, bytes.size() / 2)},
                 {"garbage.gguf", std::string(5000, 'x')},
                 {"header.gguf", bytes.substr(0, 20)}};
    run([&]() -> asio::awaitable<void> {
        for (const auto& c : cases) {
            std::ofstream(dir_ / c.name, std::ios::binary) << c.content;
            LaunchRequest what = request("a");
            what.model = (dir_ / c.name).string();
            const auto uid = co_await fleet().launch(what);
            EXPECT_FALSE(uid) << c.name;
            if (!uid) {
                EXPECT_NE(uid.error().code, Code::kInternal) << uid.error().text();
                EXPECT_THAT(uid.error().message, HasSubstr(c.name));
            }
        }
        expect_nothing_left();
    }());
}

TEST_F(FleetTest, RefusesWhatDoesNotFitWithTheSum) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("first", option("weights_mib", "3000")));
        const auto refused = co_await fleet().launch(request("second", option("weights_mib", "2000")));
        EXPECT_FALSE(refused);
        if (!refused) {
            EXPECT_EQ(refused.error().code, Code::kOutOfMemory);
            for (const char* part :
                 {"'second'", "weights 2.0 GiB", "process 32 MiB", "4.0 GiB in all", "'first' 3.0 GiB"}) {
                EXPECT_THAT(refused.error().message, HasSubstr(part));
            }
        }
        EXPECT_EQ(fleet().list().size(), 1u);
        EXPECT_TRUE(co_await fleet().stop("first"));
        co_await launch_ready(request("second", option("weights_mib", "2000")));
    }());
}

TEST_F(FleetTest, ShortensTheContextToWhatFits) {
    run([this]() -> asio::awaitable<void> {
        // 64 MiB for 16 tokens: of 4 GiB about half goes to the context of up to 512 tokens.
        co_await launch_ready(request("a", option("kv_block_kib", "100000")));
        EXPECT_LT(fleet().describe("a")->context_length, 512u);
        EXPECT_GE(fleet().describe("a")->context_length, 128u);
        LaunchRequest asked = request("b", option("kv_block_kib", "100000"));
        asked.context = 512;
        EXPECT_EQ((co_await fleet().launch(asked)).error().code, Code::kOutOfMemory);
        asked.context = 100'000;
        EXPECT_EQ((co_await fleet().launch(asked)).error().code, Code::kInvalidArgument);
    }());
}

TEST_F(FleetTest, DroppingAStreamCancelsItsRequest) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("a", kSlow));
        {
            auto stream = co_await fleet().generate("a", prompt("1", 400));
            EXPECT_TRUE(stream);
            EXPECT_TRUE(co_await (*stream)->next());
        }
        uint64_t cancelled = 0;
        for (int i = 0; i < 500 && cancelled == 0; ++i) {
            const auto stats = co_await fleet().call("a", "/stats", nullptr);
            cancelled = stats->at("cancelled").to_number<uint64_t>();
            co_await sleep(10ms);
        }
        EXPECT_EQ(cancelled, 1u);
        const auto stats = co_await fleet().call("a", "/stats", nullptr);
        EXPECT_EQ(stats->at("running").to_number<int>(), 0);
    }());
}

TEST_F(FleetTest, RefusesBadRequestsWithBothCounts) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("a"));
        engine::GenerateRequest too_long = prompt("1", 1);
        too_long.input = engine::TextInput{std::string(3000, 'x'), true};
        const Answer answer = co_await generate(fleet(), "a", too_long);
        EXPECT_TRUE(answer.error);
        if (answer.error) {
            EXPECT_EQ(answer.error->code, Code::kInvalidArgument);
            EXPECT_THAT(answer.error->message, ::testing::AllOf(HasSubstr("3000"), HasSubstr("512")));
        }
        EXPECT_EQ((co_await generate(fleet(), "nobody", prompt("2", 1))).error->code, Code::kNotFound);
    }());
}

TEST_F(FleetTest, RunsARealModelOnTheEnginesThatCan) {
    run([this]() -> asio::awaitable<void> {
        engine::GenerateRequest greedy = prompt("1", 32);
        greedy.ignore_eos = true;
        LaunchRequest oracle = request("oracle");
        oracle.engine = "reference";
        co_await launch_ready(oracle);
        const Answer expected = co_await generate(fleet(), "oracle", greedy);
        EXPECT_EQ(expected.tokens, 32u);

        LaunchRequest best = request("best");
        best.engine = "auto";
        co_await launch_ready(best);
        EXPECT_NE(fleet().describe("best")->engine, "null");
        const Answer answer = co_await generate(fleet(), "best", greedy);
        EXPECT_EQ(answer.text, expected.text) << fleet().describe("best")->plan;
    }());
}

TEST_F(FleetTest, FiftyCyclesLeakNothing) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("warm"));
        EXPECT_TRUE(co_await fleet().stop("warm"));
        const size_t before = open_descriptors();
        for (int i = 0; i < 50; ++i) {
            co_await launch_ready(request("cycle"));
            EXPECT_EQ((co_await generate(fleet(), "cycle", prompt("1", 2))).tokens, 2u);
            EXPECT_TRUE(co_await fleet().stop("cycle"));
        }
        co_await sleep(20ms);
        EXPECT_EQ(open_descriptors(), before);
        expect_nothing_left();
    }());
}

}  // namespace
}  // namespace gantry::fleet::testing
