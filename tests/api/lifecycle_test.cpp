/// Gantry's own lifecycle routes, and Xinference's for replicas, registrations, autostart and the end.

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/sqlite/database.hpp"
#include "runtime/fleet/managed_fleet.hpp"
#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LifecycleTest : public ApiTest {
  protected:
    LifecycleTest() { services.state = &database; }
    std::string registered(const std::string& spec, const std::string& type = "LLM", bool persist = true) {
        const bj::object body{{"model", spec}, {"worker_ip", nullptr}, {"persist", persist}};
        const Reply reply = post("/v1/model_registrations/" + type, bj::serialize(body));
        return reply.status == 200 ? "" : reply.message();
    }
    sqlite::Database database = sqlite::Database::in_memory().value();
};

TEST_F(LifecycleTest, LaunchesTakeWhatConcernsTheirStay) {
    ASSERT_EQ(post("/v1/models", R"({"model_name":"m","keep_alive":"1h30m","on_demand":true,"pinned":true,"evict":true,
                                     "replica":"2"})")
                  .status,
              200);
    const fleet::LaunchRequest& launch = fleet.launches.back();
    EXPECT_EQ(launch.keep_alive, std::chrono::seconds(5400));
    EXPECT_TRUE(launch.on_demand && launch.pinned && launch.evict);
    EXPECT_EQ(launch.replicas, 2u);
    const std::pair<const char*, int> times[] = {{"90", 90}, {"\"90s\"", 90}, {"-1", -1},      {"\"-5m\"", -1},
                                                 {"0", 0},   {"\"5m\"", 300}, {"\"300\"", 300}};
    int n = 0;
    for (const auto& [text, seconds] : times) {
        ASSERT_EQ(post("/v1/models",
                       R"({"model_name":"m","model_uid":"u)" + std::to_string(++n) + R"(","keep_alive":)" + text + "}")
                      .status,
                  200)
            << text;
        EXPECT_EQ(fleet.launches.back().keep_alive, std::chrono::seconds(seconds)) << text;
    }
}

TEST_F(LifecycleTest, APlanLaunchesNothing) {
    const Reply reply = post("/gantry/v1/launch/plan", R"({"model_name":"m","evict":true})");
    ASSERT_EQ(reply.status, 200);
    EXPECT_EQ(reply.json().at("host_bytes"), 1024);
    EXPECT_EQ(reply.json().at("fits"), true);
    EXPECT_TRUE(fleet.launches.empty());
    EXPECT_TRUE(fleet.plans.back().evict);
    EXPECT_EQ(post("/gantry/v1/launch/plan", "{}").status, 400);
}

TEST_F(LifecycleTest, EventsGoOnBehindTheLastId) {
    fleet.event_log.add("launched", {{"uid", "m"}});
    fleet.event_log.add("state", {{"uid", "m"}, {"state", "ready"}});
    const Reply all = get("/gantry/v1/events?follow=false&since=all");
    EXPECT_THAT(all.header("Content-Type"), HasSubstr("text/event-stream"));
    EXPECT_THAT(all.body, HasSubstr("event: launched\ndata: {\"uid\":\"m\""));
    EXPECT_EQ(get("/gantry/v1/events?follow=false").body, "");
    const std::string id = fleet.event_log.run() + "-1";
    const Reply rest = get("/gantry/v1/events?follow=false&last_event_id=" + id);
    EXPECT_THAT(rest.body, Not(HasSubstr("launched")));
    EXPECT_THAT(rest.body, HasSubstr("id: " + fleet.event_log.run() + "-2\nevent: state\n"));
    EXPECT_THAT(get("/gantry/v1/events?follow=false&last_event_id=123-1").body, HasSubstr("launched"))
        << "of another run";
    for (size_t i = 0; i < fleet::EventLog::kKept; ++i) {
        fleet.event_log.add("progress", {});
    }
    EXPECT_THAT(get("/gantry/v1/events?follow=false&last_event_id=" + id).body,
                ::testing::StartsWith("event: lost\ndata: {\"count\":1}\n\n"));
}

TEST_F(LifecycleTest, LogsEndWithTheLastLines) {
    fleet.add("m").log_tail = {"one", "two", "three"};
    EXPECT_EQ(get("/gantry/v1/models/m/logs?tail=2").body, "two\nthree\n");
    EXPECT_EQ(get("/gantry/v1/models/m/logs?tail=x").status, 400);
    EXPECT_EQ(get("/gantry/v1/models/x/logs").status, 404);
}

