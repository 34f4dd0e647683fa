// A runner process, driven as the fleet and curl would.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <functional>

#include "base/http/client.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/fleet/child_process.hpp"
#include "runtime/runner/runner.hpp"
#include "runtime/runner/spec.hpp"

namespace gantry::runner {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;
using fleet::ChildProcess;
using fleet::PipeDirection;
using fleet::PipeLines;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class RunnerTest : public ::testing::Test {
  protected:
    RunnerTest() {
        std::string name = (fs::temp_directory_path() / "gantry-runner-XXXXXX").string();
        dir_ = ::mkdtemp(name.data());
        spec_.uid = "test";
        spec_.model_path = GANTRY_SOURCE_DIR "/tests/runtime/fixtures/tiny.gguf";
        spec_.plugin_dirs = {GANTRY_BUILD_DIR "/lib/gantry/plugins"};
        spec_.engine = "null";
        spec_.socket = (dir_ / "s.sock").string();
        spec_.parent_pid = ::getpid();
    }
    ~RunnerTest() override {
        child_.reset();
        std::error_code ignored;
        fs::remove_all(dir_, ignored);
    }

    void run(asio::awaitable<void> task) {
        std::exception_ptr thrown;
        asio::co_spawn(io_, std::move(task), [&](std::exception_ptr e) {
            thrown = e;
            io_.stop();
        });
        io_.restart();
        io_.run();
        if (thrown) {
            std::rethrow_exception(thrown);
        }
    }

    asio::awaitable<void> start() {
        const std::string program = GANTRY_BUILD_DIR "/tests/runtime/fleet/fleet_test_runner";
        const std::vector<std::string> arguments{program, "runner"};
        const std::vector<fleet::PipeSpec> pipes{{kSpecFd, PipeDirection::kToChild},
                                                 {kStatusFd, PipeDirection::kFromChild}};
        child_ = std::move(ChildProcess::start(io_.get_executor(), arguments, pipes).value());
        EXPECT_TRUE(co_await fleet::write_all(child_->pipe(0), json::serialize(to_json(spec_)) + '\n'));
        http::Endpoint endpoint;
        endpoint.unix_socket = true;
        endpoint.host = spec_.socket;
        client_.emplace(io_.get_executor(), endpoint);
        lines_.emplace(child_->pipe(1));
    }

    /// Reads status lines until one has `key`, and returns its value; null when the process ends before.
    asio::awaitable<json::value> status(std::string key) {
        while (auto line = co_await lines_->next()) {
            const json::value value = json::parse(*line);
            if (const json::value* found = value.as_object().if_contains(key)) {
                co_return *found;
            }
        }
        co_return nullptr;
    }
    asio::awaitable<void> start_ready() {
        co_await start();
        const json::value ready = co_await status("ready");
        EXPECT_TRUE(ready.is_object());
    }

    static http::Request post(const std::string& path, const std::string& body) {
        http::Request out;
        out.method = "POST";
        out.path = out.target = path;
        out.body = body;
        return out;
    }
    static http::Request get(const std::string& path) {
        http::Request out;
        out.path = out.target = path;
        return out;
    }
    asio::awaitable<http::Response> send(http::Request request) {
        auto response = co_await client_->request(std::move(request), 10s);
        EXPECT_TRUE(response) << response.error().text();
        co_return response ? *response : http::Response{};
    }
    static std::string request_body(const std::string& text, uint32_t max_tokens) {
        engine::GenerateRequest request;
        request.id = "r";
        request.input = engine::TextInput{text, true};
        request.max_tokens = max_tokens;
        return json::serialize(engine::to_json(request));
    }

    asio::io_context io_{1};
    fs::path dir_;
    RunnerSpec spec_;
    std::unique_ptr<ChildProcess> child_;
    std::optional<PipeLines> lines_;
    std::optional<http::Client> client_;
};

TEST_F(RunnerTest, TellsWhatItLoaded) {
    run([this]() -> asio::awaitable<void> {
        co_await start();
        const json::value ready = co_await status("ready");
        EXPECT_EQ(ready.at("architecture").as_string(), "llama");
        EXPECT_EQ(ready.at("limits").at("max_context").to_number<int>(), 512);
        EXPECT_GT(ready.at("limits").at("block_count").to_number<int>(), 32);
        EXPECT_THAT(std::string(ready.at("chat_template").as_string()), HasSubstr("im_start"));
        EXPECT_GT(ready.at("memory").at("total").to_number<uint64_t>(), 0u);
    }());
}

struct Summary {
    size_t tokens = 0, events = 0;
    bool finished = false, usage_last = false;
};

Summary summarise(std::string_view body) {
    Summary out;
    while (!body.empty()) {
        const size_t end = body.find('\n');
        const auto event = engine::event_from_json(body.substr(0, end));
        body.remove_prefix(std::min(end, body.size() - 1) + 1);
        if (!event) {
            ADD_FAILURE() << "not an event";
            continue;
        }
        ++out.events;
        const auto* delta = std::get_if<engine::Delta>(&*event);
        out.tokens += delta != nullptr ? delta->ids.size() : 0;
        out.finished = out.finished || std::holds_alternative<engine::Finish>(*event);
        out.usage_last = std::holds_alternative<engine::Usage>(*event);
    }
    return out;
}

TEST_F(RunnerTest, StreamsEventsAsLines) {
    run([this]() -> asio::awaitable<void> {
        co_await start_ready();
        for (const char* path : {"/generate", "/chat"}) {
            const http::Response response = co_await send(post(path, request_body("Hi", 4)));
            EXPECT_EQ(response.status, 200);
            EXPECT_EQ(*response.headers.find("content-type"), "application/x-ndjson");
            const Summary summary = summarise(response.body);
            EXPECT_EQ(summary.tokens, 4u);
            EXPECT_GE(summary.events, 3u);
            EXPECT_TRUE(summary.finished && summary.usage_last);
        }
    }());
}

TEST_F(RunnerTest, SendsEventsToTheChannelThatARequestNames) {
    run([this]() -> asio::awaitable<void> {
        co_await start_ready();
        http::Request ask = get("/events?channel=c");
        auto channel = co_await client_->open(ask, 10s);
        EXPECT_TRUE(channel);
        if (!channel) {
            co_return;
        }
        http::LineReader lines(**channel);
        for (const std::string number : {"7", "8"}) {
            http::Request request = post("/generate", request_body("Hi", 4));
            request.headers.set("X-Gantry-Channel", "c");
            request.headers.set("X-Gantry-Stream", number);
            const http::Response response = co_await send(std::move(request));
            EXPECT_EQ(response.status, 200);
            EXPECT_EQ(response.body, "");
            EXPECT_EQ(response.headers.find("X-Gantry-Channel"), "c");
            std::string body;
            while (!summarise(body).usage_last) {
                auto line = co_await lines.next();
                EXPECT_TRUE(line && *line && (*line)->starts_with(number + " "));
                if (!line || !*line) {
                    co_return;
                }
                body += (*line)->substr(2) + '\n';
            }
            EXPECT_EQ(summarise(body).tokens, 4u);
        }
        http::Request elsewhere = post("/generate", request_body("Hi", 4));
        elsewhere.headers.set("X-Gantry-Channel", "nobody's");
        elsewhere.headers.set("X-Gantry-Stream", "1");
        const http::Response in_body = co_await send(std::move(elsewhere));
        EXPECT_FALSE(in_body.headers.find("X-Gantry-Channel"));
        EXPECT_EQ(summarise(in_body.body).tokens, 4u);
        const http::Response taken = co_await send(std::move(ask));
        EXPECT_EQ(taken.status, 400);
    }());
}

TEST_F(RunnerTest, AnswersErrorsWithTheirStatus) {
    const struct {
        const char *method, *path;
        std::string body;
        int status;
        const char* reason;
    } cases[] = {
        {"POST", "/generate", "{", 400, "not JSON"},
        {"POST", "/generate", "[]", 400, ""},
        {"POST", "/generate", request_body(std::string(2000, 'x'), 4), 400, "2000"},
        {"POST", "/tokenize", "{}", 400, "'text' must be a text"},
        {"POST", "/detokenize", R"({"ids":["x"]})", 400, "'ids' must be"},
        {"POST", "/template", R"({"template":"{{ raise_exception('no') }}"})", 400, "no"},
        {"GET", "/nothing", "", 404, "has no /nothing"},
    };
    run([&]() -> asio::awaitable<void> {
        co_await start_ready();
        for (const auto& c : cases) {
            http::Request request = post(c.path, c.body);
            request.method = c.method;
            const http::Response response = co_await send(std::move(request));
            EXPECT_EQ(response.status, c.status) << c.path << ' ' << c.body.substr(0, 50);
            EXPECT_THAT(response.body, HasSubstr(c.reason));
        }
    }());
}

TEST_F(RunnerTest, HelpsPeopleWhoDebugAModel) {
    run([this]() -> asio::awaitable<void> {
        co_await start_ready();
        const http::Response ids = co_await send(post("/tokenize", R"({"text":"abc<|im_end|>"})"));
        const json::value value = json::parse(ids.body);
        EXPECT_EQ(value.at("ids").as_array().size(), 3u);
        EXPECT_EQ(value.at("tokens").as_array()[2].as_string(), "<|im_end|>");
        const http::Response text = co_await send(post("/detokenize", ids.body));
        EXPECT_EQ(json::parse(text.body).at("text").as_string(), "abc");
        const http::Response prompt =
            co_await send(post("/template", R"({"messages":[{"role":"user","content":"Hi"}]})"));
        EXPECT_EQ(json::parse(prompt.body).at("prompt").as_string(), "<|im_start|>user\nHi<|im_end|>\n");
    }());
}

TEST_F(RunnerTest, SaysHowItIs) {
    spec_.options["load_ms"] = "700";
    run([this]() -> asio::awaitable<void> {
        co_await start();
        // A status line means that it serves already.
        const json::value done = co_await status("done");
        EXPECT_TRUE(done.is_number());
        const http::Response loading = co_await send(get("/health"));
        EXPECT_EQ(loading.status, 503);
        EXPECT_THAT(loading.body, HasSubstr("loading"));
        const http::Response early = co_await send(post("/generate", request_body("Hi", 1)));
        EXPECT_EQ(early.status, 503);
        const json::value ready = co_await status("ready");
        EXPECT_TRUE(ready.is_object());
        const http::Response healthy = co_await send(get("/health"));
        EXPECT_EQ(healthy.status, 200);
        const http::Response counters = co_await send(get("/stats"));
        const json::value stats = json::parse(counters.body);
        EXPECT_EQ(stats.at("running").to_number<int>(), 0);
        // What a figure is called and means comes with it.
        for (const json::value& metric : stats.at("metrics").as_array()) {
            EXPECT_TRUE(metric.at("name").as_string().starts_with("gantry_engine_"));
            EXPECT_FALSE(metric.at("help").as_string().empty());
            if (metric.at("type") == "histogram") {
                EXPECT_EQ(metric.at("counts").as_array().size(), metric.at("bounds").as_array().size() + 1);
            } else {
                EXPECT_TRUE(metric.at("value").is_number());
                EXPECT_TRUE(metric.at("type") == "gauge" || metric.at("name").as_string().ends_with("_total"));
            }
        }
    }());
}

TEST_F(RunnerTest, TokenisesLongPromptsAside) {
    run([this]() -> asio::awaitable<void> {
        co_await start_ready();
        // Longer than what is tokenised at once, and than the context.
        const http::Response response = co_await send(post("/generate", request_body(std::string(100'000, 'x'), 4)));
        EXPECT_EQ(response.status, 400);
        EXPECT_THAT(response.body, HasSubstr("100000"));
    }());
}

TEST_F(RunnerTest, EndsWhatRunsWhenItIsAskedToStop) {
    spec_.options["step_us"] = "5000";
    run([this]() -> asio::awaitable<void> {
        co_await start_ready();
        auto stream = co_await client_->open(post("/generate", request_body("Hi", 400)));
        EXPECT_TRUE(stream);
        EXPECT_TRUE(co_await (*stream)->read());
        child_->kill(SIGTERM);
        const auto rest = co_await (*stream)->read_all();
        EXPECT_TRUE(rest) << rest.error().text();
        EXPECT_THAT(*rest, HasSubstr("unavailable"));
        stream->reset();
        const auto exit = co_await child_->wait(5s);
        EXPECT_TRUE(exit);
        EXPECT_EQ(exit->text(), "exit code 0");
    }());
}

TEST_F(RunnerTest, EndsWithItsLifeline) {
    spec_.options["step_us"] = "5000";
    run([this]() -> asio::awaitable<void> {
        co_await start_ready();
        child_->pipe(0).close();
        const auto exit = co_await child_->wait(2s);
        EXPECT_TRUE(exit);
        EXPECT_EQ(exit->code, 3);
    }());
}

TEST_F(RunnerTest, IsStoppedWhileItLoads) {
    spec_.options["stall_load"] = "1";
    run([this]() -> asio::awaitable<void> {
        co_await start();
        const json::value done = co_await status("done");
        EXPECT_TRUE(done.is_number());
        child_->kill(SIGTERM);
        const json::value error = co_await status("error");
        EXPECT_EQ(error.at("code").as_string(), "cancelled");
        const auto exit = co_await child_->wait(2s);
        EXPECT_TRUE(exit);
    }());
}

TEST_F(RunnerTest, TellsWhyItCannotLoad) {
    const RunnerSpec good = spec_;
    const struct {
        std::function<void(RunnerSpec&)> spoil;
        const char *code, *reason;
    } cases[] = {
        {[](RunnerSpec& s) { s.model_path = "/no/such.gguf"; }, "not_found", "such.gguf"},
        {[](RunnerSpec& s) { s.engine = "abacus"; }, "not_found", "no plugin 'abacus'"},
        {[](RunnerSpec& s) { s.context = 100'000; }, "invalid_argument", "100000"},
        {[](RunnerSpec& s) { s.memory_bytes = 1000; }, "out_of_memory", "does not fit"},
        {[](RunnerSpec& s) { s.options["colour"] = "red"; }, "invalid_argument", "colour"},
        {[](RunnerSpec& s) { s.socket = "/no/such/folder/s.sock"; }, "", "/no/such/folder"},
        {[](RunnerSpec& s) { s.model_path.clear(); }, "invalid_argument", "lacks model_path"},
    };
    run([&]() -> asio::awaitable<void> {
        for (const auto& c : cases) {
            spec_ = good;
            c.spoil(spec_);
            co_await start();
            const json::value error = co_await status("error");
            const std::string text = json::serialize(error);
            EXPECT_THAT(text, HasSubstr(c.code)) << c.reason;
            EXPECT_THAT(text, HasSubstr(c.reason));
            const auto exit = co_await child_->wait(2s);
            EXPECT_TRUE(exit);
            EXPECT_EQ(exit->code, 1);
        }
    }());
}

TEST_F(RunnerTest, RefusesAnotherParent) {
    spec_.parent_pid = 1;
    run([this]() -> asio::awaitable<void> {
        co_await start();
        const auto exit = co_await child_->wait(2s);
        EXPECT_TRUE(exit);
        EXPECT_EQ(exit->code, 1);
    }());
}

}  // namespace
}  // namespace gantry::runner
