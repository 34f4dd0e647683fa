#include "api/http/exchange.hpp"

#include <algorithm>

namespace gantry::api {

namespace asio = boost::asio;

namespace {

constexpr size_t kMaxNamed = 24;  ///< ignored fields that are named; the rest is counted

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

/// Printable ASCII only, so that no name or text of a client's can break a header.
std::string header_safe(std::string_view text, size_t limit) {
    std::string out;
    for (const char c : text.substr(0, limit)) {
        out += c >= 0x20 && c < 0x7f ? c : '?';
    }
    return out;
}

}  // namespace

Exchange::Exchange(http::Request r, http::Responder& responder, std::string id)
    : request(std::move(r)), request_id(std::move(id)), responder_(responder) {
    auto caller = parse_traceparent(request.headers.find("traceparent").value_or(""));
    trace.trace_id = caller ? std::move(caller->trace_id) : random_hex(32);
    trace.span_id = random_hex(16);
    trace.sampled = !caller || caller->sampled;
    parent_span = caller ? std::move(caller->span_id) : std::string();
}

const std::string& Exchange::param(std::string_view name) const {
    static const std::string kNone;
    const auto found = std::find_if(params.begin(), params.end(), [&](const auto& p) { return p.first == name; });
    return found == params.end() ? kNone : found->second;
}

ApiResult<boost::json::object> Exchange::json_body() const {
    auto body = json::parse_object(request.body);
    if (!body) {
        return ApiError(body.error());
    }
    return std::move(*body);
}

ApiResult<bool> Exchange::query_flag(std::string_view name, bool standard) const {
    const auto value = request.query_value(name);
    if (!value) {
        return standard;
    }
    const std::string text = lowered(*value);
    for (const std::string_view yes : {"true", "1", "yes", "on"}) {
        if (text == yes) {
            return true;
        }
    }
    for (const std::string_view no : {"false", "0", "no", "off"}) {
        if (text == no) {
            return false;
        }
    }
    return ApiError(Error(Code::kInvalidArgument, "the query value \"" + std::string(name) +
                                                      "\" must be true or false, not " + std::string(*value)),
                    std::string(name));
}

void Exchange::ignored(const std::vector<std::string>& fields) {
    std::string text;
    for (size_t i = 0; i < std::min(fields.size(), kMaxNamed); ++i) {
        text += (text.empty() ? "" : ", ") + http::percent_encode(fields[i].substr(0, 64));
    }
    if (fields.size() > kMaxNamed) {
        text += ", and-" + std::to_string(fields.size() - kMaxNamed) + "-more";
    }
    if (!text.empty()) {
        extra_.set("X-Gantry-Ignored", text);
    }
}

void Exchange::note(std::string_view text) { extra_.set("X-Gantry-Note", header_safe(text, 400)); }

void Exchange::add_extra(http::Headers& headers) const {
    headers.set("X-Request-Id", request_id);
    for (const auto& [name, value] : extra_.all()) {
        headers.set(name, value);
    }
}

asio::awaitable<Status> Exchange::start(int status, std::string_view content_type) {
    status_ = status;
    http::Headers headers;
    headers.set("Content-Type", content_type);
    headers.set("Cache-Control", "no-cache");
    headers.set("X-Accel-Buffering", "no");
    add_extra(headers);
    co_return co_await responder_.start(status, std::move(headers));
}

asio::awaitable<Status> Exchange::write(std::string chunk) {
    bytes_ += chunk.size();
    co_return co_await responder_.write(std::move(chunk));
}

asio::awaitable<Status> Exchange::finish() { co_return co_await responder_.finish(); }

asio::awaitable<Status> Exchange::send(http::Response response) {
    status_ = response.status;
    bytes_ = response.body.size();
    add_extra(response.headers);
    co_return co_await responder_.send(std::move(response));
}

http::Response json_response(const boost::json::value& value, int status) {
    http::Response response;
    response.status = status;
    response.headers.set("Content-Type", "application/json");
    response.body = boost::json::serialize(value);
    return response;
}

}  // namespace gantry::api
