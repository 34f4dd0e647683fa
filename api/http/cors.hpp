#pragma once

/// Which web pages may call the server from a browser.

#include <span>
#include <string>
#include <string_view>

#include "api/http/exchange.hpp"

namespace gantry::api {

/// Whether `origin` ("http://localhost:3000") is one of `allowed`: "*" is any, an entry without a port is all ports.
bool origin_allowed(std::string_view origin, std::span<const std::string> allowed);

/// Adds the fields that let a browser read the answer, if the request comes from an allowed page.
void add_cors(Exchange& exchange, std::span<const std::string> allowed);

/// The answer to a preflight request.
http::Response preflight_response(const http::Request& request);

}  // namespace gantry::api
