#include "runtime/text/jinja/number.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

using UInt = unsigned __int128;
constexpr int64_t kMaxPrecision = 10000;

[[noreturn]] void raise_overflow() { raise(ErrorKind::kOverflow, "integer is larger than 128 bits"); }

Int add(Int a, Int b) {
    Int r = 0;
    if (__builtin_add_overflow(a, b, &r)) {
        raise_overflow();
    }
    return r;
}

Int subtract(Int a, Int b) {
    Int r = 0;
    if (__builtin_sub_overflow(a, b, &r)) {
        raise_overflow();
    }
    return r;
}

/// Without __builtin_mul_overflow, whose 128-bit form needs a run-time library that clang does not always link.
Int multiply(Int a, Int b) {
    if (a == 0 || b == 0) {
        return 0;
    }
    const bool negative = (a < 0) != (b < 0);
    const UInt x = a < 0 ? -static_cast<UInt>(a) : static_cast<UInt>(a);
    const UInt y = b < 0 ? -static_cast<UInt>(b) : static_cast<UInt>(b);
    const UInt limit = (UInt{1} << 127) - (negative ? 0 : 1);
    if (x > limit / y) {
        raise_overflow();
    }
    return static_cast<Int>(negative ? -(x * y) : x * y);
}

Int floor_divide(Int a, Int b) {
    if (b == 0) {
        raise(ErrorKind::kZeroDivision, "integer division or modulo by zero");
    }
    if (b == -1) {
        return subtract(0, a);
    }
    const Int q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

Int modulo(Int a, Int b) {
    if (b == 0) {
        raise(ErrorKind::kZeroDivision, "integer division or modulo by zero");
    }
    if (b == -1) {
        return 0;
    }
    const Int r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

Int power(Int base, Int exponent) {
    Int result = 1;
    while (exponent > 0) {
        if ((exponent & 1) != 0) {
            result = multiply(result, base);
        }
        exponent >>= 1;
        if (exponent > 0 && base != 0 && base != 1) {
            base = multiply(base, base);
        }
    }
    return result;
}

double float_modulo(double a, double b) {
    if (b == 0) {
        raise(ErrorKind::kZeroDivision, "float modulo");
    }
    const double r = std::fmod(a, b);
    if (r == 0) {
        return std::copysign(0.0, b);
    }
    return (r < 0) != (b < 0) ? r + b : r;
}

double float_floor_divide(double a, double b) {
    if (b == 0) {
        raise(ErrorKind::kZeroDivision, "float divmod()");
    }
    const double quotient = (a - float_modulo(a, b)) / b;
    if (quotient == 0) {
        return std::copysign(0.0, a / b);
    }
    const double floor = std::floor(quotient);
    return quotient - floor > 0.5 ? floor + 1 : floor;
}

double float_power(double a, double b) {
    if (a == 0 && b < 0) {
        raise(ErrorKind::kZeroDivision, "0.0 cannot be raised to a negative power");
    }
    if (a < 0 && std::isfinite(a) && std::isfinite(b) && std::floor(b) != b) {
        raise(ErrorKind::kUnsupported, "complex numbers are not supported");
    }
    const double r = std::pow(a, b);
    if (std::isinf(r) && std::isfinite(a) && std::isfinite(b)) {
        raise(ErrorKind::kOverflow, "(34, 'Numerical result out of range')");
    }
    return r;
}

Value integer_arithmetic(ArithmeticOp op, Int a, Int b) {
    switch (op) {
        case ArithmeticOp::kAdd:
            return Value::integer(add(a, b));
        case ArithmeticOp::kSub:
            return Value::integer(subtract(a, b));
        case ArithmeticOp::kMul:
            return Value::integer(multiply(a, b));
        case ArithmeticOp::kFloorDiv:
            return Value::integer(floor_divide(a, b));
        case ArithmeticOp::kMod:
            return Value::integer(modulo(a, b));
        case ArithmeticOp::kPow:
            return b >= 0 ? Value::integer(power(a, b))
                          : Value::real(float_power(static_cast<double>(a), static_cast<double>(b)));
        case ArithmeticOp::kDiv:
            break;
    }
    if (b == 0) {
        raise(ErrorKind::kZeroDivision, "division by zero");
    }
    return Value::real(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
}

std::string_view trim(std::string_view s) {
    size_t begin = 0;
    while (begin < s.size()) {
        size_t next = begin;
        if (!is_space(utf8_next(s, next))) {
            break;
        }
        begin = next;
    }
    size_t end = s.size();
    while (end > begin) {
        size_t previous = end;
        if (!is_space(utf8_previous(s, previous))) {
            break;
        }
        end = previous;
    }
    return s.substr(begin, end - begin);
}

int digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

/// Takes "0x" and its like off, when it fits the base, and settles base 0.
void take_prefix(std::string_view& digits, int& base) {
    const char mark = digits.size() > 1 && digits[0] == '0' ? static_cast<char>(digits[1] | 0x20) : ' ';
    const int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked != 0 && (base == 0 || base == marked)) {
        base = marked;
        digits.remove_prefix(2);
        if (digits.starts_with('_')) {
            digits.remove_prefix(1);
        }
    } else if (base == 0) {
        base = 10;
    }
}

/// Underscores may stand between digits only.
bool underscores_fit(std::string_view s) {
    for (size_t i = 0; i < s.size(); ++i) {
        if (s[i] == '_' && (i == 0 || i + 1 == s.size() || digit_value(s[i - 1]) > 9 || digit_value(s[i + 1]) > 9)) {
            return false;
        }
    }
    return true;
}

}  // namespace

std::string int_text(Int i, unsigned base) {
    UInt rest = i < 0 ? -static_cast<UInt>(i) : static_cast<UInt>(i);
    std::string out;
    do {
        out += "0123456789abcdef"[static_cast<size_t>(rest % base)];
        rest /= base;
    } while (rest != 0);
    if (i < 0) {
        out += '-';
    }
    std::ranges::reverse(out);
    return out;
}

std::string float_repr(double d) {
    if (std::isnan(d)) {
        return "nan";
    }
    if (std::isinf(d)) {
        return d < 0 ? "-inf" : "inf";
    }
    std::array<char, 40> buffer{};
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(d), std::chars_format::scientific);
    const std::string_view text(buffer.data(), static_cast<size_t>(end.ptr - buffer.data()));
    const size_t e = text.find('e');
    std::string digits(text.substr(0, 1));
    if (e > 1) {
        digits += text.substr(2, e - 2);
    }
    const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
    std::string out = std::signbit(d) ? "-" : "";
    const auto count = static_cast<int>(digits.size());
    if (exponent < -4 || exponent >= 16) {
        out += digits[0];
        if (count > 1) {
            out += '.';
            out.append(digits, 1);
        }
        out += exponent < 0 ? "e-" : "e+";
        const std::string power = std::to_string(std::abs(exponent));
        return out + (power.size() < 2 ? "0" : "") + power;
    }
    if (exponent < 0) {
        return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
    }
    if (count <= exponent + 1) {
        return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
    }
    const auto whole = static_cast<size_t>(exponent + 1);
    return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::optional<Int> parse_int(std::string_view text, int base) {
    std::string_view digits = trim(text);
    bool negative = false;
    if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
        negative = digits[0] == '-';
        digits.remove_prefix(1);
    }
    const bool any_base = base == 0;
    take_prefix(digits, base);
    if (any_base && base == 10 && digits.size() > 1 && digits[0] == '0' &&
        digits.find_first_not_of("0_") != std::string_view::npos) {
        return std::nullopt;
    }
    if (digits.empty() || digits.front() == '_' || digits.back() == '_') {
        return std::nullopt;
    }
    Int result = 0;
    bool after_underscore = false;
    for (const char c : digits) {
        if (c == '_') {
            if (after_underscore) {
                return std::nullopt;
            }
            after_underscore = true;
            continue;
        }
        after_underscore = false;
        const int value = digit_value(c);
        if (value >= base) {
            return std::nullopt;
        }
        result = subtract(multiply(result, base), value);  // below zero, where there is one number more
    }
    return negative ? result : subtract(0, result);
}

