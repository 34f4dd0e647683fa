/// `object.name`, `object[key]`, `object[a:b:c]`.

#include <algorithm>
#include <array>

#include "runtime/text/jinja/objects.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

/// Methods that change their object: the sandbox hides them.
bool changes_object(Type type, std::string_view name) {
    constexpr auto kList =
        std::to_array<std::string_view>({"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"});
    constexpr auto kDict = std::to_array<std::string_view>({"clear", "pop", "popitem", "setdefault", "update"});
    return (type == Type::kList && std::ranges::find(kList, name) != kList.end()) ||
           (type == Type::kDict && std::ranges::find(kDict, name) != kDict.end());
}

Value unsafe(const Value& object, std::string_view name) {
    return Value::undefined(
        "access to attribute '" + std::string(name) + "' of '" + std::string(type_name(object)) + "' object is unsafe.",
        ErrorKind::kSecurity);
}

Value missing_attribute(Runtime& rt, const Value& object, const Value& key) {
    if (key.is_str()) {
        return Value::undefined(words({"'", described_type(object), "' has no attribute '", key.str(), "'"}));
    }
    TextBuilder name;
    append_repr(rt, name, key);
    return Value::undefined(described_type(object) + " has no element " + name.take());
}

/// obj[key]; nothing where Python raises TypeError or LookupError.
std::optional<Value> subscript(Runtime& rt, const Value& object, const Value& key) {
    const auto position = [&](size_t size) -> std::optional<size_t> {
        if (!key.is_integral()) {
            return std::nullopt;
        }
        const Int i = key.as_int() < 0 ? key.as_int() + static_cast<Int>(size) : key.as_int();
        return i >= 0 && i < static_cast<Int>(size) ? std::optional(static_cast<size_t>(i)) : std::nullopt;
    };
    switch (object.type()) {
        case Type::kDict:
            if (key.is(Type::kList) || key.is(Type::kDict)) {
                return std::nullopt;
            }
            try {
                const Value* found = object.dict().dict.find(rt.budget(), key);
                return found == nullptr ? std::nullopt : std::optional(*found);
            } catch (const RenderError& e) {
                if (e.kind == ErrorKind::kType) {
                    return std::nullopt;
                }
                throw;
            }
        case Type::kList:
        case Type::kTuple:
            if (const auto at = position(object.items().size())) {
                return object.items()[*at];
            }
            return std::nullopt;
        case Type::kStr: {
            const auto& s = object.get<StrObject>();
            const auto at = position(s.length);
            if (!at) {
                return std::nullopt;
            }
            rt.budget().step_text(s.text.size());
            const size_t begin = s.length == s.text.size() ? *at : utf8_offset(s.text, *at);
            size_t end = begin;
            utf8_next(s.text, end);
            return rt.text(s.text.substr(begin, end - begin), s.markup);
        }
        case Type::kRange:
            if (const auto at = position(static_cast<size_t>(object.get<RangeObject>().size))) {
                return Value::integer(object.get<RangeObject>().at(static_cast<int64_t>(*at)));
            }
            return std::nullopt;
        case Type::kUndefined:
            raise_undefined(object);
        default:
            return std::nullopt;
    }
}

std::optional<Value> number_attribute(const Value& object, std::string_view name) {
    if (name == "real") return object.is(Type::kBool) ? Value::integer(object.as_int()) : object;
    if (name == "imag") return object.is(Type::kFloat) ? Value::real(0) : Value::integer(0);
    if (object.is_integral() && name == "numerator") return Value::integer(object.as_int());
    if (object.is_integral() && name == "denominator") return Value::integer(1);
    return std::nullopt;
}

std::optional<Value> own_attribute(Runtime& rt, const Value& object, std::string_view name) {
    switch (object.type()) {
        case Type::kBool:
        case Type::kInt:
        case Type::kFloat:
            return number_attribute(object, name);
        case Type::kTuple:
            if (object.get<ListObject>().group && (name == "grouper" || name == "list")) {
                return object.items()[name == "list" ? 1 : 0];
            }
            return std::nullopt;
        case Type::kRange: {
            const auto& range = object.get<RangeObject>();
            if (name == "start") return Value::integer(range.start);
            if (name == "stop") return Value::integer(range.stop);
            if (name == "step") return Value::integer(range.step);
            return std::nullopt;
        }
        case Type::kNamespace: {
            const Value* found = object.get<NamespaceObject>().attributes.find(name);
            return found == nullptr ? std::nullopt : std::optional(*found);
        }
        case Type::kCycler:
            if (name == "current") {
                const auto& cycler = object.get<CyclerObject>();
                return cycler.items[cycler.position];
            }
            return std::nullopt;
        case Type::kLoop:
            return object.get<LoopObject>().attribute(rt, object, name);
        case Type::kMacro:
            return rt.macro_attribute(object, name);
        default:
            return std::nullopt;
    }
}

struct SliceBounds {
    int64_t start, step, count;
};