TEST_F(LifecycleTest, TouchQueueAndDevices) {
    fleet.add("m");
    fleet.stats = bj::parse(R"({"running":2,"waiting":1})");
    ASSERT_EQ(post("/gantry/v1/models/m/touch", R"({"keep_alive":"5m"})").status, 200);
    EXPECT_EQ(fleet.touches.back().second, std::chrono::seconds(300));
    EXPECT_EQ(post("/gantry/v1/models/m/touch", R"({"keep_alive":[]})").status, 400);
    EXPECT_EQ(get("/gantry/v1/queue").json().at("models").at(0).at("running"), 2);
    EXPECT_EQ(get("/gantry/v1/devices").json().at("devices").at(0).at("plugin"), "cpu");
}

/// With the managing fleet in front of the fake one.
class ManagedApiTest : public LifecycleTest {
  protected:
    Reply ask(std::string method, std::string target, std::string body = {}) {
        http::Request request;
        request.method = std::move(method);
        request.target = std::move(target);
        request.body = std::move(body);
        request.peer = "test";
        managed_services.state = &database;
        managed_services.address = "127.0.0.1:9997";
        EXPECT_TRUE(http::split_target(request));
        RecordingResponder responder;
        bool done = false;
        asio::co_spawn(manager_io, managed_router.handle(std::move(request), responder),
                       [&](const std::exception_ptr&) { done = true; });
        while (!done) {
            manager_io.run_one();
        }
        return {responder.response.status, responder.response.headers, responder.response.body, true, 0};
    }

    asio::io_context manager_io;
    std::unique_ptr<fleet::Fleet> managed =
        fleet::make_managed_fleet(manager_io.get_executor(), std::make_unique<FakeFleet>(manager_io.get_executor()),
                                  {&database, std::chrono::seconds(-1)});
    api::Services managed_services{*managed, metrics, catalog};
    api::Router managed_router{managed_services, tables()};
};

TEST_F(ManagedApiTest, ReplicasInXinferencesForms) {
    ASSERT_EQ(ask("POST", "/v1/models", R"({"model_name":"m","model_engine":"auto"})").status, 200);
    const bj::value one = ask("POST", "/v1/models/m/replicas", "null").json();
    EXPECT_EQ(one.at("replica_id"), 1);
    EXPECT_EQ(one.at("replica_model_uid"), "m-rep1");
    const bj::value two = ask("POST", "/v1/models/m/replicas", R"({"replica":2})").json();
    EXPECT_EQ(two.at("replicas").as_array().size(), 2u);
    EXPECT_EQ(ask("GET", "/v1/models/m/replicas").json().as_array().size(), 4u);
    EXPECT_EQ(ask("GET", "/v1/models/m").json().at("replica"), 4);
    EXPECT_EQ(ask("DELETE", "/v1/models/m/replicas/1").json().at("remaining_replicas"), 3);
    EXPECT_EQ(ask("DELETE", "/v1/models/m/replicas/1").status, 400);
    EXPECT_EQ(ask("DELETE", "/v1/models/m/replicas/x").status, 422);
    EXPECT_EQ(ask("POST", "/v1/models/m/replicas", R"({"replica":true})").status, 400);
    EXPECT_EQ(ask("POST", "/v1/models/x/replicas", "null").status, 400);
    EXPECT_EQ(ask("GET", "/v1/models/m/events").json().at(0).at("event_type"), "INFO");
}

TEST_F(ManagedApiTest, AutostartIsTheDesiredSet) {
    ASSERT_EQ(ask("POST", "/v1/models", R"({"model_name":"m","model_engine":"auto"})").status, 200);
    EXPECT_EQ(ask("POST", "/v1/autostart/models", "{}").status, 400);
    const bj::value kept = ask("POST", "/v1/autostart/models", R"({"launch":{"model_name":"n"}})").json();
    EXPECT_EQ(kept.at("launch").at("model_uid"), "n");
    EXPECT_EQ(ask("POST", "/v1/autostart/models", R"({"model_name":"o","model_uid":"p"})").status, 200);
    EXPECT_EQ(ask("GET", "/v1/autostart/models").json().at("models").as_array().size(), 3u);
    EXPECT_EQ(ask("DELETE", "/v1/autostart/models/p").json().at("models").as_array().size(), 2u);
    EXPECT_EQ(ask("DELETE", "/v1/autostart/models/p").status, 200);
    EXPECT_EQ(ask("GET", "/gantry/v1/desired").json().at("models").at(0).at("uid"), "m");
}

TEST_F(ManagedApiTest, AliasesAndReplacements) {
    ASSERT_EQ(ask("POST", "/v1/models", R"({"model_name":"m","model_engine":"auto"})").status, 200);
    ASSERT_EQ(ask("POST", "/gantry/v1/aliases", R"({"name":"gpt-4","uid":"m"})").status, 200);
    EXPECT_EQ(ask("GET", "/gantry/v1/aliases").json().at("aliases").at(0).at("uid"), "m");
    EXPECT_EQ(ask("GET", "/v1/models/gpt-4").status, 200);
    EXPECT_EQ(ask("POST", "/gantry/v1/models/gpt-4/replace", R"({"model_name":"m2"})").status, 200);
    EXPECT_EQ(ask("GET", "/gantry/v1/models/m").json().at("model_name"), "tiny");
    EXPECT_EQ(ask("DELETE", "/gantry/v1/aliases/gpt-4").status, 200);
    EXPECT_EQ(ask("DELETE", "/gantry/v1/aliases/gpt-4").status, 404);
}

