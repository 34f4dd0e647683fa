#include "runtime/engine/json_text.hpp"

#include <cmath>

#include "runtime/engine/utf8.hpp"

namespace gantry::engine {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

void append_escaped(char c, std::string& out) {
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default: {
            constexpr std::string_view kHex = "0123456789abcdef";
            const auto byte = static_cast<unsigned char>(c);
            out += "\\u00";
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        }
    }
}

void append_utf8(uint32_t c, std::string& out) {
    const auto tail = [&](uint32_t shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | (c >> 6));
        tail(0);
    } else if (c < 0x10000) {
        out += static_cast<char>(0xE0 | (c >> 12));
        tail(6);
        tail(0);
    } else {
        out += static_cast<char>(0xF0 | (c >> 18));
        tail(12);
        tail(6);
        tail(0);
    }
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
    out += '"';
    for (size_t i = 0; i < text.size();) {
        size_t run = i;
        while (run < text.size() && is_plain(text[run])) {
            ++run;
        }
        out.append(text, i, run - i);
        i = run;
        if (i == text.size()) {
            break;
        }
        if (static_cast<unsigned char>(text[i]) < 0x80) {
            append_escaped(text[i++], out);
            continue;
        }
        const size_t length = utf8_length(text.substr(i));
        out += length > 0 ? text.substr(i, length) : kReplacement;
        i += length > 0 ? length : 1;
    }
    out += '"';
}

void append_json_number(double value, std::string& out) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
    out.append(buffer, end);
}

bool JsonReader::fail(std::string_view what) {
    if (!error_) {
        error_ = std::string(what) + " at byte " + std::to_string(at_);
    }
    return false;
}

void JsonReader::white_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
        ++at_;
    }
}

bool JsonReader::expect(char c) {
    white_space();
    if (failed() || at_ >= text_.size() || text_[at_] != c) {
        return fail(std::string("expected '") + c + "'");
    }
    ++at_;
    return true;
}

bool JsonReader::open(char bracket) {
    if (!expect(bracket)) {
        return false;
    }
    return ++depth_ <= kMaxDepth || fail("nested too deeply");
}

bool JsonReader::next(char bracket, bool first) {
    white_space();
    if (failed()) {
        return false;
    }
    if (at_ < text_.size() && text_[at_] == bracket) {
        ++at_;
        return false;
    }
    return first ? at_ < text_.size() || fail("cut short") : expect(',');
}

bool JsonReader::close() {
    --depth_;
    return !failed();
}

bool JsonReader::string(std::string& out) {
    out.clear();
    if (!expect('"')) {
        return false;
    }
    while (at_ < text_.size()) {
        size_t run = at_;
        while (run < text_.size() && is_plain(text_[run])) {
            ++run;
        }
        out.append(text_, at_, run - at_);
        at_ = run;
        if (at_ == text_.size()) {
            break;
        }
        const char c = text_[at_];
        if (c == '"') {
            ++at_;
            return true;
        }
        if (c == '\\') {
            if (!escape(out)) {
                return false;
            }
            continue;
        }
        const size_t length = utf8_length(text_.substr(at_));
        if (length <= 1) {  // a control character, or not UTF-8
            return fail("a character that may not stand in a string");
        }
        out.append(text_, at_, length);
        at_ += length;
    }
    return fail("a string is cut short");
}

std::optional<uint32_t> JsonReader::hex4() {
    uint32_t value = 0;
    if (text_.size() - at_ < 4) {
        return std::nullopt;
    }
    const char* const begin = text_.data() + at_;
    const auto [end, ec] = std::from_chars(begin, begin + 4, value, 16);
    if (ec != std::errc() || end != begin + 4) {
        return std::nullopt;
    }
    at_ += 4;
    return value;
}

bool JsonReader::escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    ++at_;
    if (at_ >= text_.size()) {
        return fail("a string is cut short");
    }
    const char letter = text_[at_++];
    if (const size_t i = kLetters.find(letter); i != std::string_view::npos) {
        out += kMeanings[i];
        return true;
    }
    auto unit = letter == 'u' ? hex4() : std::nullopt;
    if (!unit) {
        return fail("an unknown escape");
    }
    if (*unit >= 0xD800 && *unit < 0xE000) {
        const bool high = *unit < 0xDC00 && text_.substr(at_, 2) == "\\u";
        at_ += high ? 2 : 0;
        const auto low = high ? hex4() : std::nullopt;
        if (!low || *low < 0xDC00 || *low >= 0xE000) {
            return fail("half a surrogate pair");
        }
        unit = 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00);
    }
    append_utf8(*unit, out);
    return true;
}

std::string_view JsonReader::number_token() {
    white_space();
    size_t end = at_;
    while (end < text_.size() && (std::string_view("+-.eE").find(text_[end]) != std::string_view::npos ||
                                  (text_[end] >= '0' && text_[end] <= '9'))) {
        ++end;
    }
    const std::string_view token = text_.substr(at_, end - at_);
    const size_t digits = token.starts_with('-') ? 1 : 0;
    if (failed() || token.size() == digits || token[digits] < '0' || token[digits] > '9') {
        fail("expected a number");
        return {};
    }
    at_ = end;
    return token;
}

bool JsonReader::number(double& out) {
    const std::string_view token = number_token();
    if (failed()) {
        return false;
    }
    const auto [end, ec] = std::from_chars(token.data(), token.data() + token.size(), out);
    return (ec == std::errc() && end == token.data() + token.size()) || fail("not a number in range");
}

bool JsonReader::literal(std::string_view word) {
    white_space();
    if (failed() || text_.substr(at_, word.size()) != word) {
        return false;
    }
    at_ += word.size();
    return true;
}

bool JsonReader::null() { return literal("null"); }

bool JsonReader::skip() {
    white_space();
    if (failed() || at_ >= text_.size()) {
        return fail("cut short");
    }
    std::string ignored;
    switch (text_[at_]) {
        case '{':
            return object([&](std::string_view) { skip(); });
        case '[':
            return array([&] { skip(); });
        case '"':
            return string(ignored);
        case 'n':
        case 't':
        case 'f':
            return literal("null") || literal("true") || literal("false") || fail("an unknown word");
        default:
            number_token();
            return !failed();
    }
}

bool JsonReader::at_end() {
    white_space();
    return !failed() && at_ == text_.size();
}

}  // namespace gantry::engine
