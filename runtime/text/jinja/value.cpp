#include "runtime/text/jinja/value.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

constexpr size_t kNowhere = static_cast<size_t>(-1);
constexpr double kTwo63 = 9223372036854775808.0;

uint32_t depth_over(uint32_t deepest) {
    if (deepest >= kMaxValueDepth) {
        raise(ErrorKind::kRecursion, "maximum recursion depth exceeded: values are nested too deeply");
    }
    return deepest + 1;
}

uint32_t depth_of(const Value& v) { return v.object() == nullptr ? 0 : v.object()->depth; }

size_t hash_text(std::string_view s) { return std::hash<std::string_view>{}(s); }

/// Equal numbers of different types hash alike, as Python's dicts need.
size_t hash_number(const Value& v) {
    if (v.is(Type::kFloat)) {
        const double d = v.as_float();
        if (std::floor(d) != d || std::abs(d) >= kTwo63) {
            return std::hash<double>{}(d);
        }
        return std::hash<int64_t>{}(static_cast<int64_t>(d));
    }
    const Int i = v.as_int();
    const auto narrow = static_cast<int64_t>(i);
    return i == narrow ? std::hash<int64_t>{}(narrow) : std::hash<double>{}(static_cast<double>(i));
}

int64_t range_size(int64_t start, int64_t stop, int64_t step) {
    const Int span = step > 0 ? static_cast<Int>(stop) - start : static_cast<Int>(start) - stop;
    if (span <= 0) {
        return 0;
    }
    const Int stride = step > 0 ? static_cast<Int>(step) : -static_cast<Int>(step);
    const Int n = (span + stride - 1) / stride;
    return n > INT64_MAX ? INT64_MAX : static_cast<int64_t>(n);
}

bool equal_numbers(const Value& a, const Value& b) {
    if (a.is_integral() && b.is_integral()) {
        return a.as_int() == b.as_int();
    }
    if (a.is(Type::kFloat) && b.is(Type::kFloat)) {
        return a.as_float() == b.as_float();
    }
    const Int i = a.is(Type::kFloat) ? b.as_int() : a.as_int();
    const double d = a.is(Type::kFloat) ? a.as_float() : b.as_float();
    return static_cast<long double>(i) == static_cast<long double>(d);
}

bool equal_items(Budget& budget, const std::vector<Value>& a, const std::vector<Value>& b) {
    if (a.size() != b.size()) {
        return false;
    }
    for (size_t i = 0; i < a.size(); ++i) {
        if (!identical(a[i], b[i]) && !equals(budget, a[i], b[i])) {
            return false;
        }
    }
    return true;
}

bool equal_dicts(Budget& budget, const Dict& a, const Dict& b) {
    if (a.size() != b.size()) {
        return false;
    }
    for (const auto& e : a.entries()) {
        const Value* other = b.find(budget, e.key);
        if (other == nullptr || (!identical(e.value, *other) && !equals(budget, e.value, *other))) {
            return false;
        }
    }
    return true;
}

bool equal_ranges(const RangeObject& a, const RangeObject& b) {
    return a.size == b.size && (a.size == 0 || a.start == b.start) && (a.size < 2 || a.step == b.step);
}

}  // namespace

Value Value::boolean(bool b) {
    Value v;
    v.type_ = Type::kBool;
    v.int_ = b ? 1 : 0;
    return v;
}

Value Value::integer(Int i) {
    Value v;
    v.type_ = Type::kInt;
    v.int_ = i;
    return v;
}

Value Value::real(double d) {
    Value v;
    v.type_ = Type::kFloat;
    v.real_ = d;
    return v;
}

Value Value::text(std::string s, bool markup) { return {Type::kStr, new StrObject(std::move(s), markup)}; }
Value Value::list(std::vector<Value> items) { return {Type::kList, new ListObject(std::move(items))}; }
Value Value::tuple(std::vector<Value> items) { return {Type::kTuple, new ListObject(std::move(items))}; }

Value Value::undefined(std::string message, ErrorKind kind) {
    return {Type::kUndefined, new UndefinedObject(std::move(message), kind)};
}

const std::string& Value::str() const { return get<StrObject>().text; }
bool Value::is_markup() const { return is_str() && get<StrObject>().markup; }
const std::vector<Value>& Value::items() const { return get<ListObject>().items; }
const DictObject& Value::dict() const { return get<DictObject>(); }

