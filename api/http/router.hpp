#pragma once

/// Finds the route of a request, runs its handler and sends what it returns. Adds request ids, CORS, access log and
/// metrics, which are thus the same for every route.

#include <string>
#include <vector>

#include "api/http/request_meters.hpp"
#include "api/http/route.hpp"
#include "api/http/services.hpp"

namespace gantry::api {

class Router {
  public:
    /// Services must outlive the router. Of two routes that fit, the one with a fixed segment where the other has a
    /// parameter wins.
    Router(Services& services, const std::vector<RouteTable>& tables);

    /// An http::Handler.
    boost::asio::awaitable<void> handle(http::Request request, http::Responder& responder);

    /// An http::RefusalForm: in the form of the route that the request is for.
    http::Response refusal(const http::Request& request, int status, const Error& error) const;

    const std::vector<Route>& routes() const { return routes_; }

  private:
    struct Match {
        const Route* route = nullptr;
        std::vector<std::pair<std::string_view, std::string>> params;
        std::vector<std::string_view> allowed;  ///< methods of the path, when none fits
    };
    Match find(const http::Request& request) const;
    boost::asio::awaitable<void> run(const Match& match, Exchange& exchange);
    http::Response no_route(const Match& match, const http::Request& request) const;

    /// A route with its pattern taken apart.
    struct Entry {
        const Route* route;
        std::vector<std::string_view> segments;
    };

    Services& services_;
    std::vector<Route> routes_;
    std::vector<std::vector<Entry>> by_length_;  ///< at i those with i segments, in the order of routes_
    RequestMeters meters_;
};

}  // namespace gantry::api
