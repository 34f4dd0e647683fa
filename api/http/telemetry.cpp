#include "api/http/telemetry.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "base/http/client.hpp"
#include "base/log.hpp"
#include "base/version.hpp"

namespace gantry::api {

namespace asio = boost::asio;
namespace bj = boost::json;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr int kAttempts = 3;  ///< then a batch is dropped
constexpr std::chrono::seconds kAnswerTime{10};

bj::object any_value(const bj::value& value) {
    if (value.is_string()) {
        return {{"stringValue", value}};
    }
    if (value.is_bool()) {
        return {{"boolValue", value}};
    }
    if (const bj::array* list = value.if_array()) {
        bj::array values;
        for (const bj::value& one : *list) {
            values.emplace_back(any_value(one));
        }
        return {{"arrayValue", bj::object{{"values", std::move(values)}}}};
    }
    if (value.is_double()) {
        return {{"doubleValue", value}};
    }
    return {{"intValue", std::to_string(value.to_number<int64_t>())}};  // 64-bit numbers are strings in protobuf's JSON
}

bj::object key_value(std::string_view key, const bj::value& value) {
    return {{"key", key}, {"value", any_value(value)}};
}

bj::object span_json(const Span& span) {
    bj::array attributes;
    for (const auto& [key, value] : span.attributes) {
        attributes.emplace_back(key_value(key, value));
    }
    bj::object out{{"traceId", span.trace_id},
                   {"spanId", span.span_id},
                   {"name", span.name},
                   {"kind", static_cast<int>(span.kind)},
                   {"startTimeUnixNano", std::to_string(span.begin_ns)},
                   {"endTimeUnixNano", std::to_string(span.end_ns)},
                   {"attributes", std::move(attributes)}};
    if (!span.parent_id.empty()) {
        out["parentSpanId"] = span.parent_id;
    }
    if (!span.error.empty()) {
        out["status"] = bj::object{{"code", 2}, {"message", span.error}};
    }
    return out;
}

/// "http://host:port/base" into its parts; the port is 4318 where none is given, as OTLP has it.
Status read_url(std::string_view url, bool whole_path, TelemetryOptions& out) {
    constexpr std::string_view kScheme = "http://";
    const auto wrong = [&](const std::string& why) {
        return Error(Code::kInvalidArgument, "the OTLP endpoint \"" + std::string(url) + "\" " + why,
                     "give it as http://host:4318; put a collector on this machine before one that needs TLS");
    };
    if (!url.starts_with(kScheme)) {
        return wrong("is no http:// URL");
    }
    const std::string_view rest = url.substr(kScheme.size());
    std::string host(rest.substr(0, rest.find('/')));
    const size_t colon = host.rfind(':');
    if (colon == std::string::npos || host.find(']', colon) != std::string::npos) {
        host += ":4318";
    }
    auto endpoint = http::Endpoint::parse(host);
    if (!endpoint) {
        return wrong("is not to be read: " + endpoint.error().message);
    }
    out.collector = std::move(*endpoint);
    std::string path(rest.substr(std::min(rest.find('/'), rest.size())));
    if (!whole_path) {
        while (path.ends_with('/')) {
            path.pop_back();
        }
        path += "/v1/traces";
    }
    out.path = path.empty() ? "/" : std::move(path);
    return ok();
}

/// "key=value,key=value", values percent-encoded (W3C Baggage, as OpenTelemetry has it).
void read_headers(std::string_view text, http::Headers& out) {
    while (!text.empty()) {
        const std::string_view pair = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), pair.size() + 1));
        const size_t equals = pair.find('=');
        const auto name = http::percent_decode(pair.substr(0, equals));
        const auto value =
            equals == std::string_view::npos ? std::nullopt : http::percent_decode(pair.substr(equals + 1));
        if (name && value && !name->empty()) {
            out.set(*name, *value);
        }
    }
}

}  // namespace

Result<std::optional<TelemetryOptions>> telemetry_options(
    const config::Config& config, const std::function<std::optional<std::string>(const char*)>& environment) {
    const auto variable = [&](const char* name) { return environment(name).value_or(""); };
    TelemetryOptions out;
    const std::string ours = config.string("telemetry.otlp_endpoint");
    const std::string traces = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    const std::string general = variable("OTEL_EXPORTER_OTLP_ENDPOINT");
    if (!ours.empty()) {
        GANTRY_CHECK_OK(read_url(ours, false, out));
    } else if (variable("OTEL_SDK_DISABLED") == "true" || (traces.empty() && general.empty())) {
        return std::optional<TelemetryOptions>();
    } else {
        GANTRY_CHECK_OK(read_url(traces.empty() ? general : traces, !traces.empty(), out));
    }
    read_headers(variable("OTEL_EXPORTER_OTLP_HEADERS"), out.headers);
    const std::string name = variable("OTEL_SERVICE_NAME");
    const bool named = config.origin("telemetry.service_name") != "default";
    out.service_name = named || name.empty() ? config.string("telemetry.service_name") : name;
    out.queue_limit = static_cast<size_t>(config.integer("telemetry.queue_spans"));
    out.interval = std::chrono::milliseconds(config.integer("telemetry.interval_ms"));
    return std::optional(std::move(out));
}

