#include "runtime/grammar/schema/number_set.hpp"

#include <algorithm>
#include <utility>

namespace gantry::grammar {

namespace {

// Doubles end at 1.8e308: larger exponents would be read back as infinity.
constexpr int kLargestExponent = 308;
// Members are at most this many steps apart unless there is none at all: see NumberRange::empty.
constexpr int kSearch = 4096;

BigInt floor_div(const BigInt& x, const BigInt& y) {
    BigInt q = x / y;
    if (q * y > x) {
        --q;
    }
    return q;
}

/// x as a multiple of 10^exponent; `exponent` is not above x's.
BigInt scaled(const Decimal& x, int exponent) { return x.mantissa * power_of_ten(x.exponent - exponent); }

}  // namespace

BigInt power_of_ten(int exponent) { return boost::multiprecision::pow(BigInt(10), static_cast<unsigned>(exponent)); }

Decimal Decimal::make(BigInt mantissa, int exponent) {
    if (mantissa == 0) {
        return {};
    }
    while (mantissa % 10 == 0) {
        mantissa /= 10;
        ++exponent;
    }
    return {std::move(mantissa), exponent};
}

Decimal Decimal::parse(std::string_view text) {
    const auto p = NumberPrefix::parse(text);
    const std::string digits = p.integer + p.fraction;
    BigInt mantissa(0);
    for (const char c : digits) {
        mantissa = mantissa * 10 + (c - '0');
    }
    int exponent = 0;
    for (const char c : p.exponent_digits) {
        exponent = std::min(exponent * 10 + (c - '0'), 100000);
    }
    if (p.exponent_sign == '-') {
        exponent = -exponent;
    }
    return make(p.negative ? BigInt(-mantissa) : mantissa, exponent - static_cast<int>(p.fraction.size()));
}

std::string Decimal::key() const { return mantissa.str() + "e" + std::to_string(exponent); }

int Decimal::magnitude() const { return static_cast<int>(BigInt(abs(mantissa)).str().size()) - 1 + exponent; }

int compare(const Decimal& x, const Decimal& y) {
    if (x.mantissa.sign() != y.mantissa.sign() || x.zero()) {
        return x.mantissa.sign() - y.mantissa.sign();
    }
    if (const int mx = x.magnitude(), my = y.magnitude(); mx != my) {
        return (mx > my ? 1 : -1) * x.mantissa.sign();
    }
    const int exponent = std::min(x.exponent, y.exponent);
    return scaled(x, exponent).compare(scaled(y, exponent));
}

bool is_multiple(const Decimal& x, const Decimal& of) {
    const int exponent = std::min(x.exponent, of.exponent);
    return scaled(x, exponent) % scaled(of, exponent) == 0;
}

Decimal least_common_multiple(const Decimal& x, const Decimal& y) {
    const int exponent = std::min(x.exponent, y.exponent);
    return Decimal::make(lcm(scaled(x, exponent), scaled(y, exponent)), exponent);
}

std::string NumberRange::key() const {
    std::string out = low ? (open_low ? "(" : "[") + low->key() : "(";
    out += "," + (high ? high->key() : std::string()) + (open_high ? ")" : "]");
    out += step ? "*" + step->key() : std::string();
    for (const auto& s : skips) {
        out += "/" + s.key();
    }
    return out;
}

bool NumberRange::contains(const Decimal& x) const {
    if (low) {
        const int order = compare(x, *low);
        if (order < 0 || (order == 0 && open_low)) {
            return false;
        }
    }
    if (high) {
        const int order = compare(x, *high);
        if (order > 0 || (order == 0 && open_high)) {
            return false;
        }
    }
    return (!step || is_multiple(x, *step)) &&
           std::none_of(skips.begin(), skips.end(), [&](const Decimal& s) { return is_multiple(x, s); });
}

bool NumberRange::empty() const {
    if (low && high) {
        const int order = compare(*low, *high);
        if (order >= 0) {
            return order > 0 || open_low || open_high || !contains(*low);
        }
    }
    if (!step) {
        return false;  // an interval with a width; what is skipped lies apart
    }
    if (std::any_of(skips.begin(), skips.end(), [&](const Decimal& s) { return is_multiple(*step, s); })) {
        return true;
    }
    if (!low || !high) {
        return false;  // of infinitely many multiples at least every other one stays
    }
    return !least();
}

std::optional<Decimal> NumberRange::least() const {
    if (compare(*low, *high) >= 0 || !step) {
        return contains(*low) ? low : std::nullopt;
    }
    const int exponent = std::min({low->exponent, high->exponent, step->exponent});
    const BigInt unit = scaled(*step, exponent);
    BigInt at = floor_div(scaled(*low, exponent), unit) * unit;
    const BigInt last = scaled(*high, exponent);
    for (int i = 0; i < kSearch && at <= last; ++i, at += unit) {
        if (auto found = Decimal::make(at, exponent); contains(found)) {
            return found;
        }
    }
    return std::nullopt;
}

NumberRange NumberRange::mirrored() const {
    NumberRange out = *this;
    out.low = high ? std::optional(-*high) : std::nullopt;
    out.high = low ? std::optional(-*low) : std::nullopt;
    out.open_low = open_high;
    out.open_high = open_low;
    return out;
}

void NumberRange::raise_low(const Decimal& bound, bool open) {
    const int order = low ? compare(bound, *low) : 1;
    if (order > 0 || (order == 0 && open)) {
        low = bound;
        open_low = open;
    }
}

void NumberRange::lower_high(const Decimal& bound, bool open) {
    const int order = high ? compare(bound, *high) : -1;
    if (order < 0 || (order == 0 && open)) {
        high = bound;
        open_high = open;
    }
}

NumberPrefix NumberPrefix::parse(std::string_view text) {
    NumberPrefix p;
    for (const char c : text) {
        if (c == '-') {
            p.exponent ? void(p.exponent_sign = '-') : void(p.negative = true);
        } else if (c == '+') {
            p.exponent_sign = '+';
        } else if (c == '.') {
            p.point = true;
        } else if (c == 'e' || c == 'E') {
            p.exponent = true;
        } else {
            (p.exponent ? p.exponent_digits : p.point ? p.fraction : p.integer) += c;
        }
    }
    return p;
}

bool NumberPrefix::is_number() const {
    return !integer.empty() && (!point || !fraction.empty()) && (!exponent || !exponent_digits.empty());
}

namespace {

/// Members of `set`, which has no negative ones, in [digits, digits + 1) * 10^k.
bool meets(const NumberRange& set, const BigInt& digits, int k) {
    NumberRange part = set;
    part.raise_low(Decimal::make(digits, k), false);
    part.lower_high(Decimal::make(digits + 1, k), true);
    return !part.empty();
}

/// Some k from `least` on for which meets(). `digits` is above zero.
bool meets_from(const NumberRange& set, const BigInt& digits, std::optional<int> least) {
    if (!set.high) {
        return !set.empty();  // far enough out everything occurs
    }
    if (set.high->zero()) {
        return false;
    }
    const int length = static_cast<int>(digits.str().size());
    const int last = set.high->magnitude() - length + 1;
    int first = 0;
    if (!set.low->zero()) {
        first = set.low->magnitude() - length;
    } else if (set.step) {
        first = set.step->magnitude() - length;
    } else if (!least) {
        return true;  // an interval that touches zero
    } else {
        first = *least;
    }
    for (int k = std::max(first, least.value_or(first)); k <= last; ++k) {
        if (meets(set, digits, k)) {
            return true;
        }
    }
    return false;
}

/// Exponents e for which value * 10^e is in the set, as a range (a set's multiples stay multiples times ten).
std::pair<int, int> exponents(const NumberRange& set, const Decimal& value, int least) {
    int first = std::max(least, -kLargestExponent);
    int last = kLargestExponent;
    const int at = value.magnitude();
    if (set.low && !set.low->zero()) {
        first = std::max(first, set.low->magnitude() - at - 1);
    }
    if (set.high) {
        last = set.high->zero() ? first - 1 : std::min(last, set.high->magnitude() - at + 1);
    }
    const auto inside = [&](int e) { return set.contains({value.mantissa, value.exponent + e}); };
    // A mantissa ends in no zero, so below this no power of ten makes a multiple; above, each adds a factor 2 and a
    // factor 5, so what is no multiple after as many as the step has bits never becomes one.
    const auto turn = [&](const Decimal& step) { return step.exponent - value.exponent; };
    const auto patience = [](const Decimal& step) { return static_cast<int>(msb(step.mantissa)) + 1; };
    if (set.step) {
        first = std::max(first, turn(*set.step));
        for (int tries = patience(*set.step);
             first <= last && !is_multiple({value.mantissa, value.exponent + first}, *set.step); ++first) {
            if (--tries < 0) {
                return {0, -1};
            }
        }
    }
    for (const auto& skip : set.skips) {
        int end = turn(skip);
        for (int tries = patience(skip); tries >= 0 && !is_multiple({value.mantissa, value.exponent + end}, skip);
             --tries) {
            ++end;
        }
        if (is_multiple({value.mantissa, value.exponent + end}, skip)) {
            last = std::min(last, end - 1);
        }
    }
    while (first <= last && !inside(first)) {
        ++first;
    }
    while (last > first && !inside(last)) {
        --last;
    }
    return {first, last};
}

bool exponent_fits(const NumberPrefix& p, std::pair<int, int> range, bool positive_only) {
    const auto [first, last] = range;
    if (first > last || (positive_only && p.exponent_sign == '-')) {
        return false;
    }
    if (p.exponent_digits.size() > 3) {
        return false;
    }
    int typed = 0;
    for (const char c : p.exponent_digits) {
        typed = typed * 10 + (c - '0');
    }
    int low = typed, high = typed;
    for (size_t n = p.exponent_digits.size();; ++n) {
        for (const int sign : {1, -1}) {
            if (p.exponent_sign == (sign > 0 ? '-' : '+') ||
                (p.exponent_sign == 0 && n > 0 && sign < 0 && !p.exponent_digits.empty())) {
                continue;
            }
            const int from = sign > 0 ? low : -high, to = sign > 0 ? high : -low;
            if (n > 0 && std::max(from, first) <= std::min(to, last)) {
                return true;
            }
        }
        if (n == 3) {
            return false;
        }
        low *= 10;
        high = high * 10 + 9;
    }
}

NumberRange on_side(const NumberRange& set, bool negative) {
    NumberRange side = negative ? set.mirrored() : set;
    side.raise_low(Decimal{}, false);
    return side;
}

}  // namespace

bool can_continue(const NumberRange& full, const NumberPrefix& p, bool any_spelling) {
    if (p.integer.empty() && !p.negative) {
        return !full.empty();  // the sign may still come
    }
    const NumberRange set = on_side(full, p.negative);
    if (p.integer.empty()) {
        return !set.empty();
    }
    const bool plain_whole = set.whole() && !any_spelling;
    const bool scientific = any_spelling || (p.integer.size() == 1 && p.integer != "0");
    if ((p.exponent && !scientific) || (plain_whole && !p.fraction.empty() && p.fraction != "0")) {
        return false;
    }
    const BigInt digits((p.integer + p.fraction).find_first_not_of('0') == std::string::npos
                            ? BigInt(0)
                            : Decimal::parse(p.integer + p.fraction).mantissa);
    const Decimal value = Decimal::parse((p.integer + "." + p.fraction));
    if (p.exponent) {
        if (value.zero()) {
            return set.contains(value) && exponent_fits(p, {-kLargestExponent, kLargestExponent}, plain_whole);
        }
        return exponent_fits(p, exponents(set, value, plain_whole ? 0 : -kLargestExponent), plain_whole);
    }
    if (digits == 0) {
        if (plain_whole || any_spelling) {
            return plain_whole ? set.contains(Decimal{}) : !set.empty();
        }
        return meets(set, BigInt(0), -static_cast<int>(p.fraction.size()));
    }
    const Decimal whole = Decimal::parse(p.integer + p.fraction);
    const BigInt exact = whole.mantissa * power_of_ten(whole.exponent);
    if (plain_whole) {
        const auto range = exponents(set, value, 0);
        return p.point ? set.contains(value) || (scientific && range.first <= range.second) : meets_from(set, exact, 0);
    }
    if (scientific) {
        return meets_from(set, exact, std::nullopt);
    }
    return p.point ? meets(set, exact, -static_cast<int>(p.fraction.size())) : meets_from(set, exact, 0);
}

bool always_inside(const NumberRange& full, const NumberPrefix& p, bool any_spelling) {
    if (p.integer.empty() || !full.skips.empty() || p.exponent) {
        return false;
    }
    const NumberRange set = on_side(full, p.negative);
    const bool plain_whole = set.whole() && !any_spelling;
    if (set.high || (set.step && !(plain_whole && compare(*set.step, Decimal{1, 0}) == 0))) {
        return false;
    }
    if (set.low->zero() && !set.open_low) {
        return true;
    }
    // From here on a number with an exponent may be as small as it likes, unless it is an integer.
    return p.integer != "0" && (plain_whole || (!any_spelling && p.integer.size() > 1)) &&
           set.contains(Decimal::parse(p.integer));
}

}  // namespace gantry::grammar
