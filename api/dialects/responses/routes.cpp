#include "api/dialects/routes.hpp"
#include "api/dialects/descriptions.hpp"
#include "api/dialects/responses/handlers.hpp"

namespace gantry::dialects {

namespace {

using api::Scope;
namespace r = responses;

constexpr api::Route kRoutes[] = {
    {"POST", "/v1/responses", Scope::kInference, r::create, "Answer in items, as OpenAI's Responses API"},
    {"GET", "/v1/responses/{id}", Scope::kInference, r::get, "A response that was kept"},
    {"DELETE", "/v1/responses/{id}", Scope::kInference, r::remove, "Forget a response"},
    {"GET", "/v1/responses/{id}/input_items", Scope::kInference, r::input_items, "What a response was asked"},
    {"POST", "/v1/responses/{id}/cancel", Scope::kInference, r::cancel, "End a response that is being made"},
};

}  // namespace

api::RouteTable responses_routes() { return {kRoutes, responses_description()}; }

}  // namespace gantry::dialects
