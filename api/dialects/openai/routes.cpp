#include "api/dialects/routes.hpp"
#include "api/dialects/openai/call.hpp"
#include "api/dialects/openai/generate.hpp"

namespace gantry::dialects {

namespace asio = boost::asio;
using api::Exchange;
using api::Outcome;
using api::Services;

namespace {

using Decode = api::ApiResult<openai::Call> (*)(const boost::json::object&);

asio::awaitable<Outcome> decode_and_run(Services& services, Exchange& exchange, Decode decode) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    auto call = decode(*body);
    if (!call) {
        co_return call.error();
    }
    exchange.request.body.clear();
    exchange.request.body.shrink_to_fit();
    co_return co_await openai::run_call(services, exchange, std::move(*call));
}

asio::awaitable<Outcome> chat(Services& services, Exchange& exchange) {
    return decode_and_run(services, exchange, openai::decode_chat);
}

asio::awaitable<Outcome> completions(Services& services, Exchange& exchange) {
    return decode_and_run(services, exchange, openai::decode_completion);
}

constexpr api::Route kRoutes[] = {
    {"POST", "/v1/chat/completions", api::Scope::kInference, chat},
    {"POST", "/v1/completions", api::Scope::kInference, completions},
};

}  // namespace

api::RouteTable openai_routes() { return kRoutes; }

}  // namespace gantry::dialects
