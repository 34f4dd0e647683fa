/// str.format and `pattern % values`.

#include <algorithm>
#include <cmath>

#include "runtime/text/jinja/format.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

constexpr size_t kMaxNesting = 2;  ///< replacement fields within format specs

class BraceFormatter {
  public:
    BraceFormatter(Runtime& rt, const Args& args) : rt_(rt), args_(args) {}

    std::string format(std::string_view pattern, size_t nesting) {
        TextBuilder out;
        for (size_t pos = 0; pos < pattern.size();) {
            const char c = pattern[pos];
            if (c != '{' && c != '}') {
                const size_t next = std::min(pattern.find_first_of("{}", pos), pattern.size());
                out.add(pattern.substr(pos, next - pos));
                pos = next;
            } else if (pos + 1 < pattern.size() && pattern[pos + 1] == c) {
                out.add(1, c);
                pos += 2;
            } else if (c == '}') {
                raise_value("Single '}' encountered in format string");
            } else {
                out.add(field(take_field(pattern, pos), nesting));
            }
        }
        return out.take();
    }

  private:
    /// The text between matching braces; `pos` moves from the opening brace past the closing one.
    static std::string_view take_field(std::string_view pattern, size_t& pos) {
        const size_t begin = pos + 1;
        int level = 0;
        for (; pos < pattern.size(); ++pos) {
            level += pattern[pos] == '{' ? 1 : pattern[pos] == '}' ? -1 : 0;
            if (level == 0) {
                return pattern.substr(begin, pos++ - begin);
            }
        }
        raise_value(begin >= pattern.size() ? "Single '{' encountered in format string"
                                            : "expected '}' before end of string");
    }

    std::string field(std::string_view text, size_t nesting) {
        if (nesting >= kMaxNesting) {
            raise_value("Max string recursion exceeded");
        }
        size_t end = 0;
        bool bracket = false;
        for (; end < text.size() && (bracket || (text[end] != '!' && text[end] != ':')); ++end) {
            bracket = text[end] == '[' || (bracket && text[end] != ']');
        }
        const std::string_view name = text.substr(0, end);
        char conversion = 0;
        if (end < text.size() && text[end] == '!') {
            if (end + 1 >= text.size() || (end + 2 < text.size() && text[end + 2] != ':')) {
                raise_value("expected ':' after conversion specifier");
            }
            conversion = text[end + 1];
            end += 2;
        }
        const std::string spec = end < text.size() ? format(text.substr(end + 1), nesting + 1) : "";
        return format_value(rt_, convert(look_up(name), conversion), spec);
    }

    Value convert(Value v, char conversion) {
        if (conversion == 0) {
            return v;
        }
        TextBuilder out;
        if (conversion == 's') {
            append_text(rt_, out, v);
        } else if (conversion == 'r' || conversion == 'a') {
            append_repr(rt_, out, v);
        } else {
            raise_value("Unknown conversion specifier " + std::string(1, conversion));
        }
        return rt_.text(out.take());
    }

    Value look_up(std::string_view name) {
        size_t pos = std::min(name.find_first_of(".["), name.size());
        Value v = first(name.substr(0, pos));
        while (pos < name.size()) {
            if (name[pos] == '.') {
                const size_t end = std::min(name.find_first_of(".[", pos + 1), name.size());
                if (end == pos + 1) {
                    raise_value("Empty attribute in format string");
                }
                v = get_attribute(rt_, v, name.substr(pos + 1, end - pos - 1));
                pos = end;
            } else {
                const size_t end = name.find(']', pos);
                if (end == std::string_view::npos) {
                    raise_value("Missing ']' in format string");
                }
                const std::string_view key = name.substr(pos + 1, end - pos - 1);
                const bool number = !key.empty() && std::ranges::all_of(key, is_ascii_digit);
                v = get_item(rt_, v, number ? Value::integer(*parse_int(key)) : rt_.text(std::string(key)));
                pos = end + 1;
                if (pos < name.size() && name[pos] != '.' && name[pos] != '[') {
                    raise_value("Only '.' or '[' may follow ']' in format field specifier");
                }
            }
        }
        return v;
    }

