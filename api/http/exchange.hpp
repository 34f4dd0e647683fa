#pragma once

/// One request with its answer, as handlers see it.

#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/auth/principal.hpp"
#include "api/http/api_error.hpp"
#include "base/http/server.hpp"
#include "base/trace_context.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::api {

/// The handler has answered through the exchange itself.
struct Streamed {};

/// What a handler leaves to be sent.
using Outcome = std::variant<http::Response, ApiError, Streamed>;

/// What a request had a model generate, for the access log and for traces.
struct GenerationRecord {
    std::string model;
    std::string operation;    ///< "chat" or "text_completion"
    std::string response_id;  ///< "chatcmpl-..."
    engine::SamplingParams sampling;
    std::optional<uint32_t> max_tokens;
    std::vector<std::string> finish_reasons;
    std::chrono::system_clock::time_point begin, end;  ///< end: when the usage came
    std::optional<engine::Usage> usage;                ///< unset where the answer did not become whole
};

/// Lives in the router's coroutine while the handler runs.
class Exchange {
  public:
    Exchange(http::Request r, http::Responder& responder, std::string id);

    http::Request request;
    std::string request_id;
    Principal principal;      ///< who asks; the router has seen to it before a handler runs
    TraceContext trace;       ///< of this request: what it causes elsewhere is a child of trace.span_id
    std::string parent_span;  ///< the caller's; empty where it sent none
    std::vector<std::pair<std::string_view, std::string>> params;  ///< of the route's pattern, decoded
    std::optional<GenerationRecord> generation;
    uint64_t encoded_tokens = 0;  ///< of texts that became vectors or scores, for the caller's quota and the log

    /// A parameter of the pattern; empty when there is none of that name.
    const std::string& param(std::string_view name) const;
    /// The body as a JSON object.
    ApiResult<boost::json::object> json_body() const;
    /// A query value as a boolean (1/0, true/false, yes/no, on/off in any case); 400 for anything else.
    ApiResult<bool> query_flag(std::string_view name, bool standard) const;

    /// Fields of the request that had no effect: they go into X-Gantry-Ignored.
    void ignored(const std::vector<std::string>& fields);
    /// A remark for people, as X-Gantry-Note.
    void note(std::string_view text);
    /// A further header field of the answer.
    void header(std::string_view name, std::string_view value) { extra_.set(name, value); }

    /// A streamed answer. Each waits for the client; a failure means that it is gone.
    boost::asio::awaitable<Status> start(int status, std::string_view content_type);
    boost::asio::awaitable<Status> write(std::string chunk);
    boost::asio::awaitable<Status> finish();
    /// A whole answer; the router does this with what handlers return.
    boost::asio::awaitable<Status> send(http::Response response);

    int status() const { return status_; }  ///< 0 before an answer
    uint64_t bytes() const { return bytes_; }

  private:
    void add_extra(http::Headers& headers) const;

    http::Responder& responder_;
    http::Headers extra_;
    int status_ = 0;
    uint64_t bytes_ = 0;
};

/// 200 with JSON.
http::Response json_response(const boost::json::value& value, int status = 200);

}  // namespace gantry::api
