#include "api/http/request_meters.hpp"

#include <string>

namespace gantry::api {
namespace {

std::string pattern_of(const Route* route) { return route == nullptr ? "none" : std::string(route->pattern); }

}  // namespace

metrics::Counter& RequestMeters::answers(const Route* route, OfRoute& meters, int status) {
    for (const auto& [known, counter] : meters.answers) {
        if (known == status) {
            return *counter;
        }
    }
    metrics::Counter& made = registry_.counter("gantry_http_requests_total", "Answered requests.",
                                               {{"method", route == nullptr ? "none" : std::string(route->method)},
                                                {"route", pattern_of(route)},
                                                {"status", std::to_string(status)}});
    meters.answers.emplace_back(status, &made);
    return made;
}

void RequestMeters::count(const Route* route, int status, double seconds) {
    OfRoute& meters = routes_[route];
    if (meters.seconds == nullptr) {
        meters.seconds =
            &registry_.histogram("gantry_http_request_seconds", "Time from a request's last byte to its answer's last.",
                                 metrics::duration_buckets(), {{"route", pattern_of(route)}});
    }
    meters.seconds->observe(seconds);
    answers(route, meters, status).add();
}

}  // namespace gantry::api
