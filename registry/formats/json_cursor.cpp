#include "registry/formats/json_cursor.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

constexpr int kMaxDepth = 64;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

void append_utf8(std::string& out, uint32_t c) {
    const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | c >> 6);
        put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | c >> 12);
        put(0x80 | (c >> 6 & 0x3F));
        put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | c >> 18);
        put(0x80 | (c >> 12 & 0x3F));
        put(0x80 | (c >> 6 & 0x3F));
        put(0x80 | (c & 0x3F));
    }
}

}  // namespace

Error JsonCursor::fault(std::string_view field, uint64_t offset, std::string_view problem) const {
    return file_fault(file_, field, offset, problem);
}

char JsonCursor::peek() {
    while (pos_ < text_.size() && is_space(text_[pos_])) {
        ++pos_;
    }
    return pos_ < text_.size() ? text_[pos_] : '\0';
}

uint64_t JsonCursor::offset() {
    peek();
    return base_ + pos_;
}

Error JsonCursor::unexpected(std::string_view field, std::string_view wanted) {
    const uint64_t at = offset();
    const std::string found =
        pos_ < text_.size() ? "found '" + printable(text_.substr(pos_, 1)) + "'" : std::string("the JSON text ends");
    return fault(field, at, "expected " + std::string(wanted) + ", " + found);
}

Status JsonCursor::expect(char c, std::string_view field) {
    if (peek() != c || pos_ >= text_.size()) {
        return unexpected(field, std::string("'") + c + "'");
    }
    ++pos_;
    return ok();
}

Status JsonCursor::object(std::string_view field, const std::function<Status(const std::string&, uint64_t)>& member) {
    if (peek() != '{') {
        return unexpected(field, "an object");
    }
    ++pos_;
    if (peek() == '}') {
        ++pos_;
        return ok();
    }
    std::set<std::string> seen;
    while (true) {
        const uint64_t at = offset();
        GANTRY_TRY(const std::string key, string(field));
        if (!seen.insert(key).second) {
            return fault(field, at, "key '" + printable(key) + "' occurs twice");
        }
        GANTRY_CHECK_OK(expect(':', field));
        GANTRY_CHECK_OK(member(key, at));
        if (peek() == '}') {
            ++pos_;
            return ok();
        }
        if (peek() != ',') {
            return unexpected(field, "',' or '}'");
        }
        ++pos_;
    }
}

Status JsonCursor::array(std::string_view field, const std::function<Status(uint64_t)>& element) {
    if (peek() != '[') {
        return unexpected(field, "an array");
    }
    ++pos_;
    if (peek() == ']') {
        ++pos_;
        return ok();
    }
    for (uint64_t i = 0;; ++i) {
        GANTRY_CHECK_OK(element(i));
        if (peek() == ']') {
            ++pos_;
            return ok();
        }
        if (peek() != ',') {
            return unexpected(field, "',' or ']'");
        }
        ++pos_;
    }
}

Result<uint32_t> JsonCursor::hex4(std::string_view field) {
    uint32_t value = 0;
    const auto digits = text_.substr(pos_, 4);
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 4 || result.ptr != digits.data() + 4 || result.ec != std::errc()) {
        return fault(field, base_ + pos_, "\\u needs four hexadecimal digits");
    }
    pos_ += 4;
    return value;
}

Status JsonCursor::escape(std::string_view field, std::string& out) {
    static constexpr std::string_view kCodes = "\"\\/bfnrt";
    static constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    const uint64_t at = base_ + pos_ - 1;
    const char c = pos_ < text_.size() ? text_[pos_++] : '\0';
    if (const auto i = kCodes.find(c); i != std::string_view::npos) {
        out += kMeant[i];
        return ok();
    }
    if (c != 'u') {
        return fault(field, at, "unknown escape in a string");
    }
    GANTRY_TRY(uint32_t unit, hex4(field));
    if (unit >= 0xD800 && unit < 0xDC00 && text_.substr(pos_).starts_with("\\u")) {
        pos_ += 2;
        GANTRY_TRY(const uint32_t low, hex4(field));
        if (low < 0xDC00 || low > 0xDFFF) {
            return fault(field, at, "half a surrogate pair in a string");
        }
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else if (unit >= 0xD800 && unit < 0xE000) {
        return fault(field, at, "half a surrogate pair in a string");
    }
    append_utf8(out, unit);
    return ok();
}

Result<std::string> JsonCursor::string(std::string_view field) {
    if (peek() != '"') {
        return unexpected(field, "a string");
    }
    const uint64_t at = base_ + pos_++;
    std::string out;
    while (pos_ < text_.size()) {
        const char c = text_[pos_++];
        if (c == '"') {
            return out;
        }
        if (static_cast<unsigned char>(c) < 0x20) {
            return fault(field, base_ + pos_ - 1, "control character in a string");
        }
        if (c == '\\') {
            GANTRY_CHECK_OK(escape(field, out));
        } else {
            out += c;
        }
    }
    return fault(field, at, "the string has no end");
}

Result<uint64_t> JsonCursor::integer(std::string_view field) {
    peek();
    const uint64_t at = base_ + pos_;
    uint64_t value = 0;
    const auto rest = text_.substr(pos_);
    const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (result.ec == std::errc::result_out_of_range) {
        return fault(field, at, "the number does not fit in 64 bits");
    }
    if (result.ec != std::errc()) {
        return unexpected(field, "a non-negative integer");
    }
    pos_ += static_cast<size_t>(result.ptr - rest.data());
    if (pos_ < text_.size() && std::string_view(".eE").find(text_[pos_]) != std::string_view::npos) {
        return fault(field, at, "must be an integer");
    }
    return value;
}

Status JsonCursor::skip_scalar(std::string_view field) {
    const auto rest = text_.substr(pos_);
    for (const std::string_view word : {"true", "false", "null"}) {
        if (rest.starts_with(word)) {
            pos_ += word.size();
            return ok();
        }
    }
    const size_t length = std::min(rest.find_first_not_of("+-.0123456789eE"), rest.size());
    if (length == 0) {
        return unexpected(field, "a value");
    }
    pos_ += length;
    return ok();
}

Status JsonCursor::skip(std::string_view field, int depth) {
    if (depth > kMaxDepth) {
        return fault(field, offset(), "values nest too deeply");
    }
    switch (peek()) {
        case '{':
            return object(field, [&](const std::string&, uint64_t) { return skip(field, depth + 1); });
        case '[':
            return array(field, [&](uint64_t) { return skip(field, depth + 1); });
        case '"':
            GANTRY_CHECK_OK(string(field));
            return ok();
        default:
            return skip_scalar(field);
    }
}

Status JsonCursor::end(std::string_view field) {
    peek();
    return pos_ == text_.size() ? ok() : Status(unexpected(field, "nothing more"));
}

uint64_t json_key_offset(std::string_view text, std::string_view key) {
    uint64_t found = 0;
    JsonCursor cursor(text, "");
    // A failure only means that the position stays unknown: the caller's message is about something else.
    (void)cursor.object("", [&](const std::string& name, uint64_t offset) {
        if (name == key) {
            found = offset;
        }
        return cursor.skip("");
    });
    return found;
}

}  // namespace gantry::registry
