#pragma once

/// What the routes call.

#include <boost/asio/awaitable.hpp>

#include "api/http/exchange.hpp"
#include "api/http/services.hpp"

namespace gantry::dialects::responses {

using Answer = boost::asio::awaitable<api::Outcome>;

Answer create(api::Services& services, api::Exchange& exchange);
Answer get(api::Services& services, api::Exchange& exchange);
Answer remove(api::Services& services, api::Exchange& exchange);
Answer input_items(api::Services& services, api::Exchange& exchange);
Answer cancel(api::Services& services, api::Exchange& exchange);

}  // namespace gantry::dialects::responses