/// Python's slice.indices().
SliceBounds slice_bounds(int64_t size, const Value& start, const Value& stop, const Value& step) {
    const auto index = [](const Value& v) {
        if (!v.is_integral()) {
            raise_type("slice indices must be integers or None or have an __index__ method");
        }
        return to_index(v);
    };
    const int64_t stride = step.is_none() ? 1 : index(step);
    if (stride == 0) {
        raise_value("slice step cannot be zero");
    }
    const int64_t lowest = stride < 0 ? -1 : 0;
    const int64_t highest = stride < 0 ? size - 1 : size;
    const auto clip = [&](const Value& v, int64_t absent) {
        if (v.is_none()) {
            return absent;
        }
        const int64_t i = index(v);
        return i < 0 ? std::max(i < -size ? lowest : i + size, lowest) : std::min(i, highest);
    };
    const int64_t from = clip(start, stride < 0 ? highest : lowest);
    const int64_t to = clip(stop, stride < 0 ? lowest : highest);
    return {from, stride, RangeObject(from, to, stride).size};
}

}  // namespace

std::optional<Value> find_attribute(Runtime& rt, const Value& object, std::string_view name) {
    if (name.starts_with("__") && name.ends_with("__") && name.size() > 4 && !object.is(Type::kNamespace)) {
        constexpr auto kEverywhere = std::to_array<std::string_view>(
            {"__class__", "__init__", "__doc__", "__dict__", "__eq__", "__hash__", "__repr__", "__str__", "__len__",
             "__getitem__", "__iter__", "__contains__"});
        if (std::ranges::find(kEverywhere, name) != kEverywhere.end()) {
            return unsafe(object, name);
        }
        return std::nullopt;
    }
    if (object.is_undefined()) {
        raise_undefined(object);
    }
    if (auto own = own_attribute(rt, object, name)) {
        return own;
    }
    if (changes_object(object.type(), name)) {
        return unsafe(object, name);
    }
    if (const Builtin method = find_method(object.type(), name)) {
        return rt.adopt(Type::kFunction, new FunctionObject(std::string(name), method, object));
    }
    return std::nullopt;
}

Value get_attribute(Runtime& rt, const Value& object, std::string_view name) {
    if (auto found = find_attribute(rt, object, name)) {
        return *found;
    }
    if (object.is(Type::kDict)) {
        if (const Value* found = object.dict().dict.find(name)) {
            return *found;
        }
    }
    if (object.is_undefined()) {
        raise_undefined(object);
    }
    return missing_attribute(rt, object, Value::text(std::string(name)));
}

Value get_item(Runtime& rt, const Value& object, const Value& key) {
    if (auto found = subscript(rt, object, key)) {
        return *found;
    }
    if (key.is_str()) {
        if (auto found = find_attribute(rt, object, key.str())) {
            return *found;
        }
    }
    return missing_attribute(rt, object, key);
}

Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step) {
    switch (object.type()) {
        case Type::kUndefined:
            raise_undefined(object);
        case Type::kList:
        case Type::kTuple: {
            const auto& items = object.items();
            const auto bounds = slice_bounds(static_cast<int64_t>(items.size()), start, stop, step);
            rt.step(1 + static_cast<uint64_t>(bounds.count) / 16);
            rt.budget().require(static_cast<size_t>(bounds.count) * sizeof(Value));
            std::vector<Value> out;
            out.reserve(static_cast<size_t>(bounds.count));
            for (int64_t i = 0; i < bounds.count; ++i) {
                out.push_back(items[static_cast<size_t>(bounds.start + i * bounds.step)]);
            }
            return object.is(Type::kList) ? rt.list(std::move(out)) : rt.tuple(std::move(out));
        }
        case Type::kStr: {
            const auto& s = object.get<StrObject>();
            const auto bounds = slice_bounds(static_cast<int64_t>(s.length), start, stop, step);
            rt.budget().step_text(s.text.size());
            if (bounds.count == 0) {
                return rt.text({}, s.markup);
            }
            if (bounds.step == 1) {
                const bool bytes = s.length == s.text.size();
                const auto from = static_cast<size_t>(bounds.start);
                const auto count = static_cast<size_t>(bounds.count);
                const size_t begin = bytes ? from : utf8_offset(s.text, from);
                const std::string_view rest = std::string_view(s.text).substr(begin);
                return rt.text(std::string(rest.substr(0, bytes ? count : utf8_offset(rest, count))), s.markup);
            }
            std::vector<size_t> offsets;
            for (size_t pos = 0; pos < s.text.size(); utf8_next(s.text, pos)) {
                offsets.push_back(pos);
            }
            std::string out;
            for (int64_t i = 0; i < bounds.count; ++i) {
                const size_t begin = offsets[static_cast<size_t>(bounds.start + i * bounds.step)];
                size_t end = begin;
                utf8_next(s.text, end);
                out.append(s.text, begin, end - begin);
            }
            return rt.text(std::move(out), s.markup);
        }
        case Type::kRange: {
            const auto& range = object.get<RangeObject>();
            const auto bounds = slice_bounds(range.size, start, stop, step);
            const Int first = range.start + static_cast<Int>(bounds.start) * range.step;
            const Int stride = static_cast<Int>(range.step) * bounds.step;
            const Int end = first + stride * bounds.count;
            if (end > INT64_MAX || end < INT64_MIN || stride > INT64_MAX || stride < INT64_MIN) {
                raise(ErrorKind::kOverflow, "range is too big");
            }
            return rt.adopt(Type::kRange, new RangeObject(static_cast<int64_t>(first), static_cast<int64_t>(end),
                                                          static_cast<int64_t>(stride)));
        }
        case Type::kDict:
            raise_type("unhashable type: 'slice'");
        default:
            raise_type("'" + std::string(type_name(object)) + "' object is not subscriptable");
    }
}

}  // namespace gantry::text::jinja
