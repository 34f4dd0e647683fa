/// `value is test`.

#include <algorithm>
#include <array>

#include "runtime/text/jinja/builtins.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

/// value % divisor == rest
bool remainder_is(Runtime& rt, const Value& value, const Value& divisor, Int rest) {
    const Value r = binary(rt, ArithmeticOp::kMod, value, divisor);
    return equals(rt.budget(), r, Value::integer(rest));
}

const Value& only(std::string_view test, const Args& args) { return *Params(test, args, {"other"}, 1)[0]; }

template <class Predicate>
bool cased(Runtime& rt, const Value& v, Predicate same) {
    const std::string s = to_text(rt, v);
    bool any = false;
    for (size_t pos = 0; pos < s.size();) {
        const char32_t c = utf8_next(s, pos);
        if (is_cased(c) && !same(c)) {
            return false;
        }
        any = any || is_cased(c);
    }
    return any;
}

bool iterable(const Value& v) {
    switch (v.type()) {
        case Type::kUndefined:
        case Type::kStr:
        case Type::kList:
        case Type::kTuple:
        case Type::kDict:
        case Type::kRange:
        case Type::kView:
        case Type::kGenerator:
        case Type::kLoop:
            return true;
        default:
            return false;
    }
}

bool sequence(const Value& v) {
    switch (v.type()) {
        case Type::kUndefined:
        case Type::kStr:
        case Type::kList:
        case Type::kTuple:
        case Type::kDict:
        case Type::kRange:
            return true;
        default:
            return false;
    }
}

bool callable(const Value& v) {
    switch (v.type()) {
        case Type::kUndefined:
        case Type::kLoop:
        case Type::kMacro:
        case Type::kFunction:
        case Type::kJoiner:
            return true;
        default:
            return false;
    }
}

template <Type... kTypes>
bool is_type(Runtime&, const Value& v, Args& args) {
    const Params params("test", args, {}, 0);
    return ((v.type() == kTypes) || ...);
}

struct TestEntry {
    std::string_view name;
    TestFunction function;
};

constexpr TestFunction kEq = [](Runtime& rt, const Value& v, Args& a) { return equals(rt.budget(), v, only("eq", a)); };
constexpr TestFunction kNe = [](Runtime& rt, const Value& v, Args& a) {
    return !equals(rt.budget(), v, only("ne", a));
};
constexpr TestFunction kLt = [](Runtime& rt, const Value& v, Args& a) { return less(rt.budget(), v, only("lt", a)); };
constexpr TestFunction kGt = [](Runtime& rt, const Value& v, Args& a) {
    return less(rt.budget(), only("gt", a), v, ">", true);
};
constexpr TestFunction kLe = [](Runtime& rt, const Value& v, Args& a) {
    return less_equal(rt.budget(), v, only("le", a));
};
constexpr TestFunction kGe = [](Runtime& rt, const Value& v, Args& a) {
    return less_equal(rt.budget(), only("ge", a), v, ">=", true);
};

constexpr auto kTests = std::to_array<TestEntry>({
    {"defined", [](Runtime&, const Value& v, Args&) { return !v.is_undefined(); }},
    {"undefined", is_type<Type::kUndefined>},
    {"none", is_type<Type::kNone>},
    {"boolean", is_type<Type::kBool>},
    {"true", [](Runtime&, const Value& v, Args&) { return v.is(Type::kBool) && v.as_bool(); }},
    {"false", [](Runtime&, const Value& v, Args&) { return v.is(Type::kBool) && !v.as_bool(); }},
    {"integer", is_type<Type::kInt>},
    {"float", is_type<Type::kFloat>},
    {"number", is_type<Type::kInt, Type::kFloat, Type::kBool>},
    {"string", is_type<Type::kStr>},
    {"mapping", is_type<Type::kDict>},
    {"sequence", [](Runtime&, const Value& v, Args&) { return sequence(v); }},
    {"iterable", [](Runtime&, const Value& v, Args&) { return iterable(v); }},
    {"callable", [](Runtime&, const Value& v, Args&) { return callable(v); }},
    {"odd", [](Runtime& rt, const Value& v, Args&) { return remainder_is(rt, v, Value::integer(2), 1); }},
    {"even", [](Runtime& rt, const Value& v, Args&) { return remainder_is(rt, v, Value::integer(2), 0); }},
    {"divisibleby",
     [](Runtime& rt, const Value& v, Args& a) { return remainder_is(rt, v, only("divisibleby", a), 0); }},
    {"lower", [](Runtime& rt, const Value& v, Args&) { return cased(rt, v, is_lower); }},
    {"upper", [](Runtime& rt, const Value& v, Args&) { return cased(rt, v, is_upper); }},
    {"escaped", [](Runtime&, const Value& v, Args&) { return v.is_markup(); }},
    {"filter", [](Runtime&, const Value& v, Args&) { return v.is_str() && find_filter(v.str()) != nullptr; }},
    {"test", [](Runtime&, const Value& v, Args&) { return v.is_str() && find_test(v.str()) != nullptr; }},
    {"sameas", [](Runtime&, const Value& v, Args& a) { return identical(v, only("sameas", a)); }},
    {"in", [](Runtime& rt, const Value& v, Args& a) { return contains(rt, only("in", a), v); }},
    {"==", kEq},
    {"eq", kEq},
    {"equalto", kEq},
    {"!=", kNe},
    {"ne", kNe},
    {">", kGt},
    {"gt", kGt},
    {"greaterthan", kGt},
    {">=", kGe},
    {"ge", kGe},
    {"<", kLt},
    {"lt", kLt},
    {"lessthan", kLt},
    {"<=", kLe},
    {"le", kLe},
});

}  // namespace

TestFunction find_test(std::string_view name) {
    const auto it = std::ranges::find(kTests, name, &TestEntry::name);
    return it == kTests.end() ? nullptr : it->function;
}

}  // namespace gantry::text::jinja
