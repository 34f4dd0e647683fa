#include "runtime/text/output/literal.hpp"

#include "runtime/text/output/json_scanner.hpp"

namespace gantry::text {
namespace {

constexpr int kMaxDepth = 64;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
           c == '+' || c == '-';
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

class PythonReader {
  public:
    explicit PythonReader(std::string_view text) : text_(text) {}

    std::optional<std::string> whole() {
        const bool good = value(0);
        space();
        return good && at_ == text_.size() ? std::optional(std::move(out_)) : std::nullopt;
    }

  private:
    void space() {
        while (at_ < text_.size() && is_space(text_[at_])) {
            ++at_;
        }
    }
    bool next_is(char c) {
        space();
        return at_ < text_.size() && text_[at_] == c;
    }
    bool eat(char c) {
        const bool found = next_is(c);
        at_ += found ? 1 : 0;
        return found;
    }

    bool value(int depth) {
        space();
        if (depth > kMaxDepth || at_ == text_.size()) {
            return false;
        }
        const char c = text_[at_];
        if (c == '"' || c == '\'') {
            return string();
        }
        if (c == '[' || c == '(') {
            ++at_;
            return items(c == '[' ? ']' : ')', depth);
        }
        if (c == '{') {
            ++at_;
            return members(depth);
        }
        return word();
    }

    bool items(char close, int depth) {
        out_ += '[';
        for (bool first = true; !eat(close); first = false) {
            if (!first && !eat(',')) {
                return false;
            }
            if (!first && eat(close)) {
                break;  // a comma before the end
            }
            out_ += first ? "" : ", ";
            if (!value(depth + 1)) {
                return false;
            }
        }
        out_ += ']';
        return true;
    }

    bool members(int depth) {
        out_ += '{';
        for (bool first = true; !eat('}'); first = false) {
            if (!first && !eat(',')) {
                return false;
            }
            if (!first && eat('}')) {
                break;
            }
            out_ += first ? "" : ", ";
            if ((!next_is('"') && !next_is('\'')) || !string() || !eat(':')) {
                return false;
            }
            out_ += ": ";
            if (!value(depth + 1)) {
                return false;
            }
        }
        out_ += '}';
        return true;
    }

    bool string() {
        const char quote = text_[at_++];
        std::string plain;
        while (at_ < text_.size() && text_[at_] != quote) {
            if (text_[at_] != '\\') {
                plain += text_[at_++];
            } else if (!escape(plain)) {
                return false;
            }
        }
        if (at_ == text_.size()) {
            return false;
        }
        ++at_;
        out_ += '"';
        append_json_escaped(plain, out_);
        out_ += '"';
        return true;
    }

    bool escape(std::string& plain) {
        if (++at_ == text_.size()) {
            return false;
        }
        const char c = text_[at_++];
        constexpr std::string_view kFrom = "abfnrtv0", kTo("\a\b\f\n\r\t\v\0", 8);
        if (const size_t found = kFrom.find(c); found != std::string_view::npos) {
            plain += kTo[found];
        } else if (c == 'x' || c == 'u' || c == 'U') {
            return code_point(c == 'x' ? 2 : c == 'u' ? 4 : 8, plain);
        } else if (c == '\\' || c == '\'' || c == '"' || c == '/') {
            plain += c;
        } else if (c != '\n') {  // unknown escapes stay, as in Python
            plain += '\\';
            plain += c;
        }
        return true;
    }

    bool code_point(size_t digits, std::string& plain) {
        const auto read = [&](size_t count, uint32_t& value) {
            value = 0;
            for (size_t i = 0; i < count; ++i, ++at_) {
                const char c = at_ < text_.size() ? text_[at_] : '\0';
                const char lower = static_cast<char>(c | 0x20);
                const bool digit = c >= '0' && c <= '9';
                if (!digit && !(lower >= 'a' && lower <= 'f')) {
                    return false;
                }
                value = value * 16 + static_cast<uint32_t>(digit ? c - '0' : lower - 'a' + 10);
            }
            return true;
        };
        uint32_t value = 0;
        if (!read(digits, value) || value > 0x10ffff) {
            return false;
        }
        if (value >= 0xd800 && value < 0xdc00 && text_.substr(at_).starts_with("\\u")) {
            at_ += 2;  // JSON's surrogate pairs, which models write in Python strings too
            uint32_t low = 0;
            if (!read(4, low)) {
                return false;
            }
            value = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
        }
        append_utf8(value >= 0xd800 && value < 0xe000 ? 0xfffd : value, plain);
        return true;
    }

    bool word() {
        const size_t begin = at_;
        while (at_ < text_.size() && is_word(text_[at_])) {
            ++at_;
        }
        const std::string_view found = text_.substr(begin, at_ - begin);
        if (found == "True" || found == "False" || found == "None") {
            out_ += found == "True" ? "true" : found == "False" ? "false" : "null";
            return true;
        }
        out_ += found;
        return !found.empty() && is_json(found);
    }

    std::string_view text_;
    size_t at_ = 0;
    std::string out_;
};

uint8_t type_of(std::string_view json) {
    switch (json.front()) {
        case '"':
            return kStringType;
        case '{':
            return kObjectType;
        case '[':
            return kArrayType;
        case 't':
        case 'f':
            return kBooleanType;
        case 'n':
            return kNullType;
        default:
            return kNumberType;
    }
}

}  // namespace

std::optional<std::string> python_to_json(std::string_view text) { return PythonReader(text).whole(); }

std::string value_to_json(std::string_view text, uint8_t types) {
    const std::string_view trimmed = trim(text);
    if (types != kStringType && !trimmed.empty()) {
        std::optional<std::string> json;
        if (is_json(trimmed)) {
            json = trimmed;
        } else {
            json = python_to_json(trimmed);
        }
        // What reads as a string is one already, quotes included: a model that quotes means the quotes.
        const uint8_t wanted = types == 0 ? static_cast<uint8_t>(~kStringType) : types;
        if (json && type_of(*json) != kStringType && (type_of(*json) & wanted) != 0) {
            return *json;
        }
    }
    std::string out = "\"";
    append_json_escaped(text, out);
    return out + '"';
}

}  // namespace gantry::text
