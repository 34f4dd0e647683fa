#include "api/http/router.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/http/admission.hpp"
#include "api/http/cors.hpp"
#include "api/http/request_spans.hpp"
#include "api/http/telemetry.hpp"
#include "base/http/error_response.hpp"
#include "base/log.hpp"
#include "base/text_distance.hpp"

namespace gantry::api {

namespace asio = boost::asio;

namespace {

std::vector<std::string_view> segments(std::string_view path) {
    std::vector<std::string_view> out;
    while (!path.empty()) {
        path.remove_prefix(path.front() == '/' ? 1 : 0);
        const std::string_view part = path.substr(0, path.find('/'));
        path.remove_prefix(part.size());
        out.push_back(part);
    }
    return out;
}

bool is_parameter(std::string_view segment) { return segment.size() > 2 && segment.front() == '{'; }

/// A client's own id is kept if it is harmless in headers and logs.
std::string request_id(const http::Request& request, Services& services) {
    for (const char* name : {"X-Request-Id", "Request-Id"}) {
        const auto given = request.headers.find(name);
        const bool good = given && !given->empty() && given->size() <= 256 &&
                          std::all_of(given->begin(), given->end(), [](char c) { return c > 0x20 && c < 0x7f; });
        if (good) {
            return std::string(*given);
        }
    }
    return "req-" + services.new_id();
}

/// Writes the access log's line and counts, however the request ends; a cancelled one has no status of its own.
class Account {
  public:
    Account(Services& services, RequestMeters& meters, const Exchange& exchange)
        : services_(services), meters_(meters), exchange_(exchange) {}
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;
    ~Account() {
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
        const int status = done_ ? exchange_.status() : 499;
        meters_.count(route_, status, seconds);
        settle(services_, exchange_);
        if (services_.access_log) {
            write_log(status, seconds);
        }
        if (services_.telemetry != nullptr && exchange_.trace.sampled && traced_) {
            send_spans(status);
        }
    }
    void matched(const Route& route) {
        route_ = &route;
        // Not the questions of monitors, which come every few seconds.
        traced_ = route.scope != Scope::kPublic && route.pattern != "/metrics";
    }
    void done() { done_ = true; }

  private:
    void write_log(int status, double seconds) const {
        const http::Request& request = exchange_.request;
        const auto ms = [](double s) { return fmt::format("{:.2f}", s * 1e3); };
        std::vector<log::Field> fields{{"status", std::to_string(status), true},
                                       {"ms", ms(seconds), true},
                                       {"bytes", std::to_string(exchange_.bytes()), true},
                                       {"peer", request.peer},
                                       {"id", exchange_.request_id},
                                       {"trace", exchange_.trace.trace_id}};
        if (!exchange_.principal.key_id.empty()) {
            fields.push_back({"key", exchange_.principal.key_id});
        }
        if (exchange_.encoded_tokens > 0) {
            fields.push_back({"prompt_tokens", std::to_string(exchange_.encoded_tokens), true});
        }
        if (const auto& generation = exchange_.generation) {
            fields.push_back({"model", generation->model});
            if (const auto& usage = generation->usage) {
                fields.push_back({"prompt_tokens", std::to_string(usage->prompt_tokens), true});
                fields.push_back({"cached_tokens", std::to_string(usage->cached_tokens), true});
                fields.push_back({"completion_tokens", std::to_string(usage->completion_tokens), true});
                fields.push_back({"queue_ms", ms(usage->queue_seconds), true});
                fields.push_back({"first_token_ms", ms(usage->first_token_seconds), true});
                fields.push_back({"decode_ms", ms(usage->decode_seconds), true});
            }
        }
        log::write(log::Level::kInfo, fmt::format("{} {}", request.method, request.path), fields);
    }

    void send_spans(int status) const {
        const auto now = std::chrono::system_clock::now();
        const std::string method(route_ != nullptr ? route_->method : "none");
        const std::string pattern(route_ != nullptr ? route_->pattern : "none");
        for (Span& span : request_spans(exchange_, method, pattern, status, begin_wall_, now)) {
            services_.telemetry->add(std::move(span));
        }
    }

