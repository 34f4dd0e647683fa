#pragma once

/// Runs a decoded call on the fleet and sends the answer.

#include <boost/asio/awaitable.hpp>

#include "api/dialects/openai/call.hpp"
#include "api/http/exchange.hpp"
#include "api/http/services.hpp"

namespace gantry::dialects::openai {

/// Errors before the first event become an HTTP status; later ones an event of the stream.
boost::asio::awaitable<api::Outcome> run_call(api::Services& services, api::Exchange& exchange, Call call);

}  // namespace gantry::dialects::openai
