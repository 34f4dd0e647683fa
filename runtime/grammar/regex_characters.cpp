#include "runtime/grammar/regex_characters.hpp"

#include <spdlog/fmt/fmt.h>

#include "runtime/grammar/regex_tree.hpp"

namespace gantry::grammar {
namespace {

int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

}  // namespace

void RegexCharacters::fail_at(size_t at, std::string_view what, std::string hint) {
    if (!error_) {
        error_ = regex_error(text_, at, what, std::move(hint));
    }
    at_ = text_.size();
}

bool RegexCharacters::take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) {
        return false;
    }
    at_ += what.size();
    return true;
}

std::optional<CodepointSet> RegexCharacters::class_escape() {
    const char c = peek();
    std::optional<CodepointSet> out;
    if (c == 'd' || c == 'D') {
        out = CodepointSet::digits();
    } else if (c == 'w' || c == 'W') {
        out = CodepointSet::word();
    } else if (c == 's' || c == 'S') {
        out = CodepointSet::spaces();
    } else if (c == 'p' || c == 'P') {
        return property(c == 'P');
    } else {
        return std::nullopt;
    }
    ++at_;
    return c < 'a' ? out->complement() : *out;
}

CodepointSet RegexCharacters::property(bool negated) {
    const size_t begin = at_++;
    const size_t end = take("{") ? text_.find('}', at_) : at_ + 1;
    if (end == std::string_view::npos || end > text_.size()) {
        fail_at(begin, "\\p needs a category, as \\p{L}");
        return {};
    }
    const std::string_view name = text_.substr(at_, end - at_);
    const auto found = CodepointSet::category(name);
    if (!found) {
        fail_at(begin, fmt::format("the category '{}' is unknown", name), "general categories are: L, Lu, Nd, ...");
        return {};
    }
    at_ = peek(end - at_) == '}' ? end + 1 : end;
    return negated ? found->complement() : *found;
}

char32_t RegexCharacters::escaped_char(size_t begin) {
    if (!more()) {
        fail_at(begin, "the pattern ends in a backslash");
        return 0;
    }
    const char32_t c = take_char();
    switch (c) {
        case 'n':
            return '\n';
        case 't':
            return '\t';
        case 'r':
            return '\r';
        case 'f':
            return '\f';
        case 'v':
            return '\v';
        case 'a':
            return '\a';
        case '0':
            return 0;
        case 'c':
            return control(begin);
        case 'x':
            return take("{") ? braced_hex(begin) : hex(begin, 2);
        case 'u':
            return take("{") ? braced_hex(begin) : surrogate_pair(begin, hex(begin, 4));
        case 'U':
            return hex(begin, 8);
        default:
            break;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9')) {
        fail_at(begin, fmt::format("the escape '\\{}' is unknown", static_cast<char>(c)));
    }
    return c;
}

char32_t RegexCharacters::control(size_t begin) {
    const auto c = static_cast<uint8_t>(peek() | 0x20);
    if (c < 'a' || c > 'z') {
        fail_at(begin, "\\c needs a letter");
        return 0;
    }
    ++at_;
    return c & 0x1Fu;
}

char32_t RegexCharacters::hex(size_t begin, int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
        const int digit = hex_digit(peek());
        if (digit < 0 || value > kLastCodepoint) {
            fail_at(begin, fmt::format("{} hexadecimal digits of a character are needed", digits));
            return 0;
        }
        value = value * 16 + static_cast<char32_t>(digit);
        ++at_;
    }
    return checked(begin, value);
}

char32_t RegexCharacters::braced_hex(size_t begin) {
    char32_t value = 0;
    while (hex_digit(peek()) >= 0 && value <= kLastCodepoint) {
        value = value * 16 + static_cast<char32_t>(hex_digit(text_[at_++]));
    }
    if (!take("}")) {
        fail_at(begin, "hexadecimal digits and '}' are needed");
    }
    return checked(begin, value);
}

char32_t RegexCharacters::checked(size_t begin, char32_t value) {
    if (value > kLastCodepoint) {
        fail_at(begin, "there is no such character");
        return 0;
    }
    return value;
}

char32_t RegexCharacters::surrogate_pair(size_t begin, char32_t first) {
    if (first < 0xD800 || first > 0xDBFF || !take("\\u")) {
        return first;
    }
    const char32_t second = hex(begin, 4);
    if (second < 0xDC00 || second > 0xDFFF) {
        fail_at(begin, "half of a surrogate pair is no character");
    }
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

CodepointSet RegexCharacters::character_class(size_t begin) {
    const bool negated = take("^");
    CodepointSet out;
    for (bool first = true; first || peek() != ']'; first = false) {
        if (!more() || error_) {
            fail_at(begin, "'[' is never closed");
            return {};
        }
        if (first && peek() == ']') {  // Python: itself; ECMAScript: an empty class. Nobody wants the latter
            out.add(U']', U']');
            ++at_;
            continue;
        }
        const size_t at = at_;
        const auto from = class_member(out);
        if (!from || peek() != '-' || peek(1) == ']' || at_ + 1 >= text_.size()) {
            if (from) {
                out.add(*from, *from);
            }
            continue;
        }
        ++at_;
        CodepointSet other;
        const auto to = class_member(other);
        if (!error_ && (!to || *to < *from)) {
            fail_at(at, "this range of characters is the wrong way round");
        } else if (to) {
            out.add(*from, *to);
        }
    }
    ++at_;
    if (options_.ignore_case) {
        out = out.ignoring_case();
    }
    return negated ? out.complement() : out;
}

std::optional<char32_t> RegexCharacters::class_member(CodepointSet& out) {
    const size_t begin = at_;
    if (peek() != '\\') {
        return take_char();
    }
    ++at_;
    if (const auto known = class_escape()) {
        out.add(*known);
        return std::nullopt;
    }
    if (take("b")) {
        return U'\b';
    }
    return escaped_char(begin);
}

}  // namespace gantry::grammar
