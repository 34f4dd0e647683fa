#pragma once

/// What the routes call. Errors leave in Anthropic's form.

#include <boost/asio/awaitable.hpp>
#include <variant>

#include "api/dialects/anthropic/render.hpp"
#include "api/http/exchange.hpp"
#include "api/http/services.hpp"

namespace gantry::dialects::anthropic {

using Answer = boost::asio::awaitable<api::Outcome>;

Answer messages(api::Services& services, api::Exchange& exchange);
Answer count_tokens(api::Services& services, api::Exchange& exchange);
Answer list_models(api::Services& services, api::Exchange& exchange);
Answer get_model(api::Services& services, api::Exchange& exchange);

/// The model that a client's name stands for: itself, or what services.anthropic_models maps it to.
std::string target_of(const api::Services& services, const std::string& model);

/// A handler whose errors are told in Anthropic's form, with the header field in which its clients look for the
/// request's id.
template <Answer (*handler)(api::Services&, api::Exchange&)>
Answer in_form(api::Services& services, api::Exchange& exchange) {
    exchange.header("request-id", exchange.request_id);
    api::Outcome outcome = co_await handler(services, exchange);
    if (const auto* failed = std::get_if<api::ApiError>(&outcome)) {
        co_return error_response(*failed, exchange.request_id);
    }
    co_return outcome;
}

}  // namespace gantry::dialects::anthropic
