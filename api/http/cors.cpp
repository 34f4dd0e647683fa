#include "api/http/cors.hpp"

#include <algorithm>

namespace gantry::api {

bool origin_allowed(std::string_view origin, std::span<const std::string> allowed) {
    return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) {
        if (entry == "*" || entry == origin) {
            return true;
        }
        const std::string_view rest = origin.starts_with(entry) ? origin.substr(entry.size()) : std::string_view();
        return rest.size() > 1 && rest[0] == ':' && rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
    });
}

void add_cors(Exchange& exchange, std::span<const std::string> allowed) {
    const auto origin = exchange.request.headers.find("Origin");
    if (origin && origin_allowed(*origin, allowed)) {
        exchange.header("Access-Control-Allow-Origin", *origin);
        exchange.header("Access-Control-Expose-Headers",
                        "X-Request-Id, X-Gantry-Ignored, X-Gantry-Note, Retry-After, "
                        "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
                        "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens");
        exchange.header("Vary", "Origin");
    }
}

http::Response preflight_response(const http::Request& request) {
    http::Response response;
    response.status = 204;
    response.headers.set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    response.headers.set(
        "Access-Control-Allow-Headers",
        request.headers.find("Access-Control-Request-Headers").value_or("Content-Type, Authorization"));
    response.headers.set("Access-Control-Max-Age", "600");
    return response;
}

}  // namespace gantry::api