TEST_F(LifecycleTest, RegistrationsAreCheckedKeptAndLaunched) {
    const std::string file = ::testing::TempDir() + "gantry-registered-" + std::to_string(::getpid()) + ".gguf";
    std::ofstream(file) << "GGUF";
    const std::string spec = R"({"version":2,"model_name":"mine","model_lang":["en"],"model_ability":["chat"],
        "model_specs":[{"model_format":"ggufv2","model_size_in_billions":"0_5","quantization":"Q4_K","model_uri":")" +
                             file + R"("}]})";
    EXPECT_EQ(registered(spec), "");
    EXPECT_THAT(registered(spec), HasSubstr("conflicts with existing model mine"));
    const bj::value list = get("/v1/model_registrations/LLM").json();
    EXPECT_EQ(list.at(0).at("model_name"), "mine");
    EXPECT_EQ(list.at(0).at("is_builtin"), false);
    EXPECT_EQ(get("/v1/model_registrations/LLM/mine").json().at("version"), 2);
    ASSERT_EQ(post("/v1/models", R"({"model_name":"mine","model_engine":"auto","model_size_in_billions":0.5})").status,
              200);
    EXPECT_EQ(fleet.launches.back().model_path, file);
    EXPECT_EQ(post("/v1/models", R"({"model_name":"mine","quantization":"Q8_0"})").status, 400);
    EXPECT_EQ(call("DELETE", "/v1/model_registrations/LLM/mine").body, "null");
    EXPECT_EQ(call("DELETE", "/v1/model_registrations/LLM/mine").status, 200) << "upstream is content, too";
    EXPECT_EQ(get("/v1/model_registrations/LLM/mine").status, 400);
    std::filesystem::remove(file);
}

TEST_F(LifecycleTest, BadRegistrationsAreRefused) {
    const auto llm = [](const std::string& more, const std::string& name = "x") {
        return R"({"version":2,"model_name":")" + name + R"(","model_lang":["en"],"model_ability":["chat"])" + more +
               "}";
    };
    const std::string specs = R"(,"model_specs":[{"model_format":"ggufv2"}])";
    EXPECT_EQ(registered(llm(specs)), "");
    EXPECT_THAT(registered("{"), HasSubstr("JSON"));
    EXPECT_THAT(registered(R"({"model_name":"y"})"), HasSubstr("version"));
    EXPECT_THAT(registered(llm("", "y")), HasSubstr("model_specs"));
    EXPECT_THAT(registered(llm(R"(,"model_specs":[{"model_format":"ggufv2","quantizations":["q"]}])", "y")),
                HasSubstr("quantizations"));
    EXPECT_THAT(registered(llm(R"(,"model_specs":[{"model_format":"ggufv2","model_uri":"here.gguf"}])", "y")),
                HasSubstr("absolute"));
    for (const char* name : {"", "a b", "a/b", "a?", "a#"}) {
        EXPECT_THAT(registered(llm(specs, name)), HasSubstr("model_name")) << name;
    }
    EXPECT_THAT(registered(R"({"model_name":"v"})", "video"), HasSubstr("Unsupported"));
    for (const char* type : {"embedding", "rerank", "image", "audio", "flexible"}) {
        EXPECT_EQ(registered(std::string(R"({"model_name":"my-)") + type + "\"}", type), "") << type;
    }
    EXPECT_EQ(post("/v1/model_registrations/LLM", R"({"model":{}})").status, 400);
}

TEST_F(LifecycleTest, ARegistrationThatIsNotKeptEndsWithTheServer) {
    EXPECT_EQ(registered(R"({"model_name":"e"})", "embedding", false), "");
    EXPECT_EQ(get("/v1/model_registrations/embedding").json().as_array().size(), 1u);
    services.started += std::chrono::hours(1);
    EXPECT_EQ(get("/v1/model_registrations/embedding").json().as_array().size(), 0u);
}

TEST_F(LifecycleTest, TheClusterCanBeStopped) {
    EXPECT_EQ(call("DELETE", "/v1/clusters").status, 501);
    int stopped = 0;
    services.stop = [&] { ++stopped; };
    EXPECT_EQ(call("DELETE", "/v1/clusters").json().at("result"), true);
    EXPECT_EQ(stopped, 1);
}

}  // namespace
}  // namespace gantry::test
