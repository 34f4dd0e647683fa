#pragma once

/// UTF-8 and the character properties that Python's str methods look at. All texts are valid UTF-8.

#include <cstddef>
#include <string>
#include <string_view>

namespace gantry::text::jinja {

bool utf8_valid(std::string_view s);
/// Invalid parts become U+FFFD.
std::string utf8_sanitize(std::string_view s);
size_t utf8_length(std::string_view s);
/// The byte offset of code point `index`; the size of `s` when it has no more than `index`.
size_t utf8_offset(std::string_view s, size_t index);
/// The code point at byte `pos`, which moves past it.
char32_t utf8_next(std::string_view s, size_t& pos);
/// The code point that ends at byte `pos`, which moves to its begin.
char32_t utf8_previous(std::string_view s, size_t& pos);
void utf8_append(std::string& out, char32_t c);

bool is_space(char32_t c);     ///< str.isspace, what strip() and split() take away
bool is_line_end(char32_t c);  ///< where splitlines() cuts
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_printable(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);
inline bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }
inline bool is_alnum(char32_t c) { return is_alpha(c) || is_decimal(c) || is_digit(c) || is_numeric(c); }

std::string to_lower(std::string_view s);
std::string to_upper(std::string_view s);
std::string to_title(std::string_view s);  ///< str.title
std::string to_capital(std::string_view s);
std::string swap_case(std::string_view s);
std::string case_fold(std::string_view s);

}  // namespace gantry::text::jinja
