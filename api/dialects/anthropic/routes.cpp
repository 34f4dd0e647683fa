#include "api/dialects/routes.hpp"
#include "api/dialects/anthropic/handlers.hpp"
#include "api/dialects/descriptions.hpp"

namespace gantry::dialects {

namespace {

using api::Scope;
namespace a = anthropic;

/// Every request of Anthropic's clients has it.
constexpr std::string_view kMark = "anthropic-version";

constexpr api::Route route(std::string_view method, std::string_view pattern, Scope scope, api::RouteHandler handler,
                           std::string_view summary, std::string_view only_with = {}) {
    return {method, pattern, scope, handler, summary, only_with, a::error_response};
}

constexpr api::Route kRoutes[] = {
    route("POST", "/v1/messages", Scope::kInference, a::with_id<a::messages>, "Anthropic: answer a conversation"),
    route("POST", "/v1/messages/count_tokens", Scope::kInference, a::with_id<a::count_tokens>,
          "Anthropic: how many tokens a conversation has"),
    route("GET", "/v1/models", Scope::kRead, a::with_id<a::list_models>, "Anthropic: the models", kMark),
    route("GET", "/v1/models/{uid}", Scope::kRead, a::with_id<a::get_model>, "Anthropic: one model", kMark),
};

}  // namespace

api::RouteTable anthropic_routes() { return {kRoutes, anthropic_description()}; }

}  // namespace gantry::dialects
