#pragma once

/// W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/): which trace a request belongs to.

#include <optional>
#include <string>
#include <string_view>

namespace gantry {

struct TraceContext {
    std::string trace_id;  ///< 32 lower-case hexadecimal digits, not all 0
    std::string span_id;   ///< 16 of them: the span that a new one is a child of
    bool sampled = true;   ///< whether the caller records this trace

    /// As the header `traceparent`, version 00.
    std::string text() const;
};

/// Reads a `traceparent`; nullopt where it is not one, when a new trace is to be begun. Later versions are read by what
/// they have in common with 00, as the standard demands.
std::optional<TraceContext> parse_traceparent(std::string_view text);

/// `count` random hexadecimal digits, not all 0; 32 for a trace, 16 for a span. Hard to guess is not promised.
std::string random_hex(size_t count);

}  // namespace gantry