    Value first(std::string_view name) {
        const bool automatic = name.empty();
        if (automatic || std::ranges::all_of(name, is_ascii_digit)) {
            if (counting_ && *counting_ != automatic) {
                raise_value("cannot switch from manual field specification to automatic field numbering");
            }
            counting_ = automatic;
            const Int index = automatic ? static_cast<Int>(next_++) : *parse_int(name);
            if (index >= static_cast<Int>(args_.positional.size())) {
                raise(ErrorKind::kLookup,
                      "Replacement index " + int_text(index) + " out of range for positional args tuple");
            }
            return args_.positional[static_cast<size_t>(index)];
        }
        for (const auto& [key, value] : args_.named) {
            if (key == name) {
                return value;
            }
        }
        raise(ErrorKind::kLookup, "'" + std::string(name) + "'");
    }

    Runtime& rt_;
    const Args& args_;
    size_t next_ = 0;
    std::optional<bool> counting_;
};

/// One `%` conversion.
struct Percent {
    bool left = false, plus = false, space = false, alternate = false, zero = false;
    size_t width = 0;
    std::optional<int64_t> precision;
    char type = 0;
};

class PercentFormatter {
  public:
    PercentFormatter(Runtime& rt, const Value& pattern, const Value& values)
        : rt_(rt), markup_(pattern.is_markup()), pattern_(pattern.str()), values_(values) {}

    std::string format() {
        TextBuilder out;
        while (pos_ < pattern_.size()) {
            const size_t next = std::min(pattern_.find('%', pos_), pattern_.size());
            out.add(pattern_.substr(pos_, next - pos_));
            pos_ = next;
            if (pos_ < pattern_.size()) {
                ++pos_;
                out.add(conversion());
            }
        }
        const bool mapping = values_.is(Type::kDict) || values_.is(Type::kList) || values_.is_undefined();
        const size_t given = values_.is(Type::kTuple) ? values_.items().size() : 1;
        if (used_ < given && !mapping && !keyed_) {
            raise_type("not all arguments converted during string formatting");
        }
        return out.take();
    }

  private:
    char peek() const { return pos_ < pattern_.size() ? pattern_[pos_] : '\0'; }

    Value next_value() {
        if (values_.is(Type::kTuple)) {
            if (used_ >= values_.items().size()) {
                raise_type("not enough arguments for format string");
            }
            return values_.items()[used_++];
        }
        if (used_++ > 0) {
            raise_type("not enough arguments for format string");
        }
        return values_;
    }

    std::string conversion() {
        std::optional<Value> keyed;
        if (peek() == '(') {
            const size_t end = pattern_.find(')', pos_);
            if (end == std::string_view::npos) {
                raise_value("incomplete format key");
            }
            if (!values_.is(Type::kDict)) {
                raise_type("format requires a mapping");
            }
            const std::string_view key = pattern_.substr(pos_ + 1, end - pos_ - 1);
            const Value* found = values_.dict().dict.find(key);
            if (found == nullptr) {
                raise(ErrorKind::kLookup, "'" + std::string(key) + "'");
            }
            keyed = *found;
            keyed_ = true;
            pos_ = end + 1;
        }
        const Percent p = parse();
        if (p.type == '%') {
            return "%";
        }
        return convert(p, keyed ? *keyed : next_value());
    }

    Percent parse() {
        Percent p;
        for (;; ++pos_) {
            switch (peek()) {
                case '-':
                    p.left = true;
                    continue;
                case '+':
                    p.plus = true;
                    continue;
                case ' ':
                    p.space = true;
                    continue;
                case '#':
                    p.alternate = true;
                    continue;
                case '0':
                    p.zero = true;
                    continue;
                default:
                    break;
            }
            break;
        }
        const auto count = [&]() -> int64_t {
            if (peek() == '*') {
                ++pos_;
                const Value v = next_value();
                if (!v.is_integral()) {
                    raise_type("* wants int");
                }
                return to_index(v);
            }
            return static_cast<int64_t>(parse_count(pattern_, pos_));
        };
        const int64_t width = count();
        p.left = p.left || width < 0;
        p.width = static_cast<size_t>(width < 0 ? -std::max<int64_t>(width, -INT32_MAX) : width);
        if (p.width > kMaxTextBytes) {
            raise_value("width too big");
        }
        if (peek() == '.') {
            ++pos_;
            p.precision = std::max<int64_t>(count(), 0);
        }
        while (peek() == 'l' || peek() == 'h' || peek() == 'L') {
            ++pos_;
        }
        if (pos_ >= pattern_.size()) {
            raise_value("incomplete format");
        }
        p.type = pattern_[pos_++];
        return p;
    }

