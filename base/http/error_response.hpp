#pragma once

/// The one form in which an error leaves over HTTP:
/// {"error": {"message", "type", "param", "code", "hint"}, "detail": message and hint}. OpenAI's clients read the first
/// member, Xinference's show the second alone.

#include <boost/json.hpp>
#include <string_view>

#include "base/http/types.hpp"
#include "base/result.hpp"

namespace gantry::http {

/// OpenAI's word for a kind of error: "invalid_request_error", "server_error", ...
std::string_view error_type(Code code);

/// The "error" member; `param` names the field at fault (null when empty).
boost::json::object error_object(const Error& error, std::string_view param = {});

/// The whole body.
boost::json::object error_body(const Error& error, std::string_view param = {});

/// A response with status_of(error.code), JSON body, Retry-After where a retry makes sense (the
/// seconds of retry_hint(), where the hint has them), and x-should-retry: false
/// where a client library would otherwise repeat in vain.
Response error_response(const Error& error, std::string_view param = {});

/// The same with a status of its own (405, 408, 431, ...).
Response error_response(int status, const Error& error, std::string_view param = {});

/// Reads an error out of a peer's answer: our own form, or anything else with the status.
Error error_from_response(int status, std::string_view body);

}  // namespace gantry::http
