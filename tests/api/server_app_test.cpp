#include "api/http/server_app.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <deque>
#include <future>
#include <thread>

#include "api/dialects/routes.hpp"
#include "tests/api/fake_fleet.hpp"
#include "tests/base/http_fixture.hpp"

namespace gantry::test {
namespace {

using http::test::RawClient;

config::Config settings(std::vector<std::pair<std::string, std::string>> flags) {
    // Each with a state of its own, which nobody looks at.
    static std::atomic<int> count = 0;
    const std::string state =
        ::testing::TempDir() + "gantry-state-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    flags.insert(flags.begin(), {{"server.port", "0"}, {"log.level", "error"}, {"paths.state_dir", state}});
    config::Sources sources;
    sources.flags = std::move(flags);
    return config::Config::load(config::gantry_keys(), sources).value();
}

/// The app on a thread of its own, with a fake fleet that the test may look at once the app has ended.
struct RunningApp {
    using Flags = std::vector<std::pair<std::string, std::string>>;
    explicit RunningApp(Flags flags = Flags(), std::deque<Script> scripts = {}, int die_with_fd = -1) {
        api::ServerParts parts;
        parts.make_fleet = [this, &scripts](asio::any_io_executor executor, fleet::FleetOptions o) {
            options = std::move(o);
            auto made = std::make_unique<FakeFleet>(std::move(executor));
            made->add("m");
            made->scripts = scripts;
            fleet = made.get();
            return made;
        };
        parts.routes = dialects::all_routes();
        parts.die_with_fd = die_with_fd;
        parts.read_config = [this]() -> Result<config::Config> {
            Result<config::Config> fresh = settings(next);
            ++reloads;
            return fresh;
        };
        auto created = api::ServerApp::create(settings(std::move(flags)), std::move(parts));
        if (!created) {
            error = created.error();
            return;
        }
        app = std::move(*created);
        code = std::async(std::launch::async, [this] { return app->run(); });
    }
    RawClient connect() const { return RawClient(app->endpoints().front()); }

    fleet::FleetOptions options;
    FakeFleet* fleet = nullptr;
    Flags next;  ///< what a reload reads
    std::atomic<int> reloads = 0;
    std::optional<Error> error;
    std::unique_ptr<api::ServerApp> app;
    std::future<int> code;
};

constexpr auto kPatience = std::chrono::seconds(20);

TEST(ServerApp, ServesAndStopsWithItsModels) {
    RunningApp app(RunningApp::Flags{{"fleet.memory_limit", "12345"}, {"fleet.sandbox", "false"}});
    ASSERT_FALSE(app.error);
    EXPECT_EQ(app.options.memory_limit, 12345u);
    EXPECT_FALSE(app.options.sandbox);
    EXPECT_FALSE(app.options.plugin_dirs.empty());
    RawClient client = app.connect();
    ASSERT_TRUE(client.send("GET /v1/models HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_NE(client.receive_until("]}").find("\"id\":\"m\""), std::string::npos);
    app.app->stop();
    ASSERT_EQ(app.code.wait_for(kPatience), std::future_status::ready);
    EXPECT_EQ(app.code.get(), 0);
    EXPECT_EQ(app.fleet->stopped_all, 1);
}

TEST(ServerApp, LetsAStreamEndBeforeItStops) {
    Script script;
    for (int i = 0; i < 2000; ++i) {
        script.push_back(text("word "));
    }
    script.push_back(finish());
    script.push_back(usage(1, 2000));
    RunningApp app(RunningApp::Flags(), {script});
    ASSERT_FALSE(app.error);
    RawClient client = app.connect();
    const std::string body = R"({"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]})";
    ASSERT_TRUE(client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: " +
                            std::to_string(body.size()) + "\r\n\r\n" + body));
    std::string answer = client.receive_until("word");
    app.app->stop();
    answer += client.receive_all();
    EXPECT_NE(answer.find("data: [DONE]"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("0\r\n\r\n"));
    EXPECT_EQ(app.code.wait_for(kPatience), std::future_status::ready);
}

TEST(ServerApp, AClientThatLeavesEndsItsGeneration) {
    const Script waiting{text("first"), wait()};
    RunningApp app(RunningApp::Flags(), {waiting, waiting});
    ASSERT_FALSE(app.error);
    for (const bool stream : {true, false}) {
        RawClient client = app.connect();
        const std::string body = std::string(R"({"model":"m","stream":)") + (stream ? "true" : "false") +
                                 R"(,"messages":[{"role":"user","content":"x"}]})";
        ASSERT_TRUE(client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: " +
                                std::to_string(body.size()) + "\r\n\r\n" + body));
        if (stream) {
            ASSERT_NE(client.receive_until("first").find("first"), std::string::npos);
        }
        while (app.fleet->generating < (stream ? 1 : 2)) {
            std::this_thread::yield();
        }
        client.close();
    }
    // With the clients gone nothing holds the server up.
    app.app->stop();
    ASSERT_EQ(app.code.wait_for(kPatience), std::future_status::ready);
    EXPECT_EQ(app.fleet->cancelled, 2);
}

