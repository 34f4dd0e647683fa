#include "api/dialects/routes.hpp"
#include "api/dialects/anthropic/handlers.hpp"

namespace gantry::dialects {

namespace {

using api::Scope;
namespace a = anthropic;

/// Every request of Anthropic's clients has it.
constexpr std::string_view kMark = "anthropic-version";

constexpr api::Route kRoutes[] = {
    {"POST", "/v1/messages", Scope::kInference, a::in_form<a::messages>, "Anthropic: answer a conversation"},
    {"POST", "/v1/messages/count_tokens", Scope::kInference, a::in_form<a::count_tokens>,
     "Anthropic: how many tokens a conversation has"},
    {"GET", "/v1/models", Scope::kRead, a::in_form<a::list_models>, "Anthropic: the models", {}, {}, kMark},
    {"GET", "/v1/models/{uid}", Scope::kRead, a::in_form<a::get_model>, "Anthropic: one model", {}, {}, kMark},
};

}  // namespace

api::RouteTable anthropic_routes() { return kRoutes; }

}  // namespace gantry::dialects
