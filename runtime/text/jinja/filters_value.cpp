/// Filters over numbers and over any value, and the table of all filters.

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/text/jinja/builtins.hpp"

namespace gantry::text::jinja {

namespace {

[[noreturn]] void raise_needs_number(std::string_view function, const Value& v) {
    if (v.is_undefined() && function != "abs") {
        raise_undefined(v);
    }
    raise_type("bad operand type for " + std::string(function) + "(): '" + std::string(type_name(v)) + "'");
}

Value absolute(Runtime&, const Value& self, Args& args) {
    const Params params("abs", args, {}, 0);
    if (!self.is_number()) {
        raise_needs_number("abs", self);
    }
    if (self.is(Type::kFloat)) {
        return Value::real(std::abs(self.as_float()));
    }
    return self.as_int() < 0 ? negate(self, true) : Value::integer(self.as_int());
}

Value default_value(Runtime& rt, const Value& self, Args& args) {
    const Params params("default", args, {"default_value", "boolean"}, 0);
    if (self.is_undefined() || (params.flag(1, false) && !truthy(self))) {
        return params[0] == nullptr ? rt.text("") : *params[0];
    }
    return self;
}

std::optional<Value> to_int(const Value& v, int base) {
    if (v.is_str()) {
        if (base != 0 && (base < 2 || base > 36)) {
            raise_value("int() base must be >= 2 and <= 36, or 0");
        }
        if (const auto i = parse_int(v.str(), base)) {
            return Value::integer(*i);
        }
        const auto d = parse_float(v.str());
        return d && std::isfinite(*d) ? std::optional(Value::integer(float_to_int(*d))) : std::nullopt;
    }
    if (v.is_integral()) {
        return Value::integer(v.as_int());
    }
    if (v.is(Type::kFloat) && !std::isnan(v.as_float())) {
        return Value::integer(float_to_int(v.as_float()));
    }
    return std::nullopt;
}

Value integer(Runtime&, const Value& self, Args& args) {
    const Params params("int", args, {"default", "base"}, 0);
    if (self.is_undefined()) {
        raise_undefined(self);
    }
    const Value fallback = params[0] == nullptr ? Value::integer(0) : *params[0];
    return to_int(self, static_cast<int>(std::clamp<int64_t>(params.index(1, 10), -1, 99))).value_or(fallback);
}

Value real(Runtime&, const Value& self, Args& args) {
    const Params params("float", args, {"default"}, 0);
    if (self.is_undefined()) {
        raise_undefined(self);
    }
    if (self.is_number()) {
        return Value::real(self.to_float());
    }
    if (self.is_str()) {
        if (const auto d = parse_float(self.str())) {
            return Value::real(*d);
        }
    }
    return params[0] == nullptr ? Value::real(0) : *params[0];
}

/// round(integer, digits) for negative digits: to the nearest multiple, ties to even.
Value round_integer(Int i, int64_t digits) {
    if (digits >= 0) {
        return Value::integer(i);
    }
    if (digits < -38) {
        return Value::integer(0);
    }
    Int unit = 1;
    for (int64_t n = digits; n < 0; ++n) {
        unit *= 10;
    }
    const Int rest = ((i % unit) + unit) % unit;
    const Int down = i - rest;
    const bool up = rest > unit - rest || (rest == unit - rest && (down / unit) % 2 != 0);
    return Value::integer(up ? down + unit : down);
}

Value round(Runtime& rt, const Value& self, Args& args) {
    const Params params("round", args, {"precision", "method"}, 0);
    const std::string method = params[1] == nullptr ? "common" : to_text(rt, *params[1]);
    if (method != "common" && method != "ceil" && method != "floor") {
        raise_value("method must be common, ceil or floor");
    }
    if (!self.is_number()) {
        if (self.is_undefined() && method != "common") {
            raise_undefined(self);
        }
        raise_type("type " + std::string(type_name(self)) + " doesn't define __round__ method");
    }
    const Value precision = params[0] == nullptr ? Value::integer(0) : *params[0];
    if (method == "common") {
        const int64_t digits = to_index(precision);
        return self.is(Type::kFloat) ? Value::real(round_float(self.as_float(), digits))
                                     : round_integer(self.as_int(), digits);
    }
    const Value scale = binary(rt, ArithmeticOp::kPow, Value::integer(10), precision);
    const Value scaled = binary(rt, ArithmeticOp::kMul, self, scale);
    const Value cut = scaled.is(Type::kFloat)
                          ? Value::integer(float_to_int(method == "ceil" ? std::ceil(scaled.as_float())
                                                                         : std::floor(scaled.as_float())))
                          : scaled;
    return binary(rt, ArithmeticOp::kDiv, cut, scale);
}

Value file_size(Runtime&, const Value& self, Args& args) {
    const Params params("filesizeformat", args, {"binary"}, 0);
    const bool binary_units = params.flag(0, false);
    if (self.is_undefined()) {
        raise_undefined(self);
    }
    const auto parsed = self.is_str()      ? parse_float(self.str())
                        : self.is_number() ? std::optional(self.to_float())
                                           : std::nullopt;
    if (!parsed) {
        raise_value("could not convert the value to float");
    }
    const double base = binary_units ? 1024 : 1000;
    if (*parsed == 1) {
        return Value::text("1 Byte");
    }
    if (*parsed < base) {
        return Value::text(int_text(float_to_int(*parsed)) + " Bytes");
    }
    double unit = base;
    std::string prefix;
    for (const char letter : std::string_view("kMGTPEZY")) {
        unit *= base;
        prefix = letter == 'k' && binary_units ? "K" : std::string(1, letter);
        if (*parsed < unit) {
            break;
        }
    }
    return Value::text(format_double(base * *parsed / unit, 'f', 1) + " " + prefix + (binary_units ? "iB" : "B"));
}

Value attribute(Runtime& rt, const Value& self, Args& args) {
    const Params params("attr", args, {"name"}, 1);
    if (!params[0]->is_str()) {
        raise_type("attribute name must be string, not '" + std::string(type_name(*params[0])) + "'");
    }
    const auto found = find_attribute(rt, self, params[0]->str());
    return found ? *found
                 : Value::undefined(words({"'", described_type(self), "' has no attribute '", params[0]->str(), "'"}));
}

/// transformers' tojson: json.dumps with its own defaults, without HTML escapes.
Value tojson(Runtime& rt, const Value& self, Args& args) {
    const Params params("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
    JsonStyle style;
    style.ensure_ascii = params.flag(0, false);
    style.sort_keys = params.flag(3, false);
    if (const Value* indent = params.given(1)) {
        style.indent = indent->is_str()
                           ? indent->str()
                           : std::string(static_cast<size_t>(std::clamp<int64_t>(to_index(*indent), 0, 1000)), ' ');
        style.item_separator.assign(1, ',');
    }
    if (const Value* separators = params.given(2)) {
        const auto pair = unpack(rt, *separators, 2);
        if (!pair[0].is_str() || !pair[1].is_str()) {
            raise_type("separators must be strings");
        }
        style.item_separator = pair[0].str();
        style.key_separator = pair[1].str();
    }
    TextBuilder out;
    append_json(rt, out, self, style);
    return rt.text(out.take());
}

constexpr auto kFilters = std::to_array<BuiltinEntry>({
    {"abs", absolute},
    {"default", default_value},
    {"d", default_value},
    {"int", integer},
    {"float", real},
    {"round", round},
    {"filesizeformat", file_size},
    {"attr", attribute},
    {"tojson", tojson},
});

}  // namespace

std::span<const BuiltinEntry> value_filters() { return kFilters; }

Builtin find_filter(std::string_view name) {
    for (const auto& table : {text_filters(), sequence_filters(), selection_filters(), value_filters()}) {
        const auto it = std::ranges::find(table, name, &BuiltinEntry::name);
        if (it != table.end()) {
            return it->function;
        }
    }
    return nullptr;
}

}  // namespace gantry::text::jinja
