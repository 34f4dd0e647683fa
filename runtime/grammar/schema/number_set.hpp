#pragma once

/// Exact decimals and the sets that numeric keywords describe. Only numbers*.cpp include this (compile time).

#include <boost/multiprecision/cpp_int.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::grammar {

using BigInt = boost::multiprecision::cpp_int;

/// mantissa * 10^exponent; the mantissa ends in no zero, and zero is 0 * 10^0.
struct Decimal {
    BigInt mantissa;
    int exponent = 0;

    static Decimal make(BigInt mantissa, int exponent);
    /// A JSON number or a prefix that is one.
    static Decimal parse(std::string_view text);
    std::string key() const;
    Decimal operator-() const { return {-mantissa, exponent}; }
    bool zero() const { return mantissa == 0; }
    /// Place of the first digit: 0 for 1 to 9.99, -1 for 0.1. Not for zero.
    int magnitude() const;
};

BigInt power_of_ten(int exponent);
/// The sign of x - y.
int compare(const Decimal& x, const Decimal& y);
bool is_multiple(const Decimal& x, const Decimal& of);
Decimal least_common_multiple(const Decimal& x, const Decimal& y);

/// An interval, cut down to multiples of `step` that are no multiples of any of `skips`.
struct NumberRange {
    std::optional<Decimal> low;
    std::optional<Decimal> high;
    bool open_low = false;
    bool open_high = false;
    std::optional<Decimal> step;
    std::vector<Decimal> skips;

    std::string key() const;
    /// All members are integers.
    bool whole() const { return step && step->exponent >= 0; }
    bool contains(const Decimal& x) const;
    bool empty() const;
    /// The smallest member of a set that has a lowest bound and a step, or is one number.
    std::optional<Decimal> least() const;
    /// The members with their signs turned.
    NumberRange mirrored() const;
    void raise_low(const Decimal& bound, bool open);
    void lower_high(const Decimal& bound, bool open);
};

/// What has been read of a number.
struct NumberPrefix {
    bool negative = false;
    std::string integer;  ///< digits before the point
    bool point = false;
    std::string fraction;  ///< digits behind it
    bool exponent = false;
    char exponent_sign = 0;
    std::string exponent_digits;

    static NumberPrefix parse(std::string_view text);
    bool is_number() const;
};

/// Whether a number that starts like this can be in the set.
bool can_continue(const NumberRange& set, const NumberPrefix& prefix, bool any_spelling);
/// Whether every number that starts like this is in the set.
bool always_inside(const NumberRange& set, const NumberPrefix& prefix, bool any_spelling);

}  // namespace gantry::grammar
