/// Methods of everything but str, and the look-up of methods.

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/text/jinja/builtins.hpp"

namespace gantry::text::jinja {

namespace {

template <ViewObject::Kind kKind>
Value view(Runtime& rt, const Value& self, Args& args) {
    const Params params("dict method", args, {}, 0);
    return rt.adopt(Type::kView, new ViewObject(kKind, self));
}

Value dict_get(Runtime& rt, const Value& self, Args& args) {
    const Params params("get", args, {"key", "default"}, 1);
    if (!args.named.empty()) {
        raise_type("dict.get() takes no keyword arguments");
    }
    const Value* found = self.dict().dict.find(rt.budget(), *params[0]);
    return found != nullptr ? *found : params[1] != nullptr ? *params[1] : Value();
}

Value dict_fromkeys(Runtime& rt, const Value&, Args& args) {
    const Params params("fromkeys", args, {"iterable", "value"}, 1);
    Dict out;
    for (const auto& key : collect(rt, *params[0])) {
        out.set(rt.budget(), key, params[1] == nullptr ? Value() : *params[1]);
    }
    return rt.dict(std::move(out));
}

Value copy(Runtime&, const Value& self, Args& args) {
    const Params params("copy", args, {}, 0);
    return self;  // nothing can change either of them
}

Value sequence_count(Runtime& rt, const Value& self, Args& args) {
    const Params params("count", args, {"value"}, 1);
    Int n = 0;
    for (const auto& item : self.items()) {
        n += identical(item, *params[0]) || equals(rt.budget(), item, *params[0]) ? 1 : 0;
    }
    return Value::integer(n);
}

Value sequence_index(Runtime& rt, const Value& self, Args& args) {
    const Params params("index", args, {"value", "start", "stop"}, 1);
    const auto& items = self.items();
    const auto size = static_cast<int64_t>(items.size());
    const auto clip = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? (i < -size ? 0 : i + size) : i, 0, size); };
    const int64_t stop = clip(params.index(2, size));
    for (int64_t i = clip(params.index(1, 0)); i < stop; ++i) {
        const auto& item = items[static_cast<size_t>(i)];
        if (identical(item, *params[0]) || equals(rt.budget(), item, *params[0])) {
            return Value::integer(i);
        }
    }
    TextBuilder what;
    append_repr(rt, what, *params[0]);
    raise_value(self.is(Type::kList) ? what.take() + " is not in list" : "tuple.index(x): x not in tuple");
}

Value range_count(Runtime& rt, const Value& self, Args& args) {
    const Params params("count", args, {"value"}, 1);
    return Value::integer(contains(rt, self, *params[0]) ? 1 : 0);
}

Value bit_length(Runtime&, const Value& self, Args&) {
    Int n = 0;
    auto rest = static_cast<unsigned __int128>(self.as_int());
    if (self.as_int() < 0) {
        rest = -rest;
    }
    for (; rest != 0; rest >>= 1) {
        ++n;
    }
    return Value::integer(n);
}

Value is_integer(Runtime&, const Value& self, Args&) {
    return Value::boolean(std::isfinite(self.as_float()) && std::floor(self.as_float()) == self.as_float());
}

Value loop_cycle(Runtime&, const Value& self, Args& args) {
    if (args.positional.empty()) {
        raise_type("no items for cycling given");
    }
    return args.positional[self.get<LoopObject>().index0() % args.positional.size()];
}

Value loop_changed(Runtime& rt, const Value& self, Args& args) {
    return Value::boolean(self.get<LoopObject>().changed(rt, std::move(args.positional)));
}

Value cycler_next(Runtime&, const Value& self, Args& args) {
    const Params params("next", args, {}, 0);
    auto& cycler = self.get<CyclerObject>();
    const Value current = cycler.items[cycler.position];
    cycler.position = (cycler.position + 1) % cycler.items.size();
    return current;
}

Value cycler_reset(Runtime&, const Value& self, Args& args) {
    const Params params("reset", args, {}, 0);
    self.get<CyclerObject>().position = 0;
    return {};
}

constexpr auto kDictMethods = std::to_array<BuiltinEntry>({
    {"get", dict_get},
    {"items", view<ViewObject::Kind::kItems>},
    {"keys", view<ViewObject::Kind::kKeys>},
    {"values", view<ViewObject::Kind::kValues>},
    {"copy", copy},
    {"fromkeys", dict_fromkeys},
});
constexpr auto kListMethods =
    std::to_array<BuiltinEntry>({{"count", sequence_count}, {"index", sequence_index}, {"copy", copy}});
constexpr auto kTupleMethods = std::to_array<BuiltinEntry>({{"count", sequence_count}, {"index", sequence_index}});
constexpr auto kRangeMethods = std::to_array<BuiltinEntry>({{"count", range_count}});
constexpr auto kIntMethods = std::to_array<BuiltinEntry>({{"bit_length", bit_length}, {"conjugate", copy}});
constexpr auto kFloatMethods = std::to_array<BuiltinEntry>({{"is_integer", is_integer}, {"conjugate", copy}});
constexpr auto kLoopMethods = std::to_array<BuiltinEntry>({{"cycle", loop_cycle}, {"changed", loop_changed}});
constexpr auto kCyclerMethods = std::to_array<BuiltinEntry>({{"next", cycler_next}, {"reset", cycler_reset}});
/// `dict` itself, which is a function here, has one method.
constexpr auto kFunctionMethods = std::to_array<BuiltinEntry>({{"fromkeys", dict_fromkeys}});

std::span<const BuiltinEntry> methods_of(Type type) {
    switch (type) {
        case Type::kStr:
            return text_methods();
        case Type::kDict:
            return kDictMethods;
        case Type::kList:
            return kListMethods;
        case Type::kTuple:
            return kTupleMethods;
        case Type::kRange:
            return kRangeMethods;
        case Type::kBool:
        case Type::kInt:
            return kIntMethods;
        case Type::kFloat:
            return kFloatMethods;
        case Type::kLoop:
            return kLoopMethods;
        case Type::kCycler:
            return kCyclerMethods;
        case Type::kFunction:
            return kFunctionMethods;
        default:
            return {};
    }
}

}  // namespace

Builtin find_method(Type type, std::string_view name) {
    const auto table = methods_of(type);
    const auto it = std::ranges::find(table, name, &BuiltinEntry::name);
    return it == table.end() ? nullptr : it->function;
}

}  // namespace gantry::text::jinja
