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
    Account(Services& services, const Exchange& exchange) : services_(services), exchange_(exchange) {}
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;
    ~Account() {
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
        const int status = done_ ? exchange_.status() : 499;
        services_.metrics
            .counter("gantry_http_requests_total", "Answered requests.",
                     {{"method", method_}, {"route", route_}, {"status", std::to_string(status)}})
            .add();
        services_.metrics
            .histogram("gantry_http_request_seconds", "Time from a request's last byte to its answer's last.",
                       metrics::duration_buckets(), {{"route", route_}})
            .observe(seconds);
        settle(services_, exchange_);
        if (services_.access_log) {
            write_log(status, seconds);
        }
        if (services_.telemetry != nullptr && exchange_.trace.sampled && traced_) {
            send_spans(status);
        }
    }
    /// Label values must be few: the pattern, not the path, and no method of a client's invention.
    void matched(const Route& route) {
        route_ = route.pattern;
        method_ = route.method;
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
        for (Span& span : request_spans(exchange_, method_, route_, status, begin_wall_, now)) {
            services_.telemetry->add(std::move(span));
        }
    }

    Services& services_;
    const Exchange& exchange_;
    std::chrono::system_clock::time_point begin_wall_ = std::chrono::system_clock::now();
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    std::string route_ = "none";
    std::string method_ = "none";
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

Router::Router(Services& services, const std::vector<RouteTable>& tables) : services_(services) {
    for (const RouteTable table : tables) {
        routes_.insert(routes_.end(), table.begin(), table.end());
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
}

Router::Match Router::find(const http::Request& request) const {
    const std::string_view method = request.method, target = request.target;
    // Segments are split before they are decoded: an encoded slash is part of a name.
    const std::vector<std::string_view> given = segments(target.substr(0, target.find_first_of("?#")));
    Match match;
    for (const Route& route : routes_) {
        const std::vector<std::string_view> wanted = segments(route.pattern);
        if (wanted.size() != given.size() || (!route.only_with.empty() && !request.headers.find(route.only_with))) {
            continue;
        }
        std::vector<std::pair<std::string_view, std::string>> params;
        bool fits = true;
        for (size_t i = 0; i < wanted.size() && fits; ++i) {
            auto text = http::percent_decode(given[i]);
            if (is_parameter(wanted[i])) {
                fits = text && !text->empty();
                params.emplace_back(wanted[i].substr(1, wanted[i].size() - 2), text.value_or(""));
            } else {
                fits = text == wanted[i];
            }
        }
        if (!fits) {
            continue;
        }
        if (route.method == method || (method == "HEAD" && route.method == "GET")) {
            match.route = &route;
            match.params = std::move(params);
            return match;
        }
        match.allowed.push_back(route.method);
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
    Account account(services_, exchange);
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
