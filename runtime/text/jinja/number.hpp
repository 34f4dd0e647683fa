#pragma once

/// Numbers as Python reads, writes and reckons with them.

#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/jinja/value.hpp"

namespace gantry::text::jinja {

std::string int_text(Int i, unsigned base = 10);  ///< digits in lower case, '-' before negative ones
std::string float_repr(double d);                 ///< the shortest text that reads back as the same number

/// int(text, base): blanks around, sign, underscores between digits, prefixes. Nothing when it is not a number; raises
/// OverflowError past 128 bits.
std::optional<Int> parse_int(std::string_view text, int base = 10);
/// float(text), with "nan" and "inf".
std::optional<double> parse_float(std::string_view text);

/// int(d); raises ValueError or OverflowError for NaN, infinity and what does not fit.
Int float_to_int(double d);
/// round(d, digits)
double round_float(double d, int64_t digits);

/// d printed with `printf`'s conversion 'e', 'f' or 'g'. Raises ValueError when the precision is absurd.
std::string format_double(double d, char conversion, int64_t precision, bool alternate = false);

enum class ArithmeticOp : uint8_t { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow };
std::string_view arithmetic_symbol(ArithmeticOp op);

/// `a op b` of two numbers.
Value arithmetic(ArithmeticOp op, const Value& a, const Value& b);

/// An index argument; raises TypeError for what is no integer, clamps what does not fit in 64 bits.
int64_t to_index(const Value& v);

}  // namespace gantry::text::jinja
