#pragma once

/// A response as OpenAI's Responses API asks for it, in the runtime's words.

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "api/http/api_error.hpp"
#include "base/json.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::dialects::responses {

struct Call {
    std::string model;
    bool stream = false;
    bool store = true;
    bool logprobs = false;
    engine::GenerateRequest request;
    boost::json::array input;  ///< the items of this request
    boost::json::object echo;  ///< fields of the request that the answer repeats
    std::vector<std::string> ignored;
};

/// Decodes POST /v1/responses. `previous` has the items of the conversation that it goes on from. What is not known is
/// listed in `ignored`; what is known, unsupported and would change the answer is refused.
api::ApiResult<Call> decode_call(const boost::json::object& body, const boost::json::array& previous);

/// "input" as items; a string becomes one message of the user. Each item has an id of its own afterwards.
boost::json::array read_input(json::Reader& reader);

/// Items as chat templates expect them: reasoning, text and calls of one answer become one message. An item that is
/// wrong or not supported is an error in the reader; it is the items' beginning, `from` on, that "input" counts from.
boost::json::array to_messages(json::Reader& reader, const boost::json::array& items, size_t from);

/// "tools", "tool_choice", "parallel_tool_calls".
void read_tools(json::Reader& reader, engine::ChatInput& input);

/// An object member as text; empty where it is none.
std::string text_member(const boost::json::object& object, std::string_view name);

/// A prefix with 32 random hexadecimal digits, which nobody guesses.
std::string random_id(std::string_view prefix);

}  // namespace gantry::dialects::responses
