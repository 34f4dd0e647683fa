#pragma once

#include <string>
#include <string_view>

namespace gantry::dialects::encode {

/// Appends `bytes` in base64 (RFC 4648, with padding).
void append_base64(std::string_view bytes, std::string& out);

}  // namespace gantry::dialects::encode
