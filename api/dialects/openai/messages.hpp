#pragma once

/// Chat messages: checked, and brought into the form that chat templates expect.

#include <boost/json.hpp>

#include "base/json.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::dialects::openai {

/// Reads "messages": role checked ("developer" becomes "system"), text parts joined by line ends, arguments of earlier
/// tool calls decoded from their JSON text. Other members of a message pass through to the template.
boost::json::array read_messages(json::Reader& reader);

/// Reads "tools", "tool_choice" and "parallel_tool_calls". With the choice "none" the model is told of no tools.
void read_tools(json::Reader& reader, engine::ChatInput& input);

}  // namespace gantry::dialects::openai
