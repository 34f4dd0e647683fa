#pragma once

/// "Try again in n seconds", as the hint of an error says it to people and as Retry-After says it to programs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry {

/// "try again in 12 s": whole seconds, at least 1 and at most an hour.
std::string retry_hint(double seconds);

/// The seconds of a hint that begins like retry_hint()'s.
std::optional<uint32_t> retry_seconds(std::string_view hint);

}  // namespace gantry
