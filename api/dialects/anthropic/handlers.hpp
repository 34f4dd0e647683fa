#pragma once

/// What the routes call. Errors leave in Anthropic's form.

#include <boost/asio/awaitable.hpp>

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

/// A handler whose answers have the header field in which Anthropic's clients look for the request's id.
template <Answer (*handler)(api::Services&, api::Exchange&)>
Answer with_id(api::Services& services, api::Exchange& exchange) {
    exchange.header("request-id", exchange.request_id);
    return handler(services, exchange);
}

}  // namespace gantry::dialects::anthropic