StrObject::StrObject(std::string s, bool m) : text(std::move(s)), length(utf8_length(text)), markup(m) {}

ListObject::ListObject(std::vector<Value> v) : items(std::move(v)) {
    uint32_t deepest = 0;
    for (const auto& item : items) {
        deepest = std::max(deepest, depth_of(item));
    }
    depth = depth_over(deepest);
}

DictObject::DictObject(Dict d) : dict(std::move(d)) {
    uint32_t deepest = 0;
    for (const auto& e : dict.entries()) {
        deepest = std::max({deepest, depth_of(e.key), depth_of(e.value)});
    }
    depth = depth_over(deepest);
}

RangeObject::RangeObject(int64_t b, int64_t e, int64_t s) : start(b), stop(e), step(s), size(range_size(b, e, s)) {}

ViewObject::ViewObject(Kind k, Value d) : kind(k), owner(std::move(d)) { depth = depth_over(depth_of(owner)); }

template <class Same>
size_t Dict::locate(size_t hash, Same same) const {
    if (index_.empty()) {
        for (size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].hash == hash && same(entries_[i].key)) {
                return i;
            }
        }
        return kNowhere;
    }
    const auto [begin, end] = index_.equal_range(hash);
    const auto it = std::find_if(begin, end, [&](const auto& at) { return same(entries_[at.second].key); });
    return it == end ? kNowhere : it->second;
}

void Dict::append(Value key, Value value, size_t hash) {
    entries_.push_back({std::move(key), std::move(value), hash});
    if (!index_.empty()) {
        index_.emplace(hash, entries_.size() - 1);
    } else if (entries_.size() >= kIndexFrom) {
        for (size_t i = 0; i < entries_.size(); ++i) {
            index_.emplace(entries_[i].hash, i);
        }
    }
}

const Value* Dict::find(std::string_view key) const {
    const size_t at = locate(hash_text(key), [&](const Value& k) { return k.is_str() && k.str() == key; });
    return at == kNowhere ? nullptr : &entries_[at].value;
}

const Value* Dict::find(Budget& budget, const Value& key) const {
    if (key.is_str()) {
        return find(key.str());
    }
    const size_t at = locate(hash_value(budget, key), [&](const Value& k) { return equals(budget, k, key); });
    return at == kNowhere ? nullptr : &entries_[at].value;
}

void Dict::set(Budget& budget, Value key, Value value) {
    const size_t hash = hash_value(budget, key);
    const size_t at = locate(hash, [&](const Value& k) { return equals(budget, k, key); });
    if (at == kNowhere) {
        append(std::move(key), std::move(value), hash);
    } else {
        entries_[at].value = std::move(value);
    }
}

void Dict::set(std::string_view key, Value value) {
    const size_t hash = hash_text(key);
    const size_t at = locate(hash, [&](const Value& k) { return k.is_str() && k.str() == key; });
    if (at == kNowhere) {
        append(Value::text(std::string(key)), std::move(value), hash);
    } else {
        entries_[at].value = std::move(value);
    }
}

void Dict::clear() {
    // The old entries die after the members are empty: their destructors may reach this object again.
    const auto dying = std::exchange(entries_, {});
    index_.clear();
}

std::string_view type_name(const Value& v) {
    switch (v.type()) {
        case Type::kNone:
            return "NoneType";
        case Type::kBool:
            return "bool";
        case Type::kInt:
            return "int";
        case Type::kFloat:
            return "float";
        case Type::kUndefined:
            return "Undefined";
        case Type::kStr:
            return v.is_markup() ? "Markup" : "str";
        case Type::kList:
            return "list";
        case Type::kTuple:
            return "tuple";
        case Type::kDict:
            return "dict";
        case Type::kRange:
            return "range";
        case Type::kView: {
            const auto kind = v.get<ViewObject>().kind;
            return kind == ViewObject::Kind::kKeys     ? "dict_keys"
                   : kind == ViewObject::Kind::kValues ? "dict_values"
                                                       : "dict_items";
        }
        case Type::kGenerator:
            return "generator";
        case Type::kNamespace:
            return "Namespace";
        case Type::kLoop:
            return "LoopContext";
        case Type::kMacro:
            return "Macro";
        case Type::kFunction:
            return "builtin_function_or_method";
        case Type::kCycler:
            return "Cycler";
        case Type::kJoiner:
            return "Joiner";
    }
    return "object";
}

