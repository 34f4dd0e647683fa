// Sleep and wake, adapters, abort and drain, with real runner processes.

#include <gmock/gmock.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cstring>
#include <fstream>

#include "registry/registry.hpp"
#include "tests/runtime/fleet/fleet_fixture.hpp"

namespace gantry::fleet::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

const std::map<std::string, std::string> kSlow{{"step_us", "5000"}};

asio::awaitable<void> generate_into(Answer& out, Fleet& fleet, std::string uid, engine::GenerateRequest request) {
    out = co_await generate(fleet, std::move(uid), std::move(request));
}

class ControlTest : public FleetTest {
  protected:
    /// A PEFT folder that changes the query projection of layer 0 of the tiny model.
    std::string make_adapter(const std::string& name, float value, uint64_t extra_rows = 0) {
        const auto manifest = registry::load_manifest(model_path_).value();
        const auto number = [&](const char* key) {
            return static_cast<uint64_t>(std::get<int64_t>(manifest.hyper.find(key)->second));
        };
        const uint64_t in = number("hidden_size"), out = number("head_count") * number("head_dim") + extra_rows;
        const fs::path folder = dir_ / "adapters" / name;
        fs::create_directories(folder);
        std::ofstream(folder / "adapter_config.json") << R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4})";
        const std::string prefix = R"("base_model.model.model.layers.0.self_attn.q_proj.lora_)";
        const uint64_t a = 2 * in * 4, b = out * 2 * 4;
        std::string header = "{" + prefix + R"(A.weight":{"dtype":"F32","shape":[2,)" + std::to_string(in) +
                             R"(],"data_offsets":[0,)" + std::to_string(a) + "]}," + prefix +
                             R"(B.weight":{"dtype":"F32","shape":[)" + std::to_string(out) + R"(,2],"data_offsets":[)" +
                             std::to_string(a) + "," + std::to_string(a + b) + "]}}";
        header.resize((header.size() + 7) / 8 * 8, ' ');
        std::ofstream file(folder / "adapter_model.safetensors", std::ios::binary);
        const uint64_t length = header.size();
        file.write(reinterpret_cast<const char*>(&length), sizeof length);
        file << header;
        for (uint64_t i = 0; i < (a + b) / 4; ++i) {
            const float f = i % 3 == 0 ? value : -value / 2;
            file.write(reinterpret_cast<const char*>(&f), sizeof f);
        }
        return folder.string();
    }
    LaunchRequest on_cpu(const std::string& uid) const {
        LaunchRequest out = request(uid);
        out.engine = "reference";
        return out;
    }
};

TEST_F(ControlTest, ASleepingModelGivesItsMemoryBackAndWakes) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(on_cpu("a"));
        const uint64_t reserved = fleet().ledger().reserved;
        const int pid = fleet().describe("a")->pid;
        const Answer before = co_await generate(fleet(), "a", prompt("1", 12));
        EXPECT_FALSE(before.error);
        for (int round = 0; round < 2; ++round) {
            EXPECT_TRUE(co_await fleet().sleep("a"));
            EXPECT_EQ(fleet().describe("a")->state, State::kAsleep);
            EXPECT_EQ(fleet().ledger().reserved, 0u);
            EXPECT_TRUE(co_await fleet().sleep("a"));
            const Answer refused = co_await generate(fleet(), "a", prompt("2", 12));
            EXPECT_TRUE(refused.error);
            if (refused.error) {
                EXPECT_EQ(refused.error->code, Code::kUnavailable);
                EXPECT_THAT(refused.error->message, HasSubstr("asleep"));
            }
            EXPECT_TRUE(co_await fleet().wake("a"));
            EXPECT_EQ(fleet().describe("a")->state, State::kReady);
            EXPECT_EQ(fleet().ledger().reserved, reserved);
            EXPECT_EQ(fleet().describe("a")->pid, pid);
            const Answer after = co_await generate(fleet(), "a", prompt("3", 12));
            EXPECT_FALSE(after.error);
            EXPECT_EQ(after.text, before.text);
        }
        EXPECT_TRUE(co_await fleet().stop("a"));
        expect_nothing_left();
    }());
}

TEST_F(ControlTest, ARequestWakesWhatWasLaunchedSo) {
    run([this]() -> asio::awaitable<void> {
        LaunchRequest what = on_cpu("a");
        what.wake_on_request = true;
        co_await launch_ready(std::move(what));
        EXPECT_TRUE(co_await fleet().sleep("a"));
        Answer first, second;
        co_await (generate_into(first, fleet(), "a", prompt("1", 5)) &&
                  generate_into(second, fleet(), "a", prompt("2", 5)));
        EXPECT_FALSE(first.error) << first.error->text();
        EXPECT_FALSE(second.error) << second.error->text();
        EXPECT_EQ(first.tokens, 5u);
        EXPECT_EQ(second.tokens, 5u);
    }());
}

TEST_F(ControlTest, WakingIsRefusedWithTheSumWhereTheMemoryHasGone) {
    uint64_t one = 0;
    run([&, this]() -> asio::awaitable<void> {
        co_await launch_ready(on_cpu("a"));
        one = fleet().ledger().reserved;
        co_await fleet().stop_all();
    }());
    fleet_.reset();
    options_.memory_limit = one + one / 2;
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(on_cpu("a"));
        EXPECT_TRUE(co_await fleet().sleep("a"));
        co_await launch_ready(on_cpu("b"));
        const auto full = co_await fleet().wake("a");
        EXPECT_FALSE(full);
        if (!full) {
            EXPECT_EQ(full.error().code, Code::kOutOfMemory);
            EXPECT_THAT(full.error().message, HasSubstr("'a' cannot be woken"));
        }
        EXPECT_EQ(fleet().describe("a")->state, State::kAsleep);
        EXPECT_TRUE(co_await fleet().stop("b"));
        EXPECT_TRUE(co_await fleet().wake("a"));
        EXPECT_TRUE(co_await fleet().sleep("a"));
        EXPECT_TRUE(co_await fleet().stop("a"));  // a sleeping model can be stopped
        expect_nothing_left();
    }());
}

