#include "runtime/text/output/json_scanner.hpp"

#include <algorithm>

namespace gantry::text {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
int hex_value(char c) {
    if (is_digit(c)) {
        return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Whether `text` is, or may yet become, a number; `whole` demands the former.
bool number_fits(std::string_view text, bool whole) {
    size_t i = 0;
    const auto digits = [&] {
        const size_t begin = i;
        while (i < text.size() && is_digit(text[i])) {
            ++i;
        }
        return i - begin;
    };
    const auto more = [&](size_t count) { return count > 0 || (!whole && i == text.size()); };
    if (i < text.size() && text[i] == '-') {
        ++i;
    }
    const bool zero = i < text.size() && text[i] == '0';
    const size_t integer = digits();
    if (!more(integer) || (zero && integer > 1)) {
        return false;
    }
    if (i < text.size() && text[i] == '.') {
        ++i;
        if (!more(digits())) {
            return false;
        }
    }
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
            ++i;
        }
        if (!more(digits())) {
            return false;
        }
    }
    return i == text.size();
}

}  // namespace

size_t JsonScanner::push(std::string_view text) {
    size_t i = 0;
    while (i < text.size() && state_ == State::kOpen && take(text[i])) {
        ++i;
    }
    return i;
}

bool JsonScanner::take(char c) {
    switch (expect_) {
        case Expect::kString:
        case Expect::kEscape:
        case Expect::kHex:
            in_string(c);
            return state_ != State::kBroken;
        case Expect::kLiteral:
            if (c != literal_.front()) {
                state_ = State::kBroken;
                return false;
            }
            literal_.remove_prefix(1);
            if (literal_.empty()) {
                end_value();
            }
            return true;
        case Expect::kNumber:
            if (is_digit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-') {
                in_number(c);
                return state_ != State::kBroken;
            }
            if (!number_fits(number_, true)) {
                state_ = State::kBroken;
                return false;
            }
            end_value();
            return state_ == State::kOpen && take(c);
        default:
            break;
    }
    if (is_space(c)) {
        return true;
    }
    switch (expect_) {
        case Expect::kValueOrEnd:
            if (c == ']') {
                close(c);
                break;
            }
            [[fallthrough]];
        case Expect::kValue:
            begin_value(c);
            break;
        case Expect::kKeyOrEnd:
            if (c == '}') {
                close(c);
                break;
            }
            [[fallthrough]];
        case Expect::kKey:
            key_ = true;
            expect_ = Expect::kString;
            state_ = c == '"' ? state_ : State::kBroken;
            break;
        case Expect::kColon:
            expect_ = Expect::kValue;
            state_ = c == ':' ? state_ : State::kBroken;
            break;
        default:  // kCommaOrEnd
            if (c == ',') {
                expect_ = closers_.back() == '}' ? Expect::kKey : Expect::kValue;
            } else {
                close(c);
            }
            break;
    }
    return state_ != State::kBroken;
}

void JsonScanner::begin_value(char c) {
    key_ = false;
    if (c == '{') {
        open('}', Expect::kKeyOrEnd);
    } else if (c == '[') {
        open(']', Expect::kValueOrEnd);
    } else if (c == '"') {
        expect_ = Expect::kString;
    } else if (c == '-' || is_digit(c)) {
        number_ = c;
        expect_ = Expect::kNumber;
    } else if (c == 't' || c == 'f' || c == 'n') {
        literal_ = c == 't' ? "rue" : c == 'f' ? "alse" : "ull";
        expect_ = Expect::kLiteral;
    } else {
        state_ = State::kBroken;
    }
}

void JsonScanner::end_value() {
    expect_ = Expect::kCommaOrEnd;
    if (closers_.empty()) {
        state_ = State::kComplete;
    }
}

void JsonScanner::open(char close, Expect next) {
    closers_ += close;
    expect_ = next;
    if (closers_.size() > kMaxDepth) {
        state_ = State::kBroken;
    }
}

void JsonScanner::close(char c) {
    if (c != closers_.back()) {
        state_ = State::kBroken;
        return;
    }
    closers_.pop_back();
    end_value();
}

