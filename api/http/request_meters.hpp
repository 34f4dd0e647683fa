#pragma once

/// What is counted of each answered request.

#include <unordered_map>
#include <utility>
#include <vector>

#include "api/http/route.hpp"
#include "base/metrics.hpp"

namespace gantry::api {

/// gantry_http_requests_total and gantry_http_request_seconds, found once for each route and status: requests are many,
/// and finding a labelled value costs more than adding to it. Routes and registry must outlive it.
class RequestMeters {
  public:
    explicit RequestMeters(metrics::Registry& registry) : registry_(registry) {}

    /// `route`: null where none has matched. The labels must be few: the pattern, not the path, and no method of a
    /// client's invention.
    void count(const Route* route, int status, double seconds);

  private:
    struct OfRoute {
        metrics::Histogram* seconds = nullptr;
        std::vector<std::pair<int, metrics::Counter*>> answers;  ///< by status
    };
    metrics::Counter& answers(const Route* route, OfRoute& meters, int status);

    metrics::Registry& registry_;
    std::unordered_map<const Route*, OfRoute> routes_;
};

}  // namespace gantry::api
