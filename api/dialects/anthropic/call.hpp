#pragma once

/// A message as Anthropic's clients ask for it, in the runtime's words.

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "api/http/api_error.hpp"
#include "base/json.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::dialects::anthropic {

struct Call {
    std::string model;  ///< as the client named it
    bool stream = false;
    bool thinking = false;  ///< reasoning is shown; without it, it is left out
    engine::GenerateRequest request;
    std::vector<std::string> ignored;

    const engine::ChatInput& chat() const { return std::get<engine::ChatInput>(request.input); }
};

enum class Purpose { kAnswer, kCount };

/// Decodes POST /v1/messages, or for kCount the body of /v1/messages/count_tokens, which needs no max_tokens. What is
/// not known is listed in `ignored`; what is known, unsupported and would change the answer is refused.
api::ApiResult<Call> decode_call(const boost::json::object& body, Purpose purpose);

/// "system" and "messages" as chat templates expect them: blocks become texts, calls and their results messages of
/// OpenAI's form.
boost::json::array read_messages(json::Reader& reader);

/// "tools" and "tool_choice".
void read_tools(json::Reader& reader, engine::ChatInput& input);

/// An object member as text; empty where it is none.
std::string text_member(const boost::json::object& object, std::string_view name);

}  // namespace gantry::dialects::anthropic
