#pragma once

/// Chat messages: checked, and brought into the form that chat templates expect.

#include <boost/json.hpp>

#include "base/json.hpp"

namespace gantry::dialects::openai {

/// Reads "messages": role checked ("developer" becomes "system"), text parts joined by line ends, arguments of earlier
/// tool calls decoded from their JSON text. Other members of a message pass through to the template.
boost::json::array read_messages(json::Reader& reader);

/// Reads "tools" and "tool_choice"; what the template is to see. `ignored` gets what has no effect.
boost::json::array read_tools(json::Reader& reader, std::vector<std::string>& ignored);

}  // namespace gantry::dialects::openai
