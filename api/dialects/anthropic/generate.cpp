#include <fmt/core.h>

#include "api/dialects/anthropic/handlers.hpp"
#include "api/http/generation_events.hpp"

namespace gantry::dialects::anthropic {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Outcome;
using api::Services;

namespace {

/// Events that are ready together are gathered up to so many bytes before they are written.
constexpr size_t kWriteSize = 32 * 1024;

asio::awaitable<Outcome> answer_whole(Exchange& exchange, Call call, std::string id, api::GenerationEvents events) {
    MessageWriter writer(call, std::move(id));
    std::string nothing;
    while (true) {
        const auto step = co_await events.next();
        if (step.error) {
            co_return ApiError(*step.error);
        }
        if (const auto* usage = std::get_if<engine::Usage>(&step.event)) {
            exchange.ignored(call.ignored);
            co_return api::json_response(writer.whole(*usage));
        }
        writer.take(step.event, nothing);
    }
}

asio::awaitable<Outcome> answer_stream(Exchange& exchange, Call call, std::string id, api::GenerationEvents events) {
    MessageWriter writer(call, std::move(id));
    std::string pending;
    bool started = false;
    for (bool whole = false; !whole;) {
        const auto step = co_await events.next();
        if (step.error && !started) {
            co_return ApiError(*step.error);
        }
        if (!started) {
            started = true;
            exchange.ignored(call.ignored);
            if (!co_await exchange.start(200, "text/event-stream; charset=utf-8")) {
                co_return api::Streamed{};
            }
            pending = writer.start();
        }
        if (step.error) {
            pending += error_event(*step.error, exchange.request_id);
            whole = true;
        } else if (const auto* usage = std::get_if<engine::Usage>(&step.event)) {
            pending += writer.last(*usage);
            whole = true;
        } else {
            writer.take(step.event, pending);
        }
        const bool more = !whole && pending.size() < kWriteSize && events.ready();
        if (!pending.empty() && !more) {
            std::string text = std::exchange(pending, std::string());
            if (!co_await exchange.write(std::move(text))) {
                co_return api::Streamed{};
            }
        }
    }
    (void)co_await exchange.finish();
    co_return api::Streamed{};
}

api::ApiResult<Call> decode(Exchange& exchange, Purpose purpose) {
    auto body = exchange.json_body();
    if (!body) {
        return body.error();
    }
    auto call = decode_call(*body, purpose);
    exchange.request.body.clear();
    exchange.request.body.shrink_to_fit();
    return call;
}

}  // namespace

/// A name as it is, or with what begins like it ("name*").
std::string target_of(const Services& services, const std::string& model) {
    for (const auto& [pattern, target] : services.anthropic_models) {
        const bool open = pattern.ends_with('*');
        if (pattern == model || (open && model.starts_with(pattern.substr(0, pattern.size() - 1)))) {
            return target;
        }
    }
    return model;
}

Answer messages(Services& services, Exchange& exchange) {
    auto call = decode(exchange, Purpose::kAnswer);
    if (!call) {
        co_return call.error();
    }
    std::string target = target_of(services, call->model);
    std::string id = "msg_" + services.new_id();
    api::GenerationName name{call->model, "chat", id};
    auto events = co_await api::begin_generation(services, exchange, std::move(target), std::move(name), call->request);
    if (!events) {
        co_return ApiError(events.error());
    }
    if (call->stream) {
        co_return co_await answer_stream(exchange, std::move(*call), std::move(id), std::move(*events));
    }
    co_return co_await answer_whole(exchange, std::move(*call), std::move(id), std::move(*events));
}

Answer count_tokens(Services& services, Exchange& exchange) {
    const auto call = decode(exchange, Purpose::kCount);
    if (!call) {
        co_return call.error();
    }
    const auto route = services.fleet.route(target_of(services, call->model));
    if (!route) {
        co_return ApiError(route.error());
    }
    bj::object variables = call->chat().template_kwargs;
    variables["messages"] = call->chat().messages;
    variables["add_generation_prompt"] = true;
    if (!call->chat().tools.empty()) {
        variables["tools"] = call->chat().tools;
    }
    bj::value body = std::move(variables);
    std::string path = "/template";
    const auto rendered = co_await services.fleet.call(route->first, std::move(path), std::move(body));
    if (!rendered) {
        co_return ApiError(rendered.error());
    }
    body = bj::object{{"text", rendered->at("prompt")}, {"add_special", false}, {"parse_special", true}};
    path = "/tokenize";
    const auto tokens = co_await services.fleet.call(route->first, std::move(path), std::move(body));
    if (!tokens) {
        co_return ApiError(tokens.error());
    }
    co_return api::json_response(bj::object{{"input_tokens", tokens->at("ids").as_array().size()}});
}

}  // namespace gantry::dialects::anthropic
