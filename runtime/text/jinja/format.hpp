#pragma once

/// The format-spec language, which str.format and `%` share.

#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/jinja/runtime.hpp"

namespace gantry::text::jinja {

/// [[fill]align][sign][z][#][0][width][grouping][.precision][type]
struct FormatSpec {
    std::string fill = " ";
    char align = 0;
    char sign = '-';
    bool alternate = false;
    size_t width = 0;
    char grouping = 0;
    std::optional<int64_t> precision;
    char type = 0;
};

inline bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
/// Digits at `pos`, which moves past them.
size_t parse_count(std::string_view s, size_t& pos);
/// Fills up to the spec's width; `default_align` is for a spec that has none.
std::string pad(const FormatSpec& spec, std::string_view sign, std::string_view body, char default_align);
std::string format_int(const Value& v, const FormatSpec& spec);
std::string format_float(const Value& v, const FormatSpec& spec);

}  // namespace gantry::text::jinja