void JsonScanner::in_string(char c) {
    if (expect_ == Expect::kHex) {
        state_ = hex_value(c) < 0 ? State::kBroken : state_;
        expect_ = --hex_left_ == 0 ? Expect::kString : Expect::kHex;
    } else if (expect_ == Expect::kEscape) {
        hex_left_ = c == 'u' ? 4 : 0;
        expect_ = c == 'u' ? Expect::kHex : Expect::kString;
        state_ =
            c != '\0' && std::string_view("\"\\/bfnrtu").find(c) != std::string_view::npos ? state_ : State::kBroken;
    } else if (c == '\\') {
        expect_ = Expect::kEscape;
    } else if (c == '"') {
        if (key_) {
            key_ = false;
            expect_ = Expect::kColon;
        } else {
            end_value();
        }
    } else if (static_cast<unsigned char>(c) < 0x20) {
        state_ = State::kBroken;
    }
}

void JsonScanner::in_number(char c) {
    number_ += c;
    state_ = number_fits(number_, false) && number_.size() < 512 ? state_ : State::kBroken;
}

bool is_json(std::string_view text) {
    bool broken = false;
    const std::string closed = std::string(text) + ' ';  // ends a number
    const size_t length = json_value_length(closed, broken);
    return length != std::string_view::npos &&
           std::all_of(closed.begin() + static_cast<ptrdiff_t>(length), closed.end(), is_space);
}

size_t json_value_length(std::string_view text, bool& broken) {
    JsonScanner scanner;
    const size_t taken = scanner.push(text);
    broken = scanner.state() == JsonScanner::State::kBroken;
    return scanner.state() == JsonScanner::State::kComplete ? taken : std::string_view::npos;
}

void append_utf8(uint32_t c, std::string& out) {
    const auto byte = [&](uint32_t value) { out += static_cast<char>(value); };
    if (c < 0x80) {
        byte(c);
    } else if (c < 0x800) {
        byte(0xc0 | (c >> 6));
        byte(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        byte(0xe0 | (c >> 12));
        byte(0x80 | ((c >> 6) & 0x3f));
        byte(0x80 | (c & 0x3f));
    } else {
        byte(0xf0 | (c >> 18));
        byte(0x80 | ((c >> 12) & 0x3f));
        byte(0x80 | ((c >> 6) & 0x3f));
        byte(0x80 | (c & 0x3f));
    }
}

std::string json_unquote(std::string_view literal) {
    std::string out;
    const auto unit_at = [&](size_t at) -> uint32_t {
        uint32_t unit = 0;
        for (size_t i = at; i < at + 4; ++i) {
            unit = unit * 16 + static_cast<uint32_t>(std::max(i < literal.size() ? hex_value(literal[i]) : 0, 0));
        }
        return unit;
    };
    for (size_t i = 1; i + 1 < literal.size(); ++i) {
        if (literal[i] != '\\') {
            out += literal[i];
            continue;
        }
        const char c = literal[++i];
        constexpr std::string_view kFrom = "bfnrt", kTo = "\b\f\n\r\t";
        if (const size_t found = kFrom.find(c); found != std::string_view::npos) {
            out += kTo[found];
            continue;
        }
        if (c != 'u') {
            out += c;
            continue;
        }
        uint32_t unit = unit_at(i + 1);
        i += 4;
        if (unit >= 0xd800 && unit < 0xdc00 && i + 6 < literal.size() && literal[i + 1] == '\\' &&
            literal[i + 2] == 'u' && unit_at(i + 3) >= 0xdc00 && unit_at(i + 3) < 0xe000) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (unit_at(i + 3) - 0xdc00);
            i += 6;
        }
        append_utf8(unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit, out);
    }
    return out;
}

void append_json_escaped(std::string_view text, std::string& out) {
    constexpr std::string_view kHex = "0123456789abcdef";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '\r') {
            out += "\\r";
        } else if (byte < 0x20) {
            out += "\\u00";
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        } else {
            out += c;
        }
    }
}

}  // namespace gantry::text
