#include "api/http/telemetry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <map>

#include "base/log.hpp"

namespace gantry::api {
namespace {

namespace asio = boost::asio;
namespace bj = boost::json;
using ::testing::HasSubstr;
using Variables = std::map<std::string, std::string>;
using Flags = std::vector<std::pair<std::string, std::string>>;

Result<std::optional<TelemetryOptions>> options(Flags flags, Variables variables = {}) {
    config::Sources sources;
    sources.flags = std::move(flags);
    const auto config = config::Config::load(config::gantry_keys(), sources).value();
    return telemetry_options(config, [&](const char* name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
}

TEST(TelemetryOptions, AreOffUnlessAnEndpointIsGiven) {
    EXPECT_FALSE(options({}).value());
    EXPECT_FALSE(options({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", ""}}).value());
    EXPECT_FALSE(options({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1"}, {"OTEL_SDK_DISABLED", "true"}}).value());
}

TEST(TelemetryOptions, ComeFromTheConfigurationThenFromTheEnvironment) {
    struct Case {
        Flags flags;
        Variables variables;
        std::string collector, path, name;
    };
    for (const Case& c : std::vector<Case>{
             {{{"telemetry.otlp_endpoint", "http://h:1"}},
              {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:2"}},
              "h:1",
              "/v1/traces",
              "gantry"},
             {{}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h/base/"}}, "h:4318", "/base/v1/traces", "gantry"},
             {{}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]"}}, "[::1]:4318", "/v1/traces", "gantry"},
             {{},
              {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:3/exactly"}, {"OTEL_SERVICE_NAME", "mine"}},
              "h:3",
              "/exactly",
              "mine"},
             {{{"telemetry.service_name", "ours"}},
              {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h"}, {"OTEL_SERVICE_NAME", "mine"}},
              "h:4318",
              "/v1/traces",
              "ours"}}) {
        const auto read = options(c.flags, c.variables).value();
        ASSERT_TRUE(read);
        EXPECT_EQ(read->collector.text(), c.collector);
        EXPECT_EQ(read->path, c.path);
        EXPECT_EQ(read->service_name, c.name);
    }
    const auto read =
        options({{"telemetry.otlp_endpoint", "http://h"}}, {{"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,x=1,bad"}})
            .value();
    EXPECT_EQ(read->headers.find("api-key"), "a b");
    EXPECT_EQ(read->headers.all().size(), 2u);
}

TEST(TelemetryOptions, RefuseWhatIsNoHttpUrl) {
    for (const char* url : {"https://h:1", "h:4318", "http://", "http://h:x"}) {
        const auto read = options({{"telemetry.otlp_endpoint", url}});
        ASSERT_FALSE(read) << url;
        EXPECT_THAT(read.error().message, HasSubstr(url));
    }
}

TEST(OtlpTraces, HaveTheFormOfProtobufsJson) {
    Span span;
    span.trace_id = "0af7651916cd43dd8448eb211c80319c";
    span.span_id = "b7ad6b7169203331";
    span.name = "work";
    span.kind = SpanKind::kServer;
    span.begin_ns = 1'700'000'000'000'000'001;
    span.end_ns = 1'700'000'000'000'000'002;
    span.attributes = {{"s", "x"}, {"i", bj::value(uint64_t{7})}, {"d", bj::value(0.5)}, {"l", bj::array{"a"}}};
    span.error = "broken";
    const bj::value out = otlp_traces({span}, "me");
    const bj::value& group = out.at("resourceSpans").at(0);
    EXPECT_EQ(group.at("resource").at("attributes").at(0),
              bj::parse(R"({"key":"service.name","value":{"stringValue":"me"}})"));
    const bj::value& made = group.at("scopeSpans").at(0).at("spans").at(0);
    EXPECT_EQ(made.at("kind"), 2);
    EXPECT_EQ(made.at("startTimeUnixNano"), "1700000000000000001");
    EXPECT_EQ(made.at("status"), bj::parse(R"({"code":2,"message":"broken"})"));
    EXPECT_FALSE(made.as_object().contains("parentSpanId"));
    EXPECT_EQ(made.at("attributes"), bj::parse(R"([{"key":"s","value":{"stringValue":"x"}},
        {"key":"i","value":{"intValue":"7"}},{"key":"d","value":{"doubleValue":0.5}},
        {"key":"l","value":{"arrayValue":{"values":[{"stringValue":"a"}]}}}])"));
}

TEST(Telemetry, DropsAndCountsWhatNobodyTakes) {
    log::setup(log::Level::kOff, log::Format::kText);
    asio::io_context io;
    metrics::Registry metrics;
    TelemetryOptions to;
    to.collector = http::Endpoint::parse("unix:/no/such/collector").value();
    to.queue_limit = 3;
    Telemetry telemetry(io.get_executor(), to, metrics);
    for (int i = 0; i < 5; ++i) {
        telemetry.add(Span{});
    }
    EXPECT_THAT(metrics.render(), HasSubstr("gantry_telemetry_spans_total{result=\"dropped\"} 2\n"));
    auto flushed = asio::co_spawn(io, telemetry.flush(std::chrono::seconds(20)), asio::use_future);
    io.run();
    flushed.get();
    EXPECT_THAT(metrics.render(), HasSubstr("gantry_telemetry_spans_total{result=\"dropped\"} 5\n"));
    EXPECT_THAT(metrics.render(), HasSubstr("gantry_telemetry_spans_total{result=\"exported\"} 0\n"));
}

}  // namespace
}  // namespace gantry::api