    std::string convert(const Percent& p, const Value& v) {
        switch (p.type) {
            case 's':
            case 'r':
            case 'a':
                return text(p, v);
            case 'c':
                return character(p, v);
            case 'd':
            case 'i':
            case 'u':
            case 'x':
            case 'X':
            case 'o':
                return integer(p, v);
            case 'e':
            case 'E':
            case 'f':
            case 'F':
            case 'g':
            case 'G':
                return real(p, v);
            default:
                raise_unsupported();
        }
    }

    [[noreturn]] void raise_unsupported() const {
        size_t end = pos_ - 1;
        utf8_next(pattern_, end);
        raise_value(words({"unsupported format character '", pattern_.substr(pos_ - 1, end - pos_ + 1), "' at index ",
                           std::to_string(utf8_length(pattern_.substr(0, pos_ - 1)))}));
    }

    static std::string padded(const Percent& p, const std::string& sign, const std::string& body, bool zeros) {
        FormatSpec spec;
        spec.width = p.width;
        spec.align = p.left ? '<' : zeros ? '=' : '>';
        spec.fill = zeros && !p.left ? "0" : " ";
        return pad(spec, sign, body, '>');
    }

    static std::string sign_of(const Percent& p, bool negative) {
        return negative ? "-" : p.plus ? "+" : p.space ? " " : "";
    }

    std::string text(const Percent& p, const Value& v) {
        TextBuilder out;
        if (p.type == 's') {
            append_text(rt_, out, markup_ ? html_escape(rt_, v) : v);
        } else {
            append_repr(rt_, out, v);
        }
        std::string s = out.take();
        if (p.precision) {
            s.resize(utf8_offset(s, static_cast<size_t>(*p.precision)));
        }
        return padded(p, "", s, false);
    }

    static std::string character(const Percent& p, const Value& v) {
        if (v.is_str() && v.get<StrObject>().length == 1) {
            return padded(p, "", v.str(), false);
        }
        if (!v.is_integral()) {
            raise_type("%c requires int or char");
        }
        FormatSpec spec;
        spec.type = 'c';
        return padded(p, "", format_int(v, spec), false);
    }

    static std::string integer(const Percent& p, const Value& v) {
        if (!v.is_number() || (v.is(Type::kFloat) && std::string_view("xXo").find(p.type) != std::string_view::npos)) {
            if (v.is_undefined()) {
                raise_undefined(v);
            }
            const bool bits = std::string_view("xXo").find(p.type) != std::string_view::npos;
            raise_type(words({"%", std::string_view(&p.type, 1), " format: ",
                              bits ? "an integer is required" : "a real number is required", ", not ", type_name(v)}));
        }
        const Int i = v.is(Type::kFloat) ? float_to_int(v.as_float()) : v.as_int();
        const unsigned base = p.type == 'o' ? 8 : p.type == 'x' || p.type == 'X' ? 16 : 10;
        std::string digits = int_text(i, base);
        if (i < 0) {
            digits.erase(0, 1);
        }
        if (p.precision && digits.size() < static_cast<size_t>(*p.precision)) {
            if (static_cast<size_t>(*p.precision) > kMaxTextBytes) {
                raise_value("precision too big");
            }
            digits.insert(0, static_cast<size_t>(*p.precision) - digits.size(), '0');
        }
        std::string sign = sign_of(p, i < 0);
        if (p.alternate && base != 10) {
            sign += std::string("0") + p.type;
        }
        if (p.type == 'X') {
            digits = to_upper(digits);
        }
        return padded(p, sign, digits, p.zero);
    }

    static std::string real(const Percent& p, const Value& v) {
        if (v.is_undefined()) {
            raise_undefined(v);
        }
        if (!v.is_number()) {
            raise_type("must be real number, not " + std::string(type_name(v)));
        }
        FormatSpec spec;
        spec.type = p.type;
        spec.precision = p.precision;
        spec.alternate = p.alternate;
        const double d = v.to_float();
        return padded(p, sign_of(p, std::signbit(d)), format_float(Value::real(std::abs(d)), spec),
                      p.zero && std::isfinite(d));
    }

    Runtime& rt_;
    const bool markup_;
    const std::string_view pattern_;
    const Value& values_;
    size_t pos_ = 0;
    size_t used_ = 0;
    bool keyed_ = false;
};

}  // namespace

std::string brace_format(Runtime& rt, std::string_view pattern, const Args& args) {
    rt.budget().step_text(pattern.size());
    return BraceFormatter(rt, args).format(pattern, 0);
}

std::string percent_format(Runtime& rt, const Value& pattern, const Value& values) {
    rt.budget().step_text(pattern.str().size());
    return PercentFormatter(rt, pattern, values).format();
}

}  // namespace gantry::text::jinja
