#include "runtime/text/jinja/format.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

size_t parse_count(std::string_view s, size_t& pos) {
    size_t n = 0;
    while (pos < s.size() && is_ascii_digit(s[pos])) {
        n = n * 10 + static_cast<size_t>(s[pos++] - '0');
        if (n > kMaxTextBytes) {
            raise_value("Too many decimal digits in format string");
        }
    }
    return n;
}

namespace {

FormatSpec parse_spec(std::string_view s, const Value& v) {
    FormatSpec spec;
    const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    size_t pos = 0;
    size_t after_first = 0;
    if (!s.empty()) {
        utf8_next(s, after_first);
    }
    if (after_first < s.size() && is_align(s[after_first])) {
        spec.fill = s.substr(0, after_first);
        spec.align = s[after_first];
        pos = after_first + 1;
    } else if (!s.empty() && is_align(s[0])) {
        spec.align = s[0];
        pos = 1;
    }
    const auto take = [&](std::string_view any) {
        return pos < s.size() && any.find(s[pos]) != std::string_view::npos ? s[pos++] : '\0';
    };
    if (const char c = take("+- ")) {
        spec.sign = c;
    }
    spec.alternate = take("#") != 0;
    if (take("0") != 0 && spec.align == 0) {
        spec.fill.assign(1, '0');
        spec.align = v.is_str() ? '<' : '=';
    }
    spec.width = parse_count(s, pos);
    spec.grouping = take(",_");
    if (take(".") != 0) {
        if (pos >= s.size() || !is_ascii_digit(s[pos])) {
            raise_value("Format specifier missing precision");
        }
        spec.precision = static_cast<int64_t>(parse_count(s, pos));
    }
    if (pos < s.size()) {
        spec.type = s[pos++];
    }
    if (pos != s.size()) {
        raise_value("Invalid format specifier");
    }
    return spec;
}

}  // namespace

std::string pad(const FormatSpec& spec, std::string_view sign, std::string_view body, char default_align) {
    const size_t length = utf8_length(sign) + utf8_length(body);
    const size_t missing = spec.width > length ? spec.width - length : 0;
    const char align = spec.align != 0 ? spec.align : default_align;
    const size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    TextBuilder out;
    const auto fill = [&](size_t n) {
        for (size_t i = 0; i < n; ++i) {
            out.add(spec.fill);
        }
    };
    if (align == '=') {
        out.add(sign);
        fill(left);
    } else {
        fill(left);
        out.add(sign);
    }
    out.add(body);
    fill(missing - left);
    return out.take();
}

namespace {

std::string group_digits(std::string_view digits, char separator, size_t size) {
    std::string out;
    for (size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % size == 0) {
            out += separator;
        }
        out += digits[i];
    }
    return out;
}

[[noreturn]] void raise_unknown_code(const FormatSpec& spec, const Value& v) {
    raise_value("Unknown format code '" + std::string(1, spec.type) + "' for object of type '" +
                std::string(type_name(v)) + "'");
}

std::string_view sign_text(const FormatSpec& spec, bool negative) {
    return negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
}

/// Digits with zeros put in front (for "=" with fill 0) so that grouping reaches into the padding.
std::string grouped_number(const FormatSpec& spec, std::string whole, std::string_view rest, size_t sign_size) {
    if (spec.grouping == 0) {
        return whole + std::string(rest);
    }
    const size_t size = spec.type == 'x' || spec.type == 'X' || spec.type == 'b' || spec.type == 'o' ? 4 : 3;
    std::string out = group_digits(whole, spec.grouping, size);
    if (spec.align == '=' && spec.fill == "0") {
        while (out.size() + rest.size() + sign_size < spec.width) {
            whole.insert(whole.begin(), '0');
            out = group_digits(whole, spec.grouping, size);
            if (whole.size() > 4096) {
                raise(ErrorKind::kLimit, "the format's width is too large");
            }
        }
    }
    return out + std::string(rest);
}

}  // namespace

