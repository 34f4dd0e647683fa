#pragma once

/// Answers in the Responses API's form: one object of output items, whole or as the numbered events that build it.

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "api/dialects/responses/call.hpp"

namespace gantry::dialects::responses {

/// Turns events into the output items of one response: reasoning, message, and one item a call.
class ResponseWriter {
  public:
    ResponseWriter(const Call& call, std::string id);

    const std::string& id() const { return id_; }
    /// response.created and response.in_progress.
    std::string start();
    /// Takes a Delta or Finish; where the call streams, appends the events to send.
    void take(const engine::Event& event, std::string& out);
    /// Ends the response; where the call streams, gives the last event.
    std::string last(const engine::Usage& usage);
    /// Ends a stream that has begun with response.failed.
    std::string failed(const Error& error);
    /// The response as it stands.
    boost::json::object object() const;

  private:
    enum class Kind { kNone, kReasoning, kMessage, kCall };

    std::string event(std::string_view type, boost::json::object data);
    /// The members that say what an event is about: item_id, output_index and for parts content_index.
    boost::json::object place(bool part) const;
    void open(Kind kind, boost::json::object item, std::string& out);
    void close(std::string& out);
    void add(std::string_view type, std::string_view text, const boost::json::array* logprobs, std::string& out);
    void add_call(const engine::ToolCallDelta& part, std::string& out);

    bool stream_, logprobs_;
    std::string id_, model_;
    boost::json::object echo_;
    int64_t created_;
    uint64_t number_ = 0;  ///< of the next event
    Kind kind_ = Kind::kNone;
    uint32_t call_ = 0;  ///< which call the open item is of
    std::string text_;   ///< of the open item, so far
    boost::json::array token_logprobs_;
    boost::json::array output_;
    engine::Finish finish_;
    std::string status_ = "in_progress";
    boost::json::value error_, usage_;
};

}  // namespace gantry::dialects::responses
