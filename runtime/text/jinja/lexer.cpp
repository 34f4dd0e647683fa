#include "runtime/text/jinja/lexer.hpp"

#include <algorithm>
#include <array>

#include "runtime/text/jinja/number.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

bool is_digit_char(char c) { return c >= '0' && c <= '9'; }

bool blank(std::string_view s) {
    for (size_t pos = 0; pos < s.size();) {
        if (!is_space(utf8_next(s, pos))) {
            return false;
        }
    }
    return true;
}

std::string_view strip_right(std::string_view s) {
    while (!s.empty()) {
        size_t begin = s.size();
        if (!is_space(utf8_previous(s, begin))) {
            break;
        }
        s = s.substr(0, begin);
    }
    return s;
}

bool is_word(char32_t c) { return c == '_' || is_alnum(c); }

class Lexer {
  public:
    explicit Lexer(std::string_view source) : source_(source) {}

    std::vector<Token> run() {
        while (pos_ < source_.size()) {
            text();
        }
        push(TokenType::kEnd, {}, source_.size());
        return std::move(tokens_);
    }

  private:
    [[noreturn]] void fail(std::string message, size_t offset) const {
        const auto [line, column] = position_of(source_, offset);
        throw SyntaxError(std::move(message), line, column);
    }

    void push(TokenType type, std::string text, size_t offset) {
        line_ += static_cast<uint32_t>(std::ranges::count(source_.substr(counted_, offset - counted_), '\n'));
        counted_ = offset;
        tokens_.push_back({type, std::move(text), {}, offset, line_});
    }

    bool at(std::string_view what) const { return source_.substr(pos_).starts_with(what); }
    bool at(std::string_view what, size_t pos) const { return source_.substr(pos).starts_with(what); }

    size_t skip_space(size_t pos) const {
        while (pos < source_.size()) {
            size_t next = pos;
            if (!is_space(utf8_next(source_, next))) {
                break;
            }
            pos = next;
        }
        return pos;
    }

    /// Emits the text before a tag, stripped as the tag's sign and lstrip_blocks ask.
    void push_data(size_t begin, size_t end, char sign, bool strip_line) {
        std::string_view data = source_.substr(begin, end - begin);
        if (sign == '-') {
            data = strip_right(data);
        } else if (sign != '+' && strip_line) {
            const size_t newline = data.rfind('\n');
            const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
            if ((line > 0 || line_starting_) && blank(data.substr(line))) {
                data = data.substr(0, line);
            }
        }
        if (!data.empty()) {
            push(TokenType::kData, std::string(data), begin);
        }
    }

    void moved_to(size_t pos) {
        line_starting_ = pos > 0 && source_[pos - 1] == '\n';
        pos_ = pos;
    }

    /// The sign after a tag's opening mark, or 0.
    char sign_at(size_t pos) const {
        return pos < source_.size() && (source_[pos] == '-' || source_[pos] == '+') ? source_[pos] : '\0';
    }

    /// Text up to the next tag, and that tag.
    void text() {
        const size_t begin = pos_;
        size_t open = begin;
        for (;;) {
            open = source_.find('{', open);
            if (open == std::string_view::npos) {
                push(TokenType::kData, std::string(source_.substr(begin)), begin);
                pos_ = source_.size();
                return;
            }
            if (at("{{", open) || at("{%", open) || at("{#", open)) {
                break;
            }
            ++open;
        }
        const char kind = source_[open + 1];
        const char sign = sign_at(open + 2);
        const size_t after = open + 2 + (sign != 0 ? 1 : 0);
        push_data(begin, open, sign, kind != '{');
        if (kind == '%') {
            if (const size_t raw = raw_tag(after, "raw", false); raw != 0) {
                moved_to(raw);
                this->raw(open);
                return;
            }
        }
        moved_to(after);
        if (kind == '#') {
            comment(open);
        } else {
            push(kind == '{' ? TokenType::kVariableBegin : TokenType::kBlockBegin, {}, open);
            tag(kind == '{');
        }
    }

    /// The end of a tag that holds only `word`, or 0. `closing` tags may say "+" and swallow a line end.
    size_t raw_tag(size_t pos, std::string_view word, bool closing) const {
        pos = skip_space(pos);
        if (!at(word, pos)) {
            return 0;
        }
        pos = skip_space(pos + word.size());
        if (at("-%}", pos)) {
            return skip_space(pos + 3);
        }
        if (closing && at("+%}", pos)) {
            return pos + 3;
        }
        if (!at("%}", pos)) {
            return 0;
        }
        return pos + 2 + (closing && at("\n", pos + 2) ? 1 : 0);
    }

    void raw(size_t open) {
        const size_t begin = pos_;
        for (size_t tag = source_.find("{%", begin); tag != std::string_view::npos; tag = source_.find("{%", tag + 1)) {
            const char sign = sign_at(tag + 2);
            const size_t end = raw_tag(tag + 2 + (sign != 0 ? 1 : 0), "endraw", true);
            if (end != 0) {
                push_data(begin, tag, sign, true);
                moved_to(end);
                return;
            }
        }
        if (begin < source_.size()) {  // jinja2 lets an empty one at the very end pass
            fail("Missing end of raw directive", open);
        }
    }

