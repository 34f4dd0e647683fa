#include "runtime/text/jinja/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/text/jinja/unicode_special_case.hpp"

namespace gantry::text::jinja {

namespace {

constexpr char32_t kReplacement = 0xFFFD;

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

/// The length of the well-formed sequence at `pos`, or 0.
size_t sequence_at(std::string_view s, size_t pos) {
    utf8proc_int32_t c = 0;
    const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(s.data()) + pos,
                                    static_cast<utf8proc_ssize_t>(std::min<size_t>(s.size() - pos, 4)), &c);
    return n > 0 ? static_cast<size_t>(n) : 0;
}

const SpecialCase* special_case(char32_t c) {
    const auto it = std::ranges::lower_bound(kSpecialCases, c, {}, &SpecialCase::code);
    return it != kSpecialCases.end() && it->code == c ? &*it : nullptr;
}

void append_upper(std::string& out, char32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    } else if (const auto* special = special_case(c)) {
        out += special->upper;
    } else {
        utf8_append(out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
    }
}

void append_title(std::string& out, char32_t c) {
    if (const auto* special = special_case(c)) {
        out += special->title;
    } else {
        utf8_append(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
    }
}

/// A capital sigma is small final sigma at the end of a word.
bool final_sigma(std::string_view s, size_t begin, size_t end) {
    if (begin == 0) {
        return false;
    }
    size_t before = begin;
    if (!is_cased(utf8_previous(s, before))) {
        return false;
    }
    return end == s.size() || !is_cased(utf8_next(s, end));
}

void append_lower(std::string& out, std::string_view s, size_t begin, size_t end, char32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (c == 0x130) {
        out += "i\u0307";
    } else if (c == 0x3A3) {
        utf8_append(out, final_sigma(s, begin, end) ? 0x3C2 : 0x3C3);
    } else {
        utf8_append(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
}

}  // namespace

bool utf8_valid(std::string_view s) {
    for (size_t pos = 0; pos < s.size();) {
        const size_t n = static_cast<unsigned char>(s[pos]) < 0x80 ? 1 : sequence_at(s, pos);
        if (n == 0) {
            return false;
        }
        pos += n;
    }
    return true;
}

std::string utf8_sanitize(std::string_view s) {
    std::string out;
    for (size_t pos = 0; pos < s.size();) {
        const size_t n = sequence_at(s, pos);
        if (n == 0) {
            utf8_append(out, kReplacement);
            ++pos;
        } else {
            out += s.substr(pos, n);
            pos += n;
        }
    }
    return out;
}

size_t utf8_length(std::string_view s) {
    size_t n = 0;
    for (const char c : s) {
        n += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1U : 0U;
    }
    return n;
}

size_t utf8_offset(std::string_view s, size_t index) {
    size_t pos = 0;
    while (index > 0 && pos < s.size()) {
        ++pos;
        while (pos < s.size() && (static_cast<unsigned char>(s[pos]) & 0xC0) == 0x80) {
            ++pos;
        }
        --index;
    }
    return pos;
}

char32_t utf8_next(std::string_view s, size_t& pos) {
    const auto at = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(s[i]) & 0x3F); };
    const auto lead = static_cast<unsigned char>(s[pos]);
    const size_t n = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (s.size() - pos < n) {
        pos = s.size();
        return kReplacement;
    }
    const size_t p = pos;
    pos += n;
    switch (n) {
        case 1:
            return lead;
        case 2:
            return (lead & 0x1FU) << 6 | at(p + 1);
        case 3:
            return (lead & 0x0FU) << 12 | at(p + 1) << 6 | at(p + 2);
        default:
            return (lead & 0x07U) << 18 | at(p + 1) << 12 | at(p + 2) << 6 | at(p + 3);
    }
}

char32_t utf8_previous(std::string_view s, size_t& pos) {
    do {
        --pos;
    } while (pos > 0 && (static_cast<unsigned char>(s[pos]) & 0xC0) == 0x80);
    size_t at = pos;
    return utf8_next(s, at);
}

void utf8_append(std::string& out, char32_t c) {
    utf8proc_uint8_t bytes[4];
    const auto n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
}

bool is_space(char32_t c) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_line_end(char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_alpha(char32_t c) {
    if (c < 0x80) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    const auto k = category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND; }

bool is_digit(char32_t c) {
    return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
           (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247C) ||
           (c >= 0x2488 && c <= 0x2490);
}

bool is_numeric(char32_t c) {
    if (c < 0x80) {
        return c >= '0' && c <= '9';
    }
    const auto k = category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

bool is_printable(char32_t c) {
    if (c < 0x80) {
        return c >= 0x20 && c < 0x7F;
    }
    switch (category(c)) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_CO:
        case UTF8PROC_CATEGORY_CN:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
        case UTF8PROC_CATEGORY_ZS:
            return false;
        default:
            return true;
    }
}

bool is_upper(char32_t c) {
    return c < 0x80
               ? c >= 'A' && c <= 'Z'
               : category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216F) || (c >= 0x24B6 && c <= 0x24CF);
}

bool is_lower(char32_t c) {
    return c < 0x80 ? c >= 'a' && c <= 'z'
                    : category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA || (c >= 0x2170 && c <= 0x217F) ||
                          (c >= 0x24D0 && c <= 0x24E9);
}

bool is_title(char32_t c) { return c >= 0x80 && category(c) == UTF8PROC_CATEGORY_LT; }

std::string to_lower(std::string_view s) {
    std::string out;
    out.reserve(s.size());
    for (size_t pos = 0; pos < s.size();) {
        const size_t begin = pos;
        const char32_t c = utf8_next(s, pos);
        append_lower(out, s, begin, pos, c);
    }
    return out;
}

std::string to_upper(std::string_view s) {
    std::string out;
    out.reserve(s.size());
    for (size_t pos = 0; pos < s.size();) {
        append_upper(out, utf8_next(s, pos));
    }
    return out;
}

std::string to_title(std::string_view s) {
    std::string out;
    bool inside_word = false;
    for (size_t pos = 0; pos < s.size();) {
        const size_t begin = pos;
        const char32_t c = utf8_next(s, pos);
        if (inside_word) {
            append_lower(out, s, begin, pos, c);
        } else {
            append_title(out, c);
        }
        inside_word = is_cased(c);
    }
    return out;
}

std::string to_capital(std::string_view s) {
    std::string out;
    for (size_t pos = 0; pos < s.size();) {
        const size_t begin = pos;
        const char32_t c = utf8_next(s, pos);
        if (begin == 0) {
            append_title(out, c);
        } else {
            append_lower(out, s, begin, pos, c);
        }
    }
    return out;
}

std::string swap_case(std::string_view s) {
    std::string out;
    for (size_t pos = 0; pos < s.size();) {
        const size_t begin = pos;
        const char32_t c = utf8_next(s, pos);
        if (is_upper(c)) {
            append_lower(out, s, begin, pos, c);
        } else if (is_lower(c)) {
            append_upper(out, c);
        } else {
            utf8_append(out, c);
        }
    }
    return out;
}

std::string case_fold(std::string_view s) {
    utf8proc_uint8_t* folded = nullptr;
    const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(s.data()),
                                static_cast<utf8proc_ssize_t>(s.size()), &folded, UTF8PROC_CASEFOLD);
    std::string out(n > 0 ? reinterpret_cast<const char*>(folded) : "", n > 0 ? static_cast<size_t>(n) : 0);
    std::free(folded);
    return out;
}

}  // namespace gantry::text::jinja
