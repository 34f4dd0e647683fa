#pragma once

/// JSON written as text, where an object tree for each streamed token would cost too much.

#include <string>
#include <string_view>

namespace gantry::dialects {

/// Appends `text` as a JSON string. Bytes that are no UTF-8 become U+FFFD, so that the output is always valid.
void append_json_string(std::string& out, std::string_view text);

/// Whether the bytes are valid UTF-8.
bool is_utf8(std::string_view text);

}  // namespace gantry::dialects