    void comment(size_t open) {
        const size_t end = source_.find("#}", pos_);
        if (end == std::string_view::npos) {
            if (pos_ < source_.size()) {  // jinja2 lets an empty one at the very end pass
                fail("Missing end of comment tag", open);
            }
            return;
        }
        const char sign = end > pos_ ? source_[end - 1] : '\0';
        const size_t after = end + 2;
        moved_to(sign == '-' ? skip_space(after) : sign != '+' && at("\n", after) ? after + 1 : after);
    }

    /// The tokens of one tag, up to and with its end.
    void tag(bool variable) {
        brackets_.clear();
        while (pos_ < source_.size()) {
            if (brackets_.empty() && tag_end(variable)) {
                return;
            }
            const size_t begin = pos_;
            const size_t after_space = skip_space(pos_);
            if (after_space != pos_) {
                pos_ = after_space;
            } else if (!number() && !name() && !string() && !operation()) {
                size_t end = begin;
                utf8_next(source_, end);
                fail("unexpected char '" + std::string(source_.substr(begin, end - begin)) + "'", begin);
            }
        }
    }

    bool tag_end(bool variable) {
        const std::string_view close = variable ? "}}" : "%}";
        const size_t begin = pos_;
        size_t end = 0;
        if (at("-") && at(close, pos_ + 1)) {
            end = skip_space(pos_ + 3);
        } else if (!variable && at("+%}")) {
            end = pos_ + 3;
        } else if (at(close)) {
            end = pos_ + 2 + (!variable && at("\n", pos_ + 2) ? 1 : 0);
        } else {
            return false;
        }
        push(variable ? TokenType::kVariableEnd : TokenType::kBlockEnd, {}, begin);
        moved_to(end);
        return true;
    }

    /// Digits with single underscores between them: the end, or `pos` when there are none.
    size_t digits(size_t pos) const {
        size_t end = pos;
        while (end < source_.size() && (is_digit_char(source_[end]) || (end > pos && source_[end] == '_'))) {
            if (source_[end] == '_' && !(end + 1 < source_.size() && is_digit_char(source_[end + 1]))) {
                break;
            }
            ++end;
        }
        return end;
    }

    size_t float_end() const {
        if (pos_ > 0 && source_[pos_ - 1] == '.') {
            return pos_;
        }
        size_t end = digits(pos_);
        bool real = false;
        if (at(".", end) && digits(end + 1) > end + 1) {
            end = digits(end + 1);
            real = true;
        }
        if (end < source_.size() && (source_[end] | 0x20) == 'e') {
            const size_t exponent = end + 1 + (sign_at(end + 1) != 0 ? 1 : 0);
            if (digits(exponent) > exponent) {
                end = digits(exponent);
                real = true;
            }
        }
        return real ? end : pos_;
    }

    size_t integer_end() const {
        if (source_[pos_] != '0') {
            return digits(pos_);
        }
        const char mark = pos_ + 1 < source_.size() ? static_cast<char>(source_[pos_ + 1] | 0x20) : ' ';
        const std::string_view allowed = mark == 'x'   ? "0123456789abcdefABCDEF"
                                         : mark == 'o' ? "01234567"
                                         : mark == 'b' ? "01"
                                                       : "";
        if (!allowed.empty()) {
            size_t end = pos_ + 2;
            while (end < source_.size()) {
                const size_t digit = end + (source_[end] == '_' ? 1 : 0);
                if (digit >= source_.size() || allowed.find(source_[digit]) == std::string_view::npos) {
                    break;
                }
                end = digit + 1;
            }
            if (end > pos_ + 2) {
                return end;
            }
        }
        size_t end = pos_ + 1;
        while (at("0", end) || at("_0", end)) {
            end += source_[end] == '_' ? 2 : 1;
        }
        return end;
    }

    bool number() {
        if (!is_digit_char(source_[pos_])) {
            return false;
        }
        const size_t begin = pos_;
        const size_t real_end = float_end();
        pos_ = real_end > begin ? real_end : integer_end();
        std::string digits(source_.substr(begin, pos_ - begin));
        std::erase(digits, '_');
        push(TokenType::kNumber, digits, begin);
        if (real_end > begin) {
            tokens_.back().number = Value::real(parse_float(digits).value_or(0));
            return true;
        }
        try {
            tokens_.back().number = Value::integer(parse_int(digits, 0).value_or(0));
        } catch (const RenderError& e) {
            fail(e.message, begin);
        }
        return true;
    }

    bool name() {
        const size_t begin = pos_;
        bool valid = true;
        while (pos_ < source_.size()) {
            size_t next = pos_;
            const char32_t c = utf8_next(source_, next);
            if (!is_word(c)) {
                break;
            }
            valid = valid && (c == '_' || is_alpha(c) || (pos_ > begin && is_decimal(c)));
            pos_ = next;
        }
        if (pos_ == begin) {
            return false;
        }
        if (!valid) {
            fail("Invalid character in identifier", begin);
        }
        push(TokenType::kName, std::string(source_.substr(begin, pos_ - begin)), begin);
        return true;
    }

