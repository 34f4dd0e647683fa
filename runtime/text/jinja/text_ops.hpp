#pragma once

/// The text operations that filters and str methods share.

#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/jinja/runtime.hpp"

namespace gantry::text::jinja {

/// str.strip(chars); blanks when `chars` is null.
std::string_view strip(std::string_view s, const std::string* chars, bool left, bool right);
/// str.replace; count < 0 replaces all.
std::string replace(std::string_view s, std::string_view from, std::string_view to, int64_t count);
/// str.splitlines()
std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends = false);
/// str.split / str.rsplit; null separator: runs of blanks. limit < 0: no limit.
std::vector<std::string_view> split(std::string_view s, const std::string* separator, int64_t limit, bool from_right);
/// str.center / ljust / rjust, by '^', '<', '>'.
std::string justify(std::string_view s, int64_t width, std::string_view fill, char align);
/// textwrap.wrap over one line.
std::vector<std::string> wrap_line(std::string_view line, size_t width, bool break_long_words, bool break_on_hyphens);

}  // namespace gantry::text::jinja
