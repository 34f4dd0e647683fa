#pragma once

/// Routing as data: a table of what is answered.

#include <boost/asio/awaitable.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "api/http/exchange.hpp"

namespace gantry::api {

struct Services;

/// What a caller needs to be allowed, once there are keys.
enum class Scope { kPublic, kModelsList, kModelsRead, kModelsWrite, kAdmin };

/// Parses the request, calls what does the work, renders the answer.
using RouteHandler = boost::asio::awaitable<Outcome> (*)(Services&, Exchange&);

struct Route {
    std::string_view method;
    std::string_view pattern;  ///< "/v1/models/{uid}/progress"; a parameter is one whole segment
    Scope scope;
    RouteHandler handler;
};

using RouteTable = std::span<const Route>;

}  // namespace gantry::api