    bool string() {
        const char quote = source_[pos_];
        if (quote != '\'' && quote != '"') {
            return false;
        }
        const size_t begin = pos_;
        size_t end = begin + 1;
        while (end < source_.size() && source_[end] != quote) {
            end += source_[end] == '\\' ? 2 : 1;
        }
        if (end >= source_.size()) {
            return false;
        }
        push(TokenType::kString, unescape(begin + 1, end), begin);
        pos_ = end + 1;
        return true;
    }

    std::string unescape(size_t pos, size_t end) const {
        std::string out;
        while (pos < end) {
            const size_t slash = std::min(source_.find('\\', pos), end);
            out += source_.substr(pos, slash - pos);
            pos = slash;
            if (pos < end) {
                escape(out, pos, end);
            }
        }
        return out;
    }

    /// Python's unicode-escape decoding of the backslash at `pos`, which moves on.
    void escape(std::string& out, size_t& pos, size_t end) const {
        constexpr std::string_view kSimple = "abfnrtv\\'\"";
        constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v\\'\"";
        const size_t slash = pos++;
        const char c = source_[pos];
        if (const size_t i = kSimple.find(c); i != std::string_view::npos) {
            out += kMeaning[i];
            ++pos;
        } else if (c == '\n') {
            ++pos;
        } else if (c == 'x' || c == 'u' || c == 'U') {
            const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
            const std::string_view hex = source_.substr(pos + 1, std::min(digits, end - pos - 1));
            const auto code = hex.size() == digits && hex.find_first_of("_+- ") == std::string_view::npos
                                  ? parse_int("0x" + std::string(hex), 16)
                                  : std::nullopt;
            if (!code || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000)) {
                fail("bad \\" + std::string(1, c) + " escape in a string", slash);
            }
            utf8_append(out, static_cast<char32_t>(*code));
            pos += 1 + digits;
        } else if (c >= '0' && c <= '7') {
            char32_t code = 0;
            for (int i = 0; i < 3 && pos < end && source_[pos] >= '0' && source_[pos] <= '7'; ++i) {
                code = code * 8 + static_cast<char32_t>(source_[pos++] - '0');
            }
            utf8_append(out, code);
        } else if (c == 'N') {
            fail("\\N escapes are not supported", slash);
        } else {
            out += '\\';
            if (static_cast<unsigned char>(c) >= 0x80) {
                escape_non_ascii(out, utf8_next(source_, pos));
            }
        }
    }

    /// jinja2 turns what is not ASCII into escapes before it decodes; a backslash before it eats the new one.
    static void escape_non_ascii(std::string& out, char32_t c) {
        const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
        out += digits == 2 ? 'x' : digits == 4 ? 'u' : 'U';
        const std::string hex = int_text(static_cast<Int>(c), 16);
        out += std::string(static_cast<size_t>(digits) - hex.size(), '0') + hex;
    }

    bool operation() {
        constexpr auto kTwo = std::to_array<std::string_view>({"//", "**", "==", "!=", ">=", "<="});
        const auto two = std::ranges::find_if(kTwo, [&](std::string_view o) { return at(o); });
        const char c = source_[pos_];
        if (two == kTwo.end() && std::string_view("+-/*%~[](){}<>=.:|,;").find(c) == std::string_view::npos) {
            return false;
        }
        const size_t size = two == kTwo.end() ? 1 : 2;
        if (size == 1) {
            balance(c);
        }
        push(TokenType::kOperator, std::string(source_.substr(pos_, size)), pos_);
        pos_ += size;
        return true;
    }

    void balance(char c) {
        if (c == '(' || c == '[' || c == '{') {
            brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
        } else if (c == ')' || c == ']' || c == '}') {
            if (brackets_.empty()) {
                fail(std::string("unexpected '") + c + "'", pos_);
            }
            if (brackets_.back() != c) {
                fail(std::string("unexpected '") + c + "', expected '" + brackets_.back() + "'", pos_);
            }
            brackets_.pop_back();
        }
    }

    std::string_view source_;
    size_t pos_ = 0;
    bool line_starting_ = true;
    uint32_t line_ = 1;     ///< of the last token
    size_t counted_ = 0;    ///< its offset
    std::string brackets_;  ///< closing brackets still owed
    std::vector<Token> tokens_;
};

}  // namespace

std::string normalize_source(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (size_t i = 0; i < source.size(); ++i) {
        if (source[i] == '\r') {
            out += '\n';
            i += i + 1 < source.size() && source[i + 1] == '\n' ? 1 : 0;
        } else {
            out += source[i];
        }
    }
    if (out.ends_with('\n')) {
        out.pop_back();
    }
    return out;
}

std::pair<uint32_t, uint32_t> position_of(std::string_view source, size_t offset) {
    const std::string_view before = source.substr(0, offset);
    const size_t newline = before.rfind('\n');
    const size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    return {static_cast<uint32_t>(std::ranges::count(before, '\n')) + 1,
            static_cast<uint32_t>(utf8_length(before.substr(begin))) + 1};
}

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace gantry::text::jinja