TEST_F(ControlTest, AdaptersAreLoadedNamedAndDropped) {
    const std::string strong = make_adapter("strong", 2.5F);
    const std::string other = make_adapter("other", -1.5F);
    const std::string wrong = make_adapter("wrong", 1.0F, 8);
    run([&, this]() -> asio::awaitable<void> {
        LaunchRequest what = on_cpu("a");
        what.adapters["strong"] = strong;
        what.adapter_dirs.push_back((dir_ / "adapters").string());
        co_await launch_ready(std::move(what));
        EXPECT_EQ(fleet().describe("a")->adapters.size(), 1u);
        const Answer plain = co_await generate(fleet(), "a", prompt("1", 12));
        const Answer adapted = co_await generate(fleet(), "a:strong", prompt("2", 12));
        EXPECT_FALSE(adapted.error) << adapted.error->text();
        EXPECT_NE(plain.text, adapted.text);
        const Answer by_name = co_await generate(fleet(), "strong", prompt("3", 12));
        EXPECT_EQ(by_name.text, adapted.text);

        EXPECT_TRUE(co_await fleet().load_adapter("a", "other", other));
        const Answer third = co_await generate(fleet(), "a:other", prompt("4", 12));
        EXPECT_FALSE(third.error) << third.error->text();
        EXPECT_NE(third.text, adapted.text);
        EXPECT_EQ((co_await fleet().load_adapter("a", "other", other)).error().code, Code::kAlreadyExists);

        const auto unfit = co_await fleet().load_adapter("a", "wrong", wrong);
        EXPECT_EQ(unfit.error().code, Code::kInvalidArgument);
        EXPECT_THAT(unfit.error().message, HasSubstr("layers.0.attn_q.lora_b"));
        const auto missing = co_await fleet().load_adapter("a", "x", (dir_ / "adapters" / "nothing").string());
        EXPECT_EQ(missing.error().code, Code::kNotFound);
        const auto bad_name = co_await fleet().load_adapter("a", "x:y", other);
        EXPECT_EQ(bad_name.error().code, Code::kInvalidArgument);

        // They survive a sleep.
        EXPECT_TRUE(co_await fleet().sleep("a"));
        EXPECT_TRUE(co_await fleet().wake("a"));
        const Answer again = co_await generate(fleet(), "a:other", prompt("5", 12));
        EXPECT_EQ(again.text, third.text);

        EXPECT_TRUE(co_await fleet().drop_adapter("a", "other"));
        const Answer gone = co_await generate(fleet(), "a:other", prompt("6", 12));
        EXPECT_TRUE(gone.error);
        EXPECT_EQ(gone.error->code, Code::kNotFound);
        EXPECT_EQ((co_await fleet().drop_adapter("a", "other")).error().code, Code::kNotFound);
        engine::GenerateRequest named = prompt("7", 3);
        named.adapter = "nobody";
        const Answer unknown = co_await generate(fleet(), "a", std::move(named));
        EXPECT_TRUE(unknown.error);
        EXPECT_EQ(unknown.error->code, Code::kNotFound);
    }());
}

TEST_F(ControlTest, AnAbortEndsOneAnswerProperly) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("a", kSlow));
        boost::json::value aborted;
        const auto abort_soon = [&]() -> asio::awaitable<void> {
            co_await sleep(200ms);
            boost::json::value body = boost::json::object{{"id", "1"}};
            std::string path = "/abort";
            const auto answer = co_await fleet().call("a", std::move(path), std::move(body));
            EXPECT_TRUE(answer) << answer.error().text();
        };
        Answer first, second;
        co_await (generate_into(first, fleet(), "a", prompt("1", 400)) &&
                  generate_into(second, fleet(), "a", prompt("2", 100)) && abort_soon());
        EXPECT_FALSE(first.error);
        EXPECT_EQ(first.finish, engine::FinishReason::kCancelled);
        EXPECT_TRUE(first.usage);
        EXPECT_LT(first.tokens, 400u);
        EXPECT_EQ(second.tokens, 100u);
        boost::json::value body = boost::json::object{{"id", "1"}};
        std::string path = "/abort";
        const auto nobody = co_await fleet().call("a", std::move(path), std::move(body));
        EXPECT_EQ(nobody.error().code, Code::kNotFound);
    }());
}

TEST_F(ControlTest, ADrainLetsWhatRunsEnd) {
    run([this]() -> asio::awaitable<void> {
        co_await launch_ready(request("a", kSlow));
        Answer running, late;
        const auto drain = [&]() -> asio::awaitable<void> {
            co_await sleep(100ms);
            EXPECT_TRUE(co_await fleet().drain_and_stop("a", 20s));
        };
        const auto come_late = [&]() -> asio::awaitable<void> {
            co_await sleep(200ms);
            late = co_await generate(fleet(), "a", prompt("2", 1));
        };
        co_await (generate_into(running, fleet(), "a", prompt("1", 100)) && drain() && come_late());
        EXPECT_FALSE(running.error) << running.error->text();
        EXPECT_EQ(running.tokens, 100u);
        EXPECT_TRUE(late.error);
        EXPECT_EQ(late.error->code, Code::kUnavailable);
        expect_nothing_left();
    }());
}

}  // namespace
}  // namespace gantry::fleet::testing