TEST(ServerApp, EndsWithTheProgramThatStartedIt) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    RunningApp app(RunningApp::Flags(), {}, ends[0]);
    ASSERT_FALSE(app.error);
    EXPECT_EQ(app.code.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
    ::close(ends[1]);
    ASSERT_EQ(app.code.wait_for(kPatience), std::future_status::ready);
    EXPECT_EQ(app.code.get(), 0);
}

TEST(ServerApp, TakesOverAChangedConfiguration) {
    using Flags = RunningApp::Flags;
    const std::string key = "0123456789abcdef0123456789abcdef";
    RunningApp app(Flags{{"server.cors_origins", "http://a.example"}});
    ASSERT_FALSE(app.error);
    const auto ask = [&](const std::string& fields) {
        RawClient client = app.connect();
        EXPECT_TRUE(client.send("GET /v1/models HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + fields + "\r\n"));
        return client.receive_all();
    };
    const auto reload = [&](Flags flags) {
        app.next = std::move(flags);
        const int before = app.reloads;
        app.app->reload();
        while (app.reloads == before) {
            std::this_thread::yield();
        }
    };
    EXPECT_TRUE(ask("").starts_with("HTTP/1.1 200"));
    reload(Flags{
        {"auth.admin_key", key}, {"server.cors_origins", "http://b.example"}, {"server.max_header_bytes", "1024"}});
    EXPECT_TRUE(ask("").starts_with("HTTP/1.1 401"));
    const std::string answer = ask("x-api-key: " + key + "\r\nOrigin: http://b.example\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
    EXPECT_NE(answer.find("Access-Control-Allow-Origin: http://b.example"), std::string::npos);
    EXPECT_TRUE(ask("X-Long: " + std::string(2000, 'x') + "\r\n").starts_with("HTTP/1.1 431"));
    // A broken configuration changes nothing, not even what is right in it.
    reload(Flags{{"auth.admin_key", "short"}, {"server.cors_origins", "http://c.example"}});
    EXPECT_TRUE(ask("").starts_with("HTTP/1.1 401"));
    EXPECT_TRUE(ask("x-api-key: " + key + "\r\n").starts_with("HTTP/1.1 200"));
    app.app->stop();
    ASSERT_EQ(app.code.wait_for(kPatience), std::future_status::ready);
}

TEST(ServerApp, WhatNoHandlerSeesIsRefusedInTheFormOfTheDialect) {
    RunningApp app(RunningApp::Flags{{"server.max_body_bytes", "1024"}});
    ASSERT_FALSE(app.error);
    const auto send = [&](const std::string& path) {
        RawClient client = app.connect();
        EXPECT_TRUE(client.send("POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 4096\r\n\r\n"));
        return client.receive_all();
    };
    const std::string message = send("/v1/messages");
    EXPECT_TRUE(message.starts_with("HTTP/1.1 413")) << message;
    EXPECT_NE(message.find(R"({"type":"error","error":{"type":"request_too_large","message":)"), std::string::npos);
    EXPECT_NE(message.find("X-Request-Id: "), std::string::npos);
    EXPECT_NE(send("/api/chat").find(R"({"error":"the body is larger than 1024 bytes"})"), std::string::npos);
    EXPECT_NE(send("/v1/chat/completions").find(R"("type":"invalid_request_error")"), std::string::npos);
    EXPECT_TRUE(send("/nowhere").starts_with("HTTP/1.1 413"));
    app.app->stop();
    ASSERT_EQ(app.code.wait_for(kPatience), std::future_status::ready);
}

TEST(ServerApp, RefusesToBeReachableFromOutsideUnasked) {
    RunningApp refused(RunningApp::Flags{{"server.host", "0.0.0.0"}});
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->code, Code::kPermissionDenied);
    EXPECT_NE(refused.error->hint.find("server.allow_public"), std::string::npos);
    RunningApp allowed(RunningApp::Flags{{"server.host", "0.0.0.0"}, {"server.allow_public", "true"}});
    ASSERT_FALSE(allowed.error);
    allowed.app->stop();
    EXPECT_EQ(allowed.code.wait_for(kPatience), std::future_status::ready);
    RunningApp guarded(
        RunningApp::Flags{{"server.host", "0.0.0.0"}, {"auth.admin_key", "0123456789abcdef0123456789abcdef"}});
    ASSERT_FALSE(guarded.error) << guarded.error->text();
    guarded.app->stop();
    EXPECT_EQ(guarded.code.wait_for(kPatience), std::future_status::ready);
    RunningApp locked(RunningApp::Flags{{"server.host", "0.0.0.0"}, {"auth.mode", "on"}});
    ASSERT_TRUE(locked.error) << "nobody could come in";
}

}  // namespace
}  // namespace gantry::test