std::string described_type(const Value& v) { return v.is_none() ? "None" : std::string(type_name(v)) + " object"; }

bool truthy(const Value& v) {
    switch (v.type()) {
        case Type::kNone:
        case Type::kUndefined:
            return false;
        case Type::kBool:
        case Type::kInt:
            return v.as_int() != 0;
        case Type::kFloat:
            return v.as_float() != 0;
        case Type::kStr:
            return !v.str().empty();
        case Type::kList:
        case Type::kTuple:
            return !v.items().empty();
        case Type::kDict:
            return v.dict().dict.size() != 0;
        case Type::kRange:
            return v.get<RangeObject>().size != 0;
        case Type::kView:
            return truthy(v.get<ViewObject>().owner);
        default:
            return true;
    }
}

bool identical(const Value& a, const Value& b) {
    if (a.type() != b.type()) {
        return false;
    }
    if (a.object() != nullptr || b.object() != nullptr) {
        return a.object() == b.object();
    }
    return a.is(Type::kFloat) ? a.as_float() == b.as_float() : a.as_int() == b.as_int();
}

bool equals(Budget& budget, const Value& a, const Value& b) {
    budget.step();
    if (a.is_number() && b.is_number()) {
        return equal_numbers(a, b);
    }
    if (a.type() != b.type()) {
        return false;
    }
    switch (a.type()) {
        case Type::kNone:
        case Type::kUndefined:
            return true;
        case Type::kStr:
            return a.str() == b.str();
        case Type::kList:
        case Type::kTuple:
            return equal_items(budget, a.items(), b.items());
        case Type::kDict:
            return equal_dicts(budget, a.dict().dict, b.dict().dict);
        case Type::kRange:
            return equal_ranges(a.get<RangeObject>(), b.get<RangeObject>());
        default:
            return a.object() == b.object();
    }
}

bool less(Budget& budget, const Value& a, const Value& b, std::string_view op, bool swapped) {
    budget.step();
    if (a.is_undefined() || b.is_undefined()) {
        raise_undefined(a.is_undefined() ? a : b);
    }
    if (a.is_number() && b.is_number()) {
        if (a.is_integral() && b.is_integral()) {
            return a.as_int() < b.as_int();
        }
        const auto wide = [](const Value& v) {
            return v.is(Type::kFloat) ? static_cast<long double>(v.as_float()) : static_cast<long double>(v.as_int());
        };
        return wide(a) < wide(b);
    }
    if (a.is_str() && b.is_str()) {
        return a.str() < b.str();  // the order of UTF-8 bytes is that of code points
    }
    if (a.is_sequence() && a.type() == b.type()) {
        const auto& x = a.items();
        const auto& y = b.items();
        for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
            if (!identical(x[i], y[i]) && !equals(budget, x[i], y[i])) {
                return less(budget, x[i], y[i], op, swapped);
            }
        }
        return x.size() < y.size();
    }
    raise_type("'" + std::string(op) + "' not supported between instances of '" +
               std::string(type_name(swapped ? b : a)) + "' and '" + std::string(type_name(swapped ? a : b)) + "'");
}

bool less_equal(Budget& budget, const Value& a, const Value& b, std::string_view op, bool swapped) {
    if (a.is_number() && b.is_number()) {
        return less(budget, a, b) || equals(budget, a, b);
    }
    return !less(budget, b, a, op, !swapped);
}

size_t hash_value(Budget& budget, const Value& v) {
    budget.step();
    switch (v.type()) {
        case Type::kNone:
            return 0x9e3779b9;
        case Type::kBool:
        case Type::kInt:
        case Type::kFloat:
            return hash_number(v);
        case Type::kUndefined:
            return 0x7f4a7c15;
        case Type::kStr:
            return hash_text(v.str());
        case Type::kTuple: {
            size_t h = 0x345678;
            for (const auto& item : v.items()) {
                h = h * 1000003 ^ hash_value(budget, item);
            }
            return h;
        }
        case Type::kRange:
            return std::hash<int64_t>{}(v.get<RangeObject>().size);
        case Type::kList:
        case Type::kDict:
        case Type::kView:
            raise_type("unhashable type: '" + std::string(type_name(v)) + "'");
        default:
            return std::hash<const void*>{}(v.object());
    }
}

void raise_undefined(const Value& v) {
    const auto& u = v.get<UndefinedObject>();
    raise(u.kind, u.message);
}

}  // namespace gantry::text::jinja