std::string format_float(const Value& v, const FormatSpec& spec) {
    const double number = v.to_float();
    double d = std::abs(number);
    if (spec.type == '%') {
        d *= 100;
    }
    std::string digits;
    const char type = spec.type;
    if (!std::isfinite(d)) {
        digits = std::isnan(d) ? "nan" : "inf";
    } else if (type == 0 && !spec.precision) {
        digits = float_repr(d);
    } else if (type == 'f' || type == 'F' || type == '%') {
        digits = format_double(d, 'f', spec.precision.value_or(6), spec.alternate);
    } else if (type == 'e' || type == 'E') {
        digits = format_double(d, 'e', spec.precision.value_or(6), spec.alternate);
    } else if (type == 'g' || type == 'G' || type == 'n' || type == 0) {
        digits = format_double(d, 'g', std::max<int64_t>(spec.precision.value_or(6), 1), spec.alternate);
        if (type == 0 && digits.find_first_of(".e") == std::string::npos) {
            digits += ".0";
        }
    } else {
        raise_unknown_code(spec, v);
    }
    if (type == 'F' || type == 'E' || type == 'G') {
        digits = to_upper(digits);
    }
    const size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
    const std::string rest = digits.substr(whole) + (type == '%' ? "%" : "");
    const auto sign = sign_text(spec, std::signbit(number));
    return pad(spec, sign, grouped_number(spec, digits.substr(0, whole), rest, sign.size()), '>');
}

std::string format_int(const Value& v, const FormatSpec& spec) {
    const Int i = v.as_int();
    if (spec.precision) {
        raise_value("Precision not allowed in integer format specifier");
    }
    if (spec.type == 'c') {
        if (i < 0 || i > 0x10FFFF || (i >= 0xD800 && i < 0xE000)) {
            raise(ErrorKind::kOverflow, "%c arg not in range(0x110000)");
        }
        std::string c;
        utf8_append(c, static_cast<char32_t>(i));
        return pad(spec, "", c, '<');
    }
    unsigned base = 10;
    std::string prefix;
    switch (spec.type) {
        case 'x':
        case 'X':
            base = 16;
            break;
        case 'o':
            base = 8;
            break;
        case 'b':
            base = 2;
            break;
        case 0:
        case 'd':
        case 'n':
            break;
        default:
            raise_unknown_code(spec, v);
    }
    if (spec.alternate && base != 10) {
        prefix = std::string("0") + spec.type;
    }
    std::string digits = int_text(i, base);
    if (i < 0) {
        digits.erase(0, 1);
    }
    if (spec.type == 'X') {
        digits = to_upper(digits);
    }
    const std::string sign = std::string(sign_text(spec, i < 0)) + prefix;
    return pad(spec, sign, grouped_number(spec, digits, "", sign.size()), '>');
}

namespace {

std::string format_text(const Value& v, const FormatSpec& spec) {
    if (spec.type != 0 && spec.type != 's') {
        raise_unknown_code(spec, v);
    }
    if (spec.align == '=') {
        raise_value("'=' alignment not allowed in string format specifier");
    }
    if (spec.sign != '-' || spec.grouping != 0 || spec.alternate) {
        raise_value("Invalid format specifier for object of type 'str'");
    }
    std::string_view s = v.str();
    if (spec.precision) {
        s = s.substr(0, utf8_offset(s, static_cast<size_t>(*spec.precision)));
    }
    return pad(spec, "", s, '<');
}

}  // namespace

std::string format_value(Runtime& rt, const Value& v, std::string_view spec_text) {
    if (spec_text.empty()) {
        return to_text(rt, v);
    }
    rt.budget().step_text(spec_text.size());
    const FormatSpec spec = parse_spec(spec_text, v);
    if (v.is_str()) {
        return format_text(v, spec);
    }
    if (v.is_integral()) {
        const bool as_float = spec.type != 0 && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
        return as_float ? format_float(v, spec) : format_int(v, spec);
    }
    if (v.is(Type::kFloat)) {
        return format_float(v, spec);
    }
    raise_type("unsupported format string passed to " + std::string(type_name(v)) + ".__format__");
}

}  // namespace gantry::text::jinja