bj::object otlp_traces(const std::vector<Span>& spans, const std::string& service_name) {
    bj::array all;
    for (const Span& span : spans) {
        all.emplace_back(span_json(span));
    }
    bj::array resource{key_value("service.name", bj::value(service_name)),
                       key_value("service.version", bj::value(kVersion))};
    bj::object scope{{"scope", bj::object{{"name", "gantry"}, {"version", kVersion}}}, {"spans", std::move(all)}};
    bj::object one{{"resource", bj::object{{"attributes", std::move(resource)}}},
                   {"scopeSpans", bj::array{std::move(scope)}}};
    return bj::object{{"resourceSpans", bj::array{std::move(one)}}};
}

struct Telemetry::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::any_io_executor e, TelemetryOptions o, metrics::Registry& metrics)
        : executor(e),
          options(std::move(o)),
          client(e, options.collector),
          exported(counter(metrics, "exported")),
          dropped(counter(metrics, "dropped")),
          timer(e) {}

    static metrics::Counter& counter(metrics::Registry& metrics, const char* result) {
        return metrics.counter("gantry_telemetry_spans_total",
                               "Spans for the OpenTelemetry collector, by what became of them.", {{"result", result}});
    }

    void start() {
        if (!running) {
            running = true;
            asio::co_spawn(
                executor, [self = shared_from_this()] { return self->run(); }, asio::detached);
        }
    }

    /// Lives while spans wait, so that an idle server has no timer of this kind.
    asio::awaitable<void> run() {
        while (!queue.empty() && !over) {
            if (!hurry && queue.size() < options.batch) {
                boost::system::error_code ignored;
                timer.expires_after(options.interval);
                co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            }
            if (!over) {
                co_await send_batch();
            }
        }
        running = false;
    }

    asio::awaitable<void> send_batch() {
        const auto count = static_cast<std::ptrdiff_t>(std::min(queue.size(), options.batch));
        std::vector<Span> spans(std::make_move_iterator(queue.begin()), std::make_move_iterator(queue.begin() + count));
        queue.erase(queue.begin(), queue.begin() + count);
        const std::string body = bj::serialize(otlp_traces(spans, options.service_name));
        std::string why;
        for (int attempt = 1; attempt <= kAttempts && !over; ++attempt) {
            http::Request request;
            request.method = "POST";
            request.path = request.target = options.path;
            request.headers = options.headers;
            request.headers.set("Content-Type", "application/json");
            request.body = body;
            const auto answer = co_await client.request(std::move(request), kAnswerTime);
            if (answer && answer->status < 300) {
                exported.add(static_cast<double>(spans.size()));
                co_return;
            }
            why = answer ? "it answered " + std::to_string(answer->status) : answer.error().message;
            // What the protocol calls retryable; anything else would be refused again.
            const bool again = !answer || answer->status == 429 || (answer->status >= 502 && answer->status <= 504);
            if (!again || hurry || attempt == kAttempts) {
                break;
            }
            boost::system::error_code ignored;
            timer.expires_after(options.interval);
            co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        drop(spans.size());
        if (!complained) {
            complained = true;  // once: a collector that is down should not fill the log
            log::warn("telemetry: spans cannot be delivered to {}: {}", options.collector.text(), why);
        }
    }

    void drop(size_t count) { dropped.add(static_cast<double>(count)); }

    asio::any_io_executor executor;
    TelemetryOptions options;
    http::Client client;
    metrics::Counter& exported;
    metrics::Counter& dropped;
    asio::steady_timer timer;
    std::deque<Span> queue;
    bool running = false, hurry = false, over = false, complained = false;
};

Telemetry::Telemetry(asio::any_io_executor executor, TelemetryOptions options, metrics::Registry& metrics)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), metrics)) {}

Telemetry::~Telemetry() {
    impl_->over = true;
    impl_->timer.cancel();
}

void Telemetry::add(Span span) {
    if (impl_->queue.size() >= impl_->options.queue_limit) {
        impl_->drop(1);
        return;
    }
    impl_->queue.push_back(std::move(span));
    impl_->start();
    if (impl_->queue.size() == impl_->options.batch) {
        impl_->timer.cancel();
    }
}

asio::awaitable<void> Telemetry::flush(std::chrono::milliseconds patience) {
    const auto impl = impl_;
    impl->hurry = true;
    impl->timer.cancel();
    const auto until = std::chrono::steady_clock::now() + patience;
    asio::steady_timer pause(impl->executor);
    while (impl->running && std::chrono::steady_clock::now() < until) {
        pause.expires_after(std::chrono::milliseconds(5));
        co_await pause.async_wait(asio::use_awaitable);
    }
    impl->hurry = false;
}

}  // namespace gantry::api