std::optional<double> parse_float(std::string_view text) {
    std::string digits(trim(text));
    if (!underscores_fit(digits)) {
        return std::nullopt;
    }
    std::erase(digits, '_');
    const std::string lower = to_lower(digits);
    const size_t sign = !lower.empty() && (lower[0] == '+' || lower[0] == '-') ? 1 : 0;
    const std::string_view rest = std::string_view(lower).substr(sign);
    const bool word = rest == "inf" || rest == "infinity" || rest == "nan";
    if (!word && (rest.empty() || rest.find_first_not_of("0123456789.e+-") != std::string_view::npos)) {
        return std::nullopt;
    }
    char* end = nullptr;
    const double d = std::strtod(lower.c_str(), &end);
    if (end != lower.c_str() + lower.size()) {
        return std::nullopt;
    }
    return d;
}

Int float_to_int(double d) {
    if (std::isnan(d)) {
        raise_value("cannot convert float NaN to integer");
    }
    if (std::isinf(d)) {
        raise(ErrorKind::kOverflow, "cannot convert float infinity to integer");
    }
    constexpr double kLimit = 170141183460469231731687303715884105728.0;  // 2^127
    if (d >= kLimit || d < -kLimit) {
        raise_overflow();
    }
    return static_cast<Int>(d);
}

