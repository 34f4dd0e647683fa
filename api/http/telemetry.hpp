#pragma once

/// Traces for OpenTelemetry: finished spans are sent in batches to a collector, as OTLP over HTTP with JSON bodies
/// (https://opentelemetry.io/docs/specs/otlp/). Off unless an endpoint is configured. Used on the io thread.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/config.hpp"
#include "base/http/types.hpp"
#include "base/metrics.hpp"

namespace gantry::api {

enum class SpanKind { kInternal = 1, kServer = 2, kClient = 3 };  ///< OTLP's numbers

/// One finished piece of work. Times are nanoseconds since 1970.
struct Span {
    std::string trace_id, span_id, parent_id;  ///< hexadecimal; parent_id may be empty
    std::string name;
    SpanKind kind = SpanKind::kInternal;
    uint64_t begin_ns = 0, end_ns = 0;
    std::vector<std::pair<std::string, boost::json::value>>
        attributes;     ///< strings, numbers, booleans, lists of strings
    std::string error;  ///< empty: it went well
};

struct TelemetryOptions {
    http::Endpoint collector;
    std::string path = "/v1/traces";
    http::Headers headers;  ///< keys of a hosted collector, say
    std::string service_name = "gantry";
    size_t queue_limit = 4096;  ///< spans that may wait; further ones are dropped and counted
    size_t batch = 512;         ///< spans of one request
    std::chrono::milliseconds interval{5000};
};

/// From the configuration (telemetry.*), then from OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT,
/// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_SDK_DISABLED); nullopt: off.
/// kInvalidArgument for an endpoint that is no http:// URL.
Result<std::optional<TelemetryOptions>> telemetry_options(
    const config::Config& config, const std::function<std::optional<std::string>(const char*)>& environment);

/// The body of one export request.
boost::json::object otlp_traces(const std::vector<Span>& spans, const std::string& service_name);

class Telemetry {
  public:
    /// `metrics` (must outlive it) gets gantry_telemetry_spans_total{result="exported|dropped"}.
    Telemetry(boost::asio::any_io_executor executor, TelemetryOptions options, metrics::Registry& metrics);
    ~Telemetry();

    /// Takes a span; drops it when too many wait. Never blocks.
    void add(Span span);
    /// Sends what waits now, for at most `patience`; the server's way out.
    boost::asio::awaitable<void> flush(std::chrono::milliseconds patience);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace gantry::api
