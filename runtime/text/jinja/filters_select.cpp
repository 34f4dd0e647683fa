/// map, select, reject, selectattr, rejectattr: filters that call filters and tests by name.

#include <array>

#include "runtime/text/jinja/builtins.hpp"

namespace gantry::text::jinja {

namespace {

Value empty_generator(Runtime& rt) {
    return make_generator(rt, Value::undefined(""), nullptr, [](Runtime&, Iterator&, Value&) { return false; });
}

/// The name that stands first among the arguments, which loses it.
std::string take_name(Runtime& rt, Args& args) {
    const Value name = args.positional.front();
    args.positional.erase(args.positional.begin());
    return to_text(rt, name);
}

Value map_attribute(Runtime& rt, const Value& self, Args& args) {
    const Params params("map", args, {"attribute", "default"}, 1);
    const AttributePath path(rt, params[0]);
    const Value fallback = params[1] == nullptr ? Value() : *params[1];
    return make_generator(rt, self, &args, [path, fallback](Runtime& r, Iterator& it, Value& out) {
        Value item;
        if (!it.next(r, item)) {
            return false;
        }
        out = path(r, item, &fallback);
        return true;
    });
}

Value map(Runtime& rt, const Value& self, Args& args) {
    if (!truthy(self)) {
        return empty_generator(rt);
    }
    const bool by_attribute =
        args.positional.empty() && !args.named.empty() &&
        (args.named[0].first == "attribute" || (args.named.size() > 1 && args.named[1].first == "attribute"));
    if (by_attribute) {
        return map_attribute(rt, self, args);
    }
    if (args.positional.empty()) {
        raise_type("map requires a filter argument");
    }
    Args rest = args;
    const std::string name = take_name(rt, rest);
    const Builtin filter = find_filter(name);
    return make_generator(rt, self, &args, [filter, name, rest](Runtime& r, Iterator& it, Value& out) {
        Value item;
        if (!it.next(r, item)) {
            return false;
        }
        if (filter == nullptr) {
            raise(ErrorKind::kTemplate, "No filter named '" + name + "'.");
        }
        Args copy = rest;
        out = filter(r, item, copy);
        return true;
    });
}

Value choose(Runtime& rt, const Value& self, Args& args, bool by_attribute, bool wanted) {
    if (!truthy(self)) {
        return empty_generator(rt);
    }
    Args rest = args;
    const Value* attribute = nullptr;
    if (by_attribute) {
        if (args.positional.empty()) {
            raise_type("Missing parameter for attribute name");
        }
        attribute = &args.positional.front();
        rest.positional.erase(rest.positional.begin());
    }
    const AttributePath path(rt, attribute);
    TestFunction test = nullptr;
    std::string name;
    if (!rest.positional.empty()) {
        name = take_name(rt, rest);
        test = find_test(name);
    }
    return make_generator(rt, self, &args, [=](Runtime& r, Iterator& it, Value& out) {
        while (it.next(r, out)) {
            if (test == nullptr && !name.empty()) {
                raise(ErrorKind::kTemplate, "No test named '" + name + "'.");
            }
            const Value subject = path(r, out);
            Args copy = rest;
            if ((test == nullptr ? truthy(subject) : test(r, subject, copy)) == wanted) {
                return true;
            }
        }
        return false;
    });
}

Value select(Runtime& rt, const Value& self, Args& args) { return choose(rt, self, args, false, true); }
Value reject(Runtime& rt, const Value& self, Args& args) { return choose(rt, self, args, false, false); }
Value selectattr(Runtime& rt, const Value& self, Args& args) { return choose(rt, self, args, true, true); }
Value rejectattr(Runtime& rt, const Value& self, Args& args) { return choose(rt, self, args, true, false); }

constexpr auto kFilters = std::to_array<BuiltinEntry>({
    {"map", map},
    {"select", select},
    {"reject", reject},
    {"selectattr", selectattr},
    {"rejectattr", rejectattr},
});

}  // namespace

std::span<const BuiltinEntry> selection_filters() { return kFilters; }

}  // namespace gantry::text::jinja