double round_float(double d, int64_t digits) {
    if (!std::isfinite(d) || digits > 323) {
        return d;
    }
    if (digits < -308) {
        return std::copysign(0.0, d);
    }
    if (digits >= 0) {
        return std::strtod(format_double(d, 'f', digits).c_str(), nullptr);
    }
    // Rounding left of the point: round the decimal digits of the exact value, ties to even.
    const std::string exact = format_double(std::abs(d), 'f', 330);
    const size_t point = exact.find('.');
    const auto cut = static_cast<int64_t>(point) + digits;
    if (cut < 0) {
        return std::copysign(0.0, d);
    }
    std::string head(1, '0');
    head.append(exact, 0, static_cast<size_t>(cut));
    std::string tail = exact.substr(static_cast<size_t>(cut));
    std::erase(tail, '.');
    const bool exact_half = tail[0] == '5' && tail.find_first_not_of('0', 1) == std::string::npos;
    if (tail[0] > '5' || (tail[0] == '5' && !exact_half) || (exact_half && (head.back() - '0') % 2 == 1)) {
        size_t i = head.size();
        while (head[--i] == '9') {
            head[i] = '0';
        }
        ++head[i];
    }
    return std::copysign(std::strtod((head + "e" + std::to_string(-digits)).c_str(), nullptr), d);
}

std::string format_double(double d, char conversion, int64_t precision, bool alternate) {
    if (precision < 0 || precision > kMaxPrecision) {
        raise_value("precision too big");
    }
    const char pattern[] = {
        '%', alternate ? '#' : '.', alternate ? '.' : '*', alternate ? '*' : conversion, alternate ? conversion : '\0',
        '\0'};
    std::string out(static_cast<size_t>(precision) + 350, '\0');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int n = std::snprintf(out.data(), out.size(), pattern, static_cast<int>(precision), d);
#pragma GCC diagnostic pop
    out.resize(static_cast<size_t>(n));
    return out;
}

std::string_view arithmetic_symbol(ArithmeticOp op) {
    constexpr std::array<std::string_view, 7> kSymbols = {"+", "-", "*", "/", "//", "%", "** or pow()"};
    return kSymbols[static_cast<size_t>(op)];
}

Value arithmetic(ArithmeticOp op, const Value& a, const Value& b) {
    if (a.is_integral() && b.is_integral()) {
        return integer_arithmetic(op, a.as_int(), b.as_int());
    }
    const double x = a.to_float();
    const double y = b.to_float();
    switch (op) {
        case ArithmeticOp::kAdd:
            return Value::real(x + y);
        case ArithmeticOp::kSub:
            return Value::real(x - y);
        case ArithmeticOp::kMul:
            return Value::real(x * y);
        case ArithmeticOp::kFloorDiv:
            return Value::real(float_floor_divide(x, y));
        case ArithmeticOp::kMod:
            return Value::real(float_modulo(x, y));
        case ArithmeticOp::kPow:
            return Value::real(float_power(x, y));
        case ArithmeticOp::kDiv:
            break;
    }
    if (y == 0) {
        raise(ErrorKind::kZeroDivision, "float division by zero");
    }
    return Value::real(x / y);
}

int64_t to_index(const Value& v) {
    if (v.is_undefined()) {
        raise_undefined(v);
    }
    if (!v.is_integral()) {
        raise_type("'" + std::string(type_name(v)) + "' object cannot be interpreted as an integer");
    }
    return static_cast<int64_t>(std::clamp<Int>(v.as_int(), INT64_MIN, INT64_MAX));
}

}  // namespace gantry::text::jinja
