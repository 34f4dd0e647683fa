#pragma once

/// Answers in Anthropic's forms: a message of content blocks, whole or as the events that build it.

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/dialects/anthropic/call.hpp"
#include "base/http/types.hpp"

namespace gantry::dialects::anthropic {

/// {"type": "error", "error": {"type", "message"}, "request_id"}.
boost::json::object error_body(const Error& error, int status, const std::string& request_id);
/// The status that Anthropic's clients expect of an error: 529 where the server has more to do than it can.
int error_status(const Error& error);
/// An api::ErrorForm.
http::Response error_response(const api::ApiError& error, const std::string& request_id);
/// The event that ends a stream that has begun.
std::string error_event(const Error& error, const std::string& request_id);

/// Turns events into the blocks of one message: thinking, text, and one block a call. Where the call streams, into the
/// events that tell of them, from message_start to message_stop.
class MessageWriter {
  public:
    MessageWriter(const Call& call, std::string id);

    /// message_start and a ping.
    std::string start() const;
    /// Takes a Delta or Finish and appends the events to send.
    void take(const engine::Event& event, std::string& out);
    /// The last events.
    std::string last(const engine::Usage& usage);
    /// The message as it stands, with its end.
    boost::json::object whole(const engine::Usage& usage);

  private:
    enum class Kind { kNone, kThinking, kText, kCall };

    void open(Kind kind, boost::json::object block, std::string& out);
    void close(std::string& out);
    void add(std::string_view type, std::string_view member, std::string_view text, std::string& out);
    void add_call(const engine::ToolCallDelta& part, std::string& out);
    boost::json::object message() const;
    boost::json::object ending() const;

    std::string model_, id_;
    std::vector<std::string> stops_;  ///< the caller's; a model may have stop texts of its own
    bool thinking_, stream_;
    Kind kind_ = Kind::kNone;  ///< of the block that is open
    uint32_t call_ = 0;        ///< which call it is of
    std::string text_;         ///< of it, so far
    boost::json::array blocks_;
    engine::Finish finish_;
};

}  // namespace gantry::dialects::anthropic
