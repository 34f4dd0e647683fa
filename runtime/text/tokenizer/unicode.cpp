#include "runtime/text/tokenizer/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <span>

#include "runtime/text/tokenizer/unicode_exceptions.hpp"

namespace gantry::text::tok {
namespace {

uint8_t byte_at(std::string_view s, size_t pos) { return static_cast<uint8_t>(s[pos]); }

/// Length by first byte and the allowed range of the second (Unicode table 3-7); length 0 for a byte that starts
/// nothing.
struct Lead {
    uint8_t length, second_min, second_max;
};

Lead lead_of(uint8_t b) {
    if (b < 0x80) return {1, 0, 0};
    if (b < 0xC2) return {0, 0, 0};
    if (b < 0xE0) return {2, 0x80, 0xBF};
    if (b < 0xF0)
        return {3, static_cast<uint8_t>(b == 0xE0 ? 0xA0 : 0x80), static_cast<uint8_t>(b == 0xED ? 0x9F : 0xBF)};
    if (b < 0xF5)
        return {4, static_cast<uint8_t>(b == 0xF0 ? 0x90 : 0x80), static_cast<uint8_t>(b == 0xF4 ? 0x8F : 0xBF)};
    return {0, 0, 0};
}

bool in_ranges(std::span<const CodeRange> ranges, char32_t c) {
    const auto it = std::ranges::lower_bound(ranges, c, {}, &CodeRange::last);
    return it != ranges.end() && it->first <= c;
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

void append_normalized(std::string& out, std::string_view text, NormalForm form) {
    if (text.empty()) return;
    const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
    const bool compat = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
    const auto options = static_cast<utf8proc_option_t>(
        UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compat ? UTF8PROC_COMPAT : 0));
    utf8proc_uint8_t* raw = nullptr;
    const utf8proc_ssize_t length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                                 static_cast<utf8proc_ssize_t>(text.size()), &raw, options);
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(raw, &std::free);
    if (length < 0) {
        out.append(text);  // out of memory in the library, or a length past its limits: leave the text as it is
    } else {
        out.append(reinterpret_cast<const char*>(raw), static_cast<size_t>(length));
    }
}

}  // namespace

Utf8Step step_utf8(std::string_view s, size_t pos) {
    using Kind = Utf8Step::Kind;
    const uint8_t first = byte_at(s, pos);
    const Lead lead = lead_of(first);
    if (lead.length == 1) return {Kind::kCharacter, 1, first};
    if (lead.length == 0) return {Kind::kInvalid, 1, 0};
    char32_t code = first & (0xFFu >> (lead.length + 1));
    for (uint8_t i = 1; i < lead.length; ++i) {
        if (pos + i >= s.size()) return {Kind::kCutOff, i, 0};
        const uint8_t b = byte_at(s, pos + i);
        const uint8_t min = i == 1 ? lead.second_min : 0x80;
        const uint8_t max = i == 1 ? lead.second_max : 0xBF;
        if (b < min || b > max) return {Kind::kInvalid, i, 0};
        code = (code << 6) | (b & 0x3Fu);
    }
    return {Kind::kCharacter, lead.length, code};
}

size_t utf8_length(char first_byte) {
    const auto b = static_cast<uint8_t>(first_byte);
    return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

char32_t decode_utf8(std::string_view valid, size_t pos, size_t& size) {
    const uint8_t first = byte_at(valid, pos);
    if (first < 0x80) {
        size = 1;
        return first;
    }
    size = std::min(utf8_length(valid[pos]), valid.size() - pos);
    char32_t code = first & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; ++i) {
        code = (code << 6) | (byte_at(valid, pos + i) & 0x3Fu);
    }
    return code;
}

void append_utf8(std::string& out, char32_t code) {
    const auto put = [&out](char32_t bits) { out.push_back(static_cast<char>(static_cast<uint8_t>(bits))); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | (code >> 6));
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3F));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    }
}

