#include "runtime/grammar/scanner.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "runtime/grammar/codepoints.hpp"

namespace gantry::grammar {
namespace {

int hex_value(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

}  // namespace

bool is_name_char(char c, bool dashes) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (dashes && c == '-');
}

std::string place_in(std::string_view text, size_t position) {
    const std::string_view before = text.substr(0, position);
    const auto line = std::ranges::count(before, '\n') + 1;
    const size_t line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    const auto column = std::ranges::count_if(before.substr(line_begin),
                                              [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }) +
                        1;
    return fmt::format("line {}, column {}", line, column);
}

bool Scanner::take(std::string_view what) {
    if (!rest().starts_with(what)) {
        return false;
    }
    at_ += what.size();
    return true;
}

void Scanner::skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
        ++at_;
    }
}

void Scanner::skip_line() {
    while (more() && peek() != '\n') {
        ++at_;
    }
}

std::string_view Scanner::take_name(bool dashes) {
    const size_t begin = at_;
    while (more() && is_name_char(peek(), dashes)) {
        ++at_;
    }
    return slice(begin, at_);
}

std::optional<uint32_t> Scanner::take_number() {
    constexpr uint32_t kCeiling = 1'000'000'000;
    std::optional<uint32_t> out;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
        out = std::min(out.value_or(0), kCeiling / 10) * 10 + static_cast<uint32_t>(peek() - '0');
    }
    return out;
}

char32_t Scanner::take_char() {
    const auto c = next_codepoint(text_, at_);
    if (!c) {
        fail("this is not valid UTF-8");
    }
    return c.value_or(0);
}

char32_t Scanner::take_hex(int digits) {
    const size_t begin = at_;
    char32_t value = 0;
    int count = 0;
    for (; hex_value(peek()) >= 0 && (digits == 0 || count < digits) && value <= kLastCodepoint; ++count) {
        value = value * 16 + static_cast<char32_t>(hex_value(text_[at_++]));
    }
    if (count == 0 || count < digits) {
        fail_at(begin, digits == 0 ? "hexadecimal digits are needed here"
                                   : fmt::format("{} hexadecimal digits are needed here", digits));
    } else if (value > kLastCodepoint || (value >= 0xD800 && value <= 0xDFFF)) {
        fail_at(begin, "there is no such character");
    }
    return failed() ? 0 : value;
}

char32_t Scanner::take_escape() {
    const char c = peek();
    switch (c) {
        case 'n':
            ++at_;
            return '\n';
        case 't':
            ++at_;
            return '\t';
        case 'r':
            ++at_;
            return '\r';
        case 'f':
            ++at_;
            return '\f';
        case 'v':
            ++at_;
            return '\v';
        case '0':
            ++at_;
            return 0;
        case 'x':
            ++at_;
            return take_hex(2);
        case 'u':
            ++at_;
            return take_hex(4);
        case 'U':
            ++at_;
            return take_hex(8);
        default:
            break;
    }
    if (is_name_char(c, false)) {
        fail(fmt::format("the escape '\\{}' is unknown", c));
        return 0;
    }
    return take_char();
}

void Scanner::fail_at(size_t position, std::string_view what, std::string hint) {
    if (!error_) {
        error_ =
            Error{Code::kInvalidArgument,
                  fmt::format("the grammar goes wrong at {}: {}", place_in(text_, position), what), std::move(hint)};
    }
    at_ = text_.size();
}

}  // namespace gantry::grammar
