#include "base/http/error_response.hpp"

#include "base/http/status_map.hpp"
#include "base/retry.hpp"

namespace gantry::http {
namespace json = boost::json;

std::string_view error_type(Code code) {
    switch (code) {
        case Code::kUnauthenticated:
            return "authentication_error";
        case Code::kPermissionDenied:
            return "permission_error";
        case Code::kNotFound:
            return "not_found_error";
        case Code::kResourceExhausted:
            return "rate_limit_error";
        case Code::kUnavailable:
        case Code::kOutOfMemory:
        case Code::kDeadlineExceeded:
            return "service_unavailable_error";
        case Code::kCancelled:
            return "cancelled_error";
        case Code::kInternal:
            return "server_error";
        default:
            return "invalid_request_error";
    }
}

json::object error_object(const Error& error, std::string_view param) {
    json::object out;
    out["message"] = error.message;
    out["type"] = error_type(error.code);
    out["param"] = param.empty() ? json::value(nullptr) : json::value(param);
    out["code"] = code_name(error.code);
    out["hint"] = error.hint.empty() ? json::value(nullptr) : json::value(error.hint);
    return out;
}

json::object error_body(const Error& error, std::string_view param) {
    json::object out;
    out["error"] = error_object(error, param);
    out["detail"] = error.text();
    return out;
}

Response error_response(int status, const Error& error, std::string_view param) {
    Response response;
    response.status = status;
    response.headers.set("Content-Type", "application/json");
    if (const auto wait = retry_seconds(error.hint)) {
        response.headers.set("Retry-After", std::to_string(*wait));
    } else if (status == 429) {
        response.headers.set("Retry-After", "1");
    } else if (status == 503) {
        response.headers.set("Retry-After", "2");
    } else if (status == 409 || status >= 500) {
        response.headers.set("x-should-retry", "false");
    }
    response.body = json::serialize(error_body(error, param));
    return response;
}

Response error_response(const Error& error, std::string_view param) {
    return error_response(status_of(error.code), error, param);
}

Error error_from_response(int status, std::string_view body) {
    boost::system::error_code failed;
    const json::value value = json::parse(body, failed);
    const auto text = [](const json::object& from, std::string_view key) {
        const json::value* found = from.if_contains(key);
        return found && found->is_string() ? std::string(found->get_string()) : std::string();
    };
    if (!failed && value.is_object()) {
        const json::value* inner = value.get_object().if_contains("error");
        if (inner && inner->is_object()) {
            const json::object& object = inner->get_object();
            const std::string code = text(object, "code");
            const Code known = code_from_name(code);
            const bool ours = known != Code::kInternal || code == code_name(Code::kInternal);
            return Error(ours ? known : code_of(status), text(object, "message"), text(object, "hint"));
        }
    }
    return Error(code_of(status), "answered with status " + std::to_string(status) +
                                      (body.empty() ? std::string() : ": " + std::string(body.substr(0, 300))));
}

}  // namespace gantry::http