bool is_ascii(std::string_view s) {
    return std::ranges::all_of(s, [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

bool is_valid_utf8(std::string_view s) {
    for (size_t pos = 0; pos < s.size();) {
        const Utf8Step step = step_utf8(s, pos);
        if (step.kind != Utf8Step::Kind::kCharacter) return false;
        pos += step.size;
    }
    return true;
}

void append_lossy(std::string& out, std::string_view s) {
    size_t good = 0;  // s[good, pos) is valid and not yet copied
    for (size_t pos = 0; pos < s.size();) {
        const Utf8Step step = step_utf8(s, pos);
        if (step.kind != Utf8Step::Kind::kCharacter) {
            out.append(s.substr(good, pos - good)).append(kReplacement);
            good = pos + step.size;
        }
        pos += step.size;
    }
    out.append(s.substr(good));
}

size_t incomplete_suffix(std::string_view s) {
    for (size_t length = 1; length <= std::min<size_t>(3, s.size()); ++length) {
        const size_t pos = s.size() - length;
        if ((byte_at(s, pos) & 0xC0) == 0x80) continue;
        const Utf8Step step = step_utf8(s, pos);
        return step.kind == Utf8Step::Kind::kCutOff ? length : 0;
    }
    return 0;
}

bool is_white_space(char32_t c) {
    if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_numeric(char32_t c) {
    if (c < 0x80) return c >= '0' && c <= '9';
    const auto cat = category(c);
    return cat == UTF8PROC_CATEGORY_ND || cat == UTF8PROC_CATEGORY_NL || cat == UTF8PROC_CATEGORY_NO;
}

bool is_ascii_punctuation(char32_t c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool is_punctuation(char32_t c) {
    if (c < 0x80) return is_ascii_punctuation(c);
    const auto cat = category(c);
    const bool punctuation = cat >= UTF8PROC_CATEGORY_PC && cat <= UTF8PROC_CATEGORY_PO;
    return punctuation != in_ranges({kPunctuationDiffers, kPunctuationDiffersCount}, c);
}

bool is_control_or_format(char32_t c) {
    if (c < 0x80) return c < 0x20 || c == 0x7F;
    const auto cat = category(c);
    const bool control = cat == UTF8PROC_CATEGORY_CC || cat == UTF8PROC_CATEGORY_CF || cat == UTF8PROC_CATEGORY_CO;
    return control != in_ranges({kControlDiffers, kControlDiffersCount}, c);
}

bool is_nonspacing_mark(char32_t c) {
    if (c < 0x300) return false;
    return (category(c) == UTF8PROC_CATEGORY_MN) != in_ranges({kNonspacingDiffers, kNonspacingDiffersCount}, c);
}

bool is_mark(char32_t c) {
    if (c < 0x300) return false;
    const auto cat = category(c);
    const bool mark = cat >= UTF8PROC_CATEGORY_MN && cat <= UTF8PROC_CATEGORY_ME;
    return mark != in_ranges({kMarkDiffers, kMarkDiffersCount}, c);
}

bool is_word(char32_t c) {
    if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9)) return true;  // joiners; circled letters
    if ((c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189)) return true;
    const auto cat = category(c);
    return (cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_ME) || cat == UTF8PROC_CATEGORY_ND ||
           cat == UTF8PROC_CATEGORY_NL || cat == UTF8PROC_CATEGORY_PC;
}

void append_lower(std::string& out, char32_t c) {
    if (c < 0x80) {
        out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
    } else if (c == 0x130) {
        out.append("i\xCC\x87");
    } else {
        append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
}

std::string normalize_form(std::string_view text, NormalForm form) {
    // Nothing below U+0300 changes under NFC, nothing in ASCII under any form.
    const uint8_t first_changing = form == NormalForm::kNfc ? 0xCC : 0x80;
    if (std::ranges::all_of(text, [&](char c) { return static_cast<uint8_t>(c) < first_changing; })) {
        return std::string(text);
    }
    std::string out;
    out.reserve(text.size() + text.size() / 2);
    size_t done = 0;
    for (size_t pos = 0, size = 0; pos < text.size(); pos += size) {
        if (static_cast<uint8_t>(text[pos]) < 0x80) {
            size = 1;
        } else if (in_ranges({kNormalizationNewer, kNormalizationNewerCount}, decode_utf8(text, pos, size))) {
            append_normalized(out, text.substr(done, pos - done), form);
            out.append(text.substr(pos, size));
            done = pos + size;
        }
    }
    append_normalized(out, text.substr(done), form);
    return out;
}

size_t grapheme_length(std::string_view valid, size_t pos) {
    size_t size = 0;
    auto previous = static_cast<utf8proc_int32_t>(decode_utf8(valid, pos, size));
    size_t end = pos + size;
    utf8proc_int32_t state = 0;
    while (end < valid.size()) {
        if (previous != '\r' && previous < 0x80 && static_cast<uint8_t>(valid[end]) < 0x80) break;
        const auto next = static_cast<utf8proc_int32_t>(decode_utf8(valid, end, size));
        if (utf8proc_grapheme_break_stateful(previous, next, &state)) break;
        previous = next;
        end += size;
    }
    return end - pos;
}

}  // namespace gantry::text::tok
