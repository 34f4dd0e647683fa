#include "api/http/cors.hpp"
#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

using RouterTest = ApiTest;

TEST_F(RouterTest, UnknownPathsAre404AndWrongMethods405WithAllow) {
    const Reply missing = get("/v1/chat/completion");
    EXPECT_EQ(missing.status, 404);
    EXPECT_NE(missing.message().find("/v1/chat/completion"), std::string::npos);
    EXPECT_NE(missing.body.find("did you mean /v1/chat/completions?"), std::string::npos);
    const Reply wrong = call("PUT", "/v1/models");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.header("Allow"), "POST, GET");
    EXPECT_EQ(get("/v1/chat/completions").status, 405);
    EXPECT_EQ(get("/v1/models/a/b/c").status, 404);
    EXPECT_EQ(get("/nothing").status, 404);
}

TEST_F(RouterTest, FixedSegmentsWinAndNamesAreDecoded) {
    fleet.add("a b/c%");
    fleet.add("instances");
    EXPECT_TRUE(get("/v1/models/instances").json().is_array());
    EXPECT_EQ(get("/v1/models/a%20b%2Fc%25").json().at("model_name"), "tiny");
    EXPECT_EQ(call("HEAD", "/v1/models").status, 200);
}

TEST_F(RouterTest, RequestIdsAreKeptOrMade) {
    http::Request request;
    request.target = "/healthz";
    request.headers.set("X-Request-Id", "mine-1");
    EXPECT_EQ(send(request).header("X-Request-Id"), "mine-1");
    request.headers.set("X-Request-Id", "not good");
    EXPECT_TRUE(send(request).header("X-Request-Id").starts_with("req-"));
    EXPECT_NE(get("/healthz").header("X-Request-Id"), get("/healthz").header("X-Request-Id"));
    EXPECT_FALSE(get("/nowhere").header("X-Request-Id").empty());
}

TEST_F(RouterTest, HealthReadinessVersionMetrics) {
    EXPECT_EQ(get("/healthz").status, 200);
    EXPECT_EQ(get("/readyz").status, 200);
    services.draining = true;
    EXPECT_EQ(get("/readyz").status, 503);
    EXPECT_EQ(get("/healthz").status, 200);
    EXPECT_TRUE(get("/version").json().as_object().contains("version"));
    fleet.add("m");
    const Reply reply = get("/metrics");
    EXPECT_NE(reply.body.find("gantry_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 2"),
              std::string::npos)
        << reply.body;
    EXPECT_NE(reply.body.find("gantry_model_ready{model=\"m\"} 1"), std::string::npos);
    EXPECT_NE(reply.body.find("gantry_models{state=\"ready\"} 1"), std::string::npos);
    fleet.models.clear();
    EXPECT_EQ(get("/metrics").body.find("gantry_model_ready{model=\"m\"}"), std::string::npos);
}

TEST_F(RouterTest, MetricsOfTheModelsProcessesCarryTheModelsName) {
    fleet.add("m");
    fleet.add("loading", fleet::State::kLoading);
    fleet.stats = bj::parse(R"({"steps":3,"metrics":[
        {"name":"gantry_engine_steps_total","type":"counter","help":"Steps.","value":3},
        {"name":"gantry_engine_step_seconds","type":"histogram","help":"Time.","bounds":[1],"counts":[2,1],"sum":2.5},
        "nonsense"],"plugin":{"workspace_bytes":7}})");
    const std::string body = get("/metrics").body;
    for (const char* line :
         {"# TYPE gantry_engine_steps_total counter\n", "gantry_engine_steps_total{model=\"m\",replica=\"0\"} 3\n",
          "gantry_engine_step_seconds_bucket{model=\"m\",replica=\"0\",le=\"+Inf\"} 3\n",
          "gantry_engine_step_seconds_sum{model=\"m\",replica=\"0\"} 2.5\n",
          "gantry_plugin_metric{model=\"m\",replica=\"0\",name=\"workspace_bytes\"} 7\n",
          "gantry_model_scraped{model=\"m\",replica=\"0\"} 1\n"}) {
        EXPECT_NE(body.find(line), std::string::npos) << line << body;
    }
    EXPECT_EQ(body.find("gantry_model_scraped{model=\"loading\""), std::string::npos);
}

TEST_F(RouterTest, CorsLetsAllowedPagesIn) {
    http::Request request;
    request.method = "OPTIONS";
    request.target = "/v1/chat/completions";
    request.headers.set("Origin", "http://localhost:3000");
    request.headers.set("Access-Control-Request-Method", "POST");
    request.headers.set("Access-Control-Request-Headers", "content-type");
    const Reply allowed = send(request);
    EXPECT_EQ(allowed.status, 204);
    EXPECT_EQ(allowed.header("Access-Control-Allow-Origin"), "http://localhost:3000");
    EXPECT_EQ(allowed.header("Access-Control-Allow-Headers"), "content-type");
    request.headers.set("Origin", "http://evil.example");
    EXPECT_EQ(send(request).header("Access-Control-Allow-Origin"), "");

    const std::vector<std::string> entries{"http://localhost", "https://a.b:8443"};
    EXPECT_TRUE(api::origin_allowed("http://localhost", entries));
    EXPECT_TRUE(api::origin_allowed("https://a.b:8443", entries));
    EXPECT_FALSE(api::origin_allowed("http://localhost.evil", entries));
    EXPECT_FALSE(api::origin_allowed("http://localhost:x", entries));
    EXPECT_FALSE(api::origin_allowed("https://a.b", entries));
    EXPECT_TRUE(api::origin_allowed("http://any", std::vector<std::string>{"*"}));
}

TEST_F(RouterTest, GantryRoutesShowEverything) {
    auto& model = fleet.add("m", fleet::State::kFailed);
    model.error = Error(Code::kDataLoss, "bad file", "get another");
    model.log_tail = {"line"};
    model.stage = "map";
    model.bytes_done = 5;
    const bj::value list = get("/gantry/v1/models").json();
    const bj::object& shown = list.at("models").at(0).as_object();
    EXPECT_EQ(shown.at("state"), "failed");
    EXPECT_EQ(shown.at("error").at("message"), "bad file");
    EXPECT_EQ(shown.at("log_tail").at(0), "line");
    EXPECT_EQ(shown.at("bytes_done"), 5);
    EXPECT_EQ(list.at("memory").at("reserved"), 300);
    EXPECT_EQ(get("/gantry/v1/models/m").json().at("uid"), "m");
    EXPECT_EQ(get("/gantry/v1/models/x").status, 404);
    EXPECT_EQ(get("/gantry/v1/backends").json().at("plugins").at(0).at("id"), "cpu");
    const bj::value passed = post("/gantry/v1/models/m/tokenize", R"({"text":"hi"})").json();
    EXPECT_EQ(passed.at("path"), "/tokenize");
    EXPECT_EQ(passed.at("body").at("text"), "hi");
    EXPECT_EQ(post("/gantry/v1/models/m/template", "{").status, 400);
    EXPECT_EQ(post("/gantry/v1/models/x/detokenize", "{}").status, 404);
}

}  // namespace
}  // namespace gantry::test
