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

struct Route {
    std::string_view method;
    std::string_view pattern;  ///< "/v1/models/{uid}/progress"; a parameter is one whole segment
    Scope scope;
    RouteHandler handler;
    std::string_view summary = {};   ///< one line for /openapi.json
    std::string_view request = {};   ///< the body's schema there; empty: an object of any members
    std::string_view response = {};  ///< the answer's; "stream": server-sent events where the request asks for them
    /// Answers only requests that have this header field, before a route for the same path that is for all.
    std::string_view only_with = {};
};

using RouteTable = std::span<const Route>;

}  // namespace gantry::api
