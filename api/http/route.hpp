#pragma once

/// Routing as data: a table of what is answered.

#include <boost/asio/awaitable.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "api/http/exchange.hpp"

namespace gantry::api {

struct Services;

/// Parses the request, calls what does the work, renders the answer.
using RouteHandler = boost::asio::awaitable<Outcome> (*)(Services&, Exchange&);

/// Renders an error as the clients of a dialect expect it.
using ErrorForm = http::Response (*)(const ApiError& error, const std::string& request_id);

struct Route {
    std::string_view method;
    std::string_view pattern;  ///< "/v1/models/{uid}/progress"; a parameter is one whole segment
    Scope scope;
    RouteHandler handler;
    std::string_view summary = {};  ///< one line for /openapi.json
    /// Answers only requests that have this header field, before a route for the same path that is for all.
    std::string_view only_with = {};
    /// Of refusals before the handler runs and of errors that it leaves; null: http::error_response().
    ErrorForm error_form = nullptr;
    std::string_view description = {};  ///< its table's; the router sets it
};

/// In the route's form.
http::Response render_error(const Route& route, const ApiError& error, const std::string& request_id);

/// Routes of one origin with what /openapi.json says of them: JSON in the form that openapi.hpp explains.
struct RouteTable {
    std::span<const Route> routes;
    std::string_view description;
};

}  // namespace gantry::api
