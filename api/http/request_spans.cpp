#include "api/http/request_spans.hpp"

#include <algorithm>

namespace gantry::api {

namespace bj = boost::json;
using Time = std::chrono::system_clock::time_point;

namespace {

uint64_t nanoseconds(Time time) {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

Span child_of(const Span& parent, std::string name, uint64_t begin_ns, uint64_t end_ns) {
    Span span;
    span.trace_id = parent.trace_id;
    span.parent_id = parent.span_id;
    span.span_id = random_hex(16);
    span.name = std::move(name);
    span.begin_ns = begin_ns;
    span.end_ns = std::max(begin_ns, end_ns);
    return span;
}

/// https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
Span generation_span(const Span& server, const GenerationRecord& record, Time end) {
    Span span = child_of(server, record.operation + " " + record.model, nanoseconds(record.begin),
                         nanoseconds(record.usage ? record.end : end));
    const auto put = [&](const char* name, bj::value value) { span.attributes.emplace_back(name, std::move(value)); };
    const auto put_if = [&](const char* name, const auto& value) {
        if (value) {
            put(name, bj::value(*value));
        }
    };
    put("gen_ai.operation.name", bj::value(record.operation));
    put("gen_ai.provider.name", "gantry");
    put("gen_ai.request.model", bj::value(record.model));
    put("gen_ai.response.model", bj::value(record.model));
    put("gen_ai.response.id", bj::value(record.response_id));
    put_if("gen_ai.request.temperature", record.sampling.temperature);
    put_if("gen_ai.request.top_p", record.sampling.top_p);
    put_if("gen_ai.request.max_tokens", record.max_tokens);
    put_if("gen_ai.request.seed", record.sampling.seed);
    if (!record.finish_reasons.empty()) {
        put("gen_ai.response.finish_reasons", bj::array(record.finish_reasons.begin(), record.finish_reasons.end()));
    }
    if (record.usage) {
        put("gen_ai.usage.input_tokens", bj::value(record.usage->prompt_tokens));
        put("gen_ai.usage.output_tokens", bj::value(record.usage->completion_tokens));
        put("gen_ai.usage.cache_read.input_tokens", bj::value(record.usage->cached_tokens));
        put("gantry.first_token_seconds", bj::value(record.usage->first_token_seconds));
    }
    return span;
}

}  // namespace

std::vector<Span> request_spans(const Exchange& exchange, const std::string& method, const std::string& route,
                                int status, Time begin, Time end) {
    std::vector<Span> out;
    Span server;
    server.trace_id = exchange.trace.trace_id;
    server.span_id = exchange.trace.span_id;
    server.parent_id = exchange.parent_span;
    server.name = method + " " + route;
    server.kind = SpanKind::kServer;
    server.begin_ns = nanoseconds(begin);
    server.end_ns = nanoseconds(end);
    server.attributes = {{"http.request.method", bj::value(method)},
                         {"http.route", bj::value(route)},
                         {"url.path", bj::value(exchange.request.path)},
                         {"http.response.status_code", bj::value(status)},
                         {"gantry.request_id", bj::value(exchange.request_id)}};
    if (status >= 500) {
        server.error = "HTTP " + std::to_string(status);
    }
    if (const auto& record = exchange.generation) {
        Span generation = generation_span(server, *record, end);
        if (record->usage) {
            const auto ns = [](double seconds) { return static_cast<uint64_t>(std::max(seconds, 0.0) * 1e9); };
            const uint64_t decode = generation.end_ns - std::min(generation.end_ns, ns(record->usage->decode_seconds));
            const uint64_t prefill = decode - std::min(decode, ns(record->usage->prefill_seconds));
            const uint64_t queue = prefill - std::min(prefill, ns(record->usage->queue_seconds));
            out.push_back(child_of(generation, "queue", queue, prefill));
            out.push_back(child_of(generation, "prefill", prefill, decode));
            out.push_back(child_of(generation, "decode", decode, generation.end_ns));
        } else {
            generation.error = "the answer did not become whole";
        }
        out.push_back(std::move(generation));
    }
    out.push_back(std::move(server));
    return out;
}

}  // namespace gantry::api