    Services& services_;
    RequestMeters& meters_;
    const Exchange& exchange_;
    std::chrono::system_clock::time_point begin_wall_ = std::chrono::system_clock::now();
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    const Route* route_ = nullptr;  ///< null: none has matched
    bool traced_ = true;
    bool done_ = false;
};

}  // namespace

http::Response render_error(const Route& route, const ApiError& error, const std::string& request_id) {
    if (route.error_form != nullptr) {
        return route.error_form(error, request_id);
    }
    return error.status != 0 ? http::error_response(error.status, error.error, error.param)
                             : http::error_response(error.error, error.param);
}

Router::Router(Services& services, const std::vector<RouteTable>& tables)
    : services_(services), meters_(services.metrics) {
    for (const RouteTable& table : tables) {
        for (Route route : table.routes) {
            route.description = table.description;
            routes_.push_back(route);
        }
    }
    const auto shape = [](const Route& route) {
        std::string out;
        for (const std::string_view segment : segments(route.pattern)) {
            out += is_parameter(segment) ? '1' : '0';
        }
        out += route.only_with.empty() ? '1' : '0';  // behind all segments: it decides between equals only
        return out;
    };
    services_.routes = &routes_;
    std::stable_sort(routes_.begin(), routes_.end(),
                     [&](const Route& a, const Route& b) { return shape(a) < shape(b); });
    for (const Route& route : routes_) {
        std::vector<std::string_view> parts = segments(route.pattern);
        by_length_.resize(std::max(by_length_.size(), parts.size() + 1));
        by_length_[parts.size()].push_back({&route, std::move(parts)});
    }
}

Router::Match Router::find(const http::Request& request) const {
    const std::string_view method = request.method;
    // Segments are split before they are decoded: an encoded slash is part of a name.
    const std::vector<std::string_view> given = segments(http::raw_path(request.target));
    Match match;
    if (given.size() >= by_length_.size()) {
        return match;
    }
    std::vector<std::string> decoded;
    decoded.reserve(given.size());
    for (const std::string_view segment : given) {
        auto text = http::percent_decode(segment);
        if (!text) {
            return match;
        }
        decoded.push_back(std::move(*text));
    }
    std::string_view first;  // of the patterns that fit the path
    for (const Entry& entry : by_length_[given.size()]) {
        const Route& route = *entry.route;
        bool fits = route.only_with.empty() || request.headers.find(route.only_with).has_value();
        for (size_t i = 0; i < decoded.size() && fits; ++i) {
            fits = is_parameter(entry.segments[i]) ? !decoded[i].empty() : decoded[i] == entry.segments[i];
        }
        if (!fits) {
            continue;
        }
        if (route.method != method && !(method == "HEAD" && route.method == "GET")) {
            // What a less exact pattern takes belongs to another resource that could have this name.
            if ((first.empty() || first == route.pattern) &&
                std::find(match.allowed.begin(), match.allowed.end(), route.method) == match.allowed.end()) {
                match.allowed.push_back(route.method);
                first = route.pattern;
            }
            continue;
        }
        match.route = &route;
        for (size_t i = 0; i < decoded.size(); ++i) {
            if (const std::string_view name = entry.segments[i]; is_parameter(name)) {
                match.params.emplace_back(name.substr(1, name.size() - 2), decoded[i]);
            }
        }
        return match;
    }
    return match;
}

http::Response Router::no_route(const Match& match, const http::Request& request) const {
    if (!match.allowed.empty()) {
        const std::string allowed = fmt::format("{}", fmt::join(match.allowed, ", "));
        http::Response response = http::error_response(
            405, Error(Code::kInvalidArgument, fmt::format("{} does not take {}", request.path, request.method),
                       fmt::format("it takes {}", allowed)));
        response.headers.set("Allow", allowed);
        return response;
    }
    std::vector<std::string> known;
    for (const Route& route : routes_) {
        known.emplace_back(route.pattern);
    }
    const auto near = nearest_name(request.path, known);
    return http::error_response(Error(Code::kNotFound, fmt::format("there is no {}", request.path),
                                      near ? fmt::format("did you mean {}?", *near) : ""));
}

http::Response Router::refusal(const http::Request& request, int status, const Error& error) const {
    const Match match = find(request);
    std::string id = request_id(request, services_);
    const ApiError told(error, {}, status);
    http::Response response = match.route ? render_error(*match.route, told, id) : http::error_response(status, error);
    response.headers.set("X-Request-Id", id);
    return response;
}

asio::awaitable<void> Router::handle(http::Request request, http::Responder& responder) {
    std::string id = request_id(request, services_);
    Exchange exchange(std::move(request), responder, std::move(id));
    Account account(services_, meters_, exchange);
    add_cors(exchange, services_.cors_origins);
    Match match = find(exchange.request);
    if (exchange.request.method == "OPTIONS" && exchange.request.headers.find("Access-Control-Request-Method")) {
        http::Response preflight = preflight_response(exchange.request);
        (void)co_await exchange.send(std::move(preflight));
    } else if (!match.route) {
        http::Response refusal = no_route(match, exchange.request);
        (void)co_await exchange.send(std::move(refusal));
    } else {
        account.matched(*match.route);
        exchange.params = std::move(match.params);
        if (const auto refusal = admit(services_, *match.route, exchange)) {
            http::Response response = render_error(*match.route, *refusal, exchange.request_id);
            (void)co_await exchange.send(std::move(response));
        } else {
            co_await run(match, exchange);
        }
    }
    account.done();
}

asio::awaitable<void> Router::run(const Match& match, Exchange& exchange) {
    std::string failure;
    try {
        Outcome outcome = co_await match.route->handler(services_, exchange);
        if (auto* response = std::get_if<http::Response>(&outcome)) {
            (void)co_await exchange.send(std::move(*response));
        } else if (auto* error = std::get_if<ApiError>(&outcome)) {
            http::Response response = render_error(*match.route, *error, exchange.request_id);
            (void)co_await exchange.send(std::move(response));
        }
        co_return;
    } catch (const boost::system::system_error& e) {
        if (e.code() == asio::error::operation_aborted) {
            throw;  // the client is gone
        }
        failure = e.what();
    } catch (const std::exception& e) {
        failure = e.what();
    }
    log::error("{} {} failed: {} (request {})", exchange.request.method, exchange.request.path, failure,
               exchange.request_id);
    if (exchange.status() == 0) {
        const ApiError fault(Error(Code::kInternal, "the server failed to answer this request",
                                   "its log says more under request " + exchange.request_id));
        http::Response response = render_error(*match.route, fault, exchange.request_id);
        (void)co_await exchange.send(std::move(response));
    }
}

}  // namespace gantry::api
