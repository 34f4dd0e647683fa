/// The functions that every template can call.

#include <algorithm>
#include <array>
#include <ctime>

#include "runtime/text/jinja/builtins.hpp"

namespace gantry::text::jinja {

namespace {

constexpr int64_t kMaxRange = 100'000;  ///< the sandbox's

Value range(Runtime& rt, const Value&, Args& args) {
    const Params params("range", args, {"start", "stop", "step"}, 1);
    const auto bound = [](const Value& v) {
        const int64_t i = to_index(v);
        if (v.as_int() != i) {
            raise(ErrorKind::kOverflow, "Python int too large to convert to C ssize_t");
        }
        return i;
    };
    const int64_t start = params[1] == nullptr ? 0 : bound(*params[0]);
    const int64_t stop = bound(params[1] == nullptr ? *params[0] : *params[1]);
    const int64_t step = params[2] == nullptr ? 1 : bound(*params[2]);
    if (step == 0) {
        raise_value("range() arg 3 must not be zero");
    }
    auto* object = new RangeObject(start, stop, step);
    Value v = rt.adopt(Type::kRange, object);
    if (object->size > kMaxRange) {
        raise(ErrorKind::kOverflow,
              "Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + std::to_string(kMaxRange) + ").");
    }
    return v;
}

Dict make_dict(Runtime& rt, Args& args, std::string_view function) {
    if (args.positional.size() > 1) {
        raise_type(std::string(function) + " expected at most 1 argument, got " +
                   std::to_string(args.positional.size()));
    }
    Dict out;
    if (!args.positional.empty()) {
        const Value& source = args.positional.front();
        if (source.is(Type::kDict)) {
            for (const auto& e : source.dict().dict.entries()) {
                out.set(rt.budget(), e.key, e.value);
            }
        } else {
            const auto it = iterate(rt, source);
            Value item;
            while (it->next(rt, item)) {
                auto pair = unpack(rt, item, 2);
                rt.budget().require((out.size() + 1) * sizeof(Dict::Entry) * 2);
                out.set(rt.budget(), std::move(pair[0]), std::move(pair[1]));
            }
        }
    }
    for (const auto& [name, value] : args.named) {
        out.set(name, value);
    }
    return out;
}

Value dict(Runtime& rt, const Value&, Args& args) { return rt.dict(make_dict(rt, args, "dict")); }

Value namespace_(Runtime& rt, const Value&, Args& args) {
    Dict attributes = make_dict(rt, args, "namespace");
    for (const auto& e : attributes.entries()) {
        if (e.key.is_str() && e.key.str().starts_with('_')) {
            raise(ErrorKind::kSecurity,
                  "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '" + e.key.str() +
                      "'. Please rename the attribute.");
        }
    }
    return rt.make_namespace(std::move(attributes));
}

Value cycler(Runtime& rt, const Value&, Args& args) {
    if (args.positional.empty()) {
        raise(ErrorKind::kTemplate, "at least one item has to be provided");
    }
    const Value items = rt.list(args.positional);  // for its depth
    auto* object = new CyclerObject;
    object->depth = items.object()->depth;
    object->items = args.positional;
    return rt.adopt(Type::kCycler, object, object->items.size() * sizeof(Value));
}

Value joiner(Runtime& rt, const Value&, Args& args) {
    const Params params("joiner", args, {"sep"}, 0);
    auto* object = new JoinerObject;
    Value v = rt.adopt(Type::kJoiner, object);
    object->separator = params[0] == nullptr ? ", " : to_text(rt, *params[0]);
    return v;
}

Value raise_exception(Runtime& rt, const Value&, Args& args) {
    const Params params("raise_exception", args, {"message"}, 1);
    raise(ErrorKind::kTemplate, to_text(rt, *params[0]));
}

Value strftime_now(Runtime& rt, const Value&, Args& args) {
    const Params params("strftime_now", args, {"format"}, 1);
    if (!params[0]->is_str()) {
        raise_type("strftime() argument 1 must be str, not " + std::string(type_name(*params[0])));
    }
    std::string format = params[0]->str();
    if (format.size() > 1000) {
        raise_value("the time format is too long");
    }
    // Python fills these in itself; its clock here has no zone and whole seconds.
    for (size_t at = format.find('%'); at != std::string::npos && at + 1 < format.size(); at = format.find('%', at)) {
        const char c = format[at + 1];
        if (c == 'f' || c == 'z' || c == 'Z') {
            const std::string_view text = c == 'f' ? "000000" : "";
            format.replace(at, 2, text);
            at += text.size();
        } else {
            at += 2;
        }
    }
    const auto fixed = rt.fixed_now();
    const std::time_t seconds =
        fixed ? static_cast<std::time_t>(fixed->time_since_epoch().count()) : std::time(nullptr);
    std::tm fields{};
    if (fixed) {
        gmtime_r(&seconds, &fields);
    } else {
        localtime_r(&seconds, &fields);
    }
    format += ' ';  // so that an empty result differs from a failure
    std::string out(format.size() * 32 + 64, '\0');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const size_t n = std::strftime(out.data(), out.size(), format.c_str(), &fields);
#pragma GCC diagnostic pop
    if (n == 0) {
        raise_value("the time format gives too long a text");
    }
    out.resize(n - 1);
    return rt.text(std::move(out));
}

constexpr auto kGlobals = std::to_array<BuiltinEntry>({
    {"range", range},
    {"dict", dict},
    {"namespace", namespace_},
    {"cycler", cycler},
    {"joiner", joiner},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
});

}  // namespace

std::optional<Value> find_global(std::string_view name) {
    const auto it = std::ranges::find(kGlobals, name, &BuiltinEntry::name);
    if (it == kGlobals.end()) {
        return std::nullopt;
    }
    return Value(Type::kFunction, new FunctionObject(std::string(name), it->function, Value()));
}

}  // namespace gantry::text::jinja
