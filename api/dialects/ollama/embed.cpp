#include <fmt/core.h>

#include <limits>

#include "api/dialects/ollama/handlers.hpp"
#include "api/dialects/ollama/targets.hpp"
#include "runtime/encoder/types.hpp"

namespace gantry::dialects::ollama {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

constexpr size_t kMaxInputs = 8192;

struct EmbedCall {
    std::string model;
    KeepAlive keep_alive;
    encoder::EncodeRequest request;
};

/// "input" of /api/embed is a text or a list of texts, "prompt" of the older /api/embeddings one text.
std::vector<encoder::Input> read_inputs(json::Reader& reader, bool one) {
    const std::string_view name = one ? "prompt" : "input";
    const bj::value* given = reader.any(name);
    if (given != nullptr && given->is_string()) {
        return {encoder::Input(std::string(given->get_string()))};
    }
    std::vector<encoder::Input> out;
    const bj::array* list = given != nullptr && !one ? given->if_array() : nullptr;
    if (list == nullptr || list->size() > kMaxInputs) {
        reader.fail(name,
                    one ? "must be a text" : fmt::format("must be a text or a list of at most {} texts", kMaxInputs));
        return out;
    }
    for (const bj::value& text : *list) {
        if (!text.is_string()) {
            reader.fail(fmt::format("{}[{}]", name, out.size()), "must be a text");
            return out;
        }
        out.emplace_back(std::string(text.get_string()));
    }
    return out;
}

api::ApiResult<EmbedCall> decode(const bj::object& body, bool one, Exchange& exchange) {
    json::Reader reader(body);
    EmbedCall call;
    call.model = reader.string("model").value_or("");
    call.keep_alive = read_keep_alive(reader);
    call.request.inputs = read_inputs(reader, one);
    if (reader.boolean("truncate").value_or(true)) {
        call.request.truncate_prompt_tokens = -1;
    }
    if (const auto dimensions = reader.integer("dimensions", 1, std::numeric_limits<int32_t>::max())) {
        call.request.dimensions = static_cast<uint32_t>(*dimensions);
    }
    if (!reader.status()) {
        return ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    return call;
}

bj::array row_of(const encoder::EncodeResult& result, size_t i) {
    bj::array out;
    out.reserve(result.width);
    for (const float* value = result.row(i); value != result.row(i) + result.width; ++value) {
        out.emplace_back(static_cast<double>(*value));
    }
    return out;
}

bj::object answer_of(const std::string& model, const encoder::EncodeResult& result, const Took& took) {
    bj::array rows;
    for (size_t i = 0; i < result.prompt_tokens.size(); ++i) {
        rows.emplace_back(row_of(result, i));
    }
    return bj::object{{"model", model},
                      {"embeddings", std::move(rows)},
                      {"total_duration", took.total.count()},
                      {"load_duration", took.load.count()},
                      {"prompt_eval_count", result.tokens()}};
}

}  // namespace

Answer embed(Services& services, Exchange& exchange) {
    const auto begin = std::chrono::steady_clock::now();
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    const bool one = exchange.request.target.starts_with("/api/embeddings");
    auto call = decode(*body, one, exchange);
    if (!call) {
        co_return call.error();
    }
    auto target = find_target(services, call->model);
    if (!target) {
        co_return target.error();
    }
    Took took;
    const auto loading = co_await make_ready(services, exchange.principal, *target, call->keep_alive);
    if (!loading) {
        co_return ApiError(loading.error());
    }
    took.load = *loading;
    encoder::EncodeResult result;
    if (!call->request.inputs.empty()) {  // none: the model was only to be loaded
        call->request.id = "embd-" + services.new_id();
        call->request.traceparent = exchange.trace.text();
        auto encoded = co_await services.fleet.encode(target->route, std::move(call->request));
        if (!encoded) {
            co_return ApiError(encoded.error());
        }
        result = std::move(*encoded);
        exchange.encoded_tokens += result.tokens();
    }
    took.total = std::chrono::steady_clock::now() - begin;
    if (one) {
        bj::object answer{{"embedding", result.prompt_tokens.empty() ? bj::array() : row_of(result, 0)}};
        co_return api::json_response(answer);
    }
    const bj::object answer = answer_of(call->model, result, took);
    co_return api::json_response(answer);
}

}  // namespace gantry::dialects::ollama
