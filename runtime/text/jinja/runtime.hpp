#pragma once

/// What every built-in needs while a template is rendered: the budget, the clock, calls back into the interpreter.
/// One rendering, one thread.

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/jinja/number.hpp"
#include "runtime/text/jinja/value.hpp"

namespace gantry::text::jinja {

/// The arguments of one call.
struct Args {
    std::vector<Value> positional;
    std::vector<std::pair<std::string, Value>> named;
};

class Runtime {
  public:
    explicit Runtime(std::optional<std::chrono::sys_seconds> now) : now_(now) {}
    virtual ~Runtime() = default;
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    Budget& budget() { return budget_; }
    void step(uint64_t n = 1) { budget_.step(n); }

    /// New values that count against the budget.
    Value text(std::string s, bool markup = false);
    Value list(std::vector<Value> items);
    Value tuple(std::vector<Value> items);
    Value dict(Dict d);
    template <class T>
    Value adopt(Type type, T* object, size_t extra_bytes = 0) {
        Value v(type, object);
        object->charge(budget_, sizeof(T) + extra_bytes);
        return v;
    }

    virtual Value call(const Value& callee, Args& args) = 0;
    virtual std::optional<Value> macro_attribute(const Value& macro, std::string_view name) = 0;
    /// Namespaces can hold each other in circles: they live until the rendering ends, which empties them.
    virtual Value make_namespace(Dict attributes) = 0;

    /// What strftime_now sees: the fixed time read as UTC, or the wall clock in local time.
    std::optional<std::chrono::sys_seconds> fixed_now() const { return now_; }

  private:
    Budget budget_;
    std::optional<std::chrono::sys_seconds> now_;
};

using Builtin = Value (*)(Runtime&, const Value& self, Args&);
using TestFunction = bool (*)(Runtime&, const Value& self, Args&);

/// Arguments matched with parameter names. Raises TypeError for too many, unknown, doubled or missing ones.
class Params {
  public:
    Params(std::string_view function, const Args& args, std::initializer_list<std::string_view> names, size_t required);
    const Value* operator[](size_t i) const { return found_[i]; }
    /// The argument, unless it is absent or None.
    const Value* given(size_t i) const { return found_[i] != nullptr && !found_[i]->is_none() ? found_[i] : nullptr; }
    bool flag(size_t i, bool absent) const { return found_[i] == nullptr ? absent : truthy(*found_[i]); }
    int64_t index(size_t i, int64_t absent) const;

  private:
    std::vector<const Value*> found_;
};

/// Walks a value once.
class Iterator {
  public:
    virtual ~Iterator() = default;
    virtual bool next(Runtime& rt, Value& out) = 0;
};

/// Raises TypeError for what cannot be walked. The iterator keeps the value alive.
std::unique_ptr<Iterator> iterate(Runtime& rt, const Value& v);
std::vector<Value> collect(Runtime& rt, const Value& v);
/// Exactly `count` items, as an assignment to several targets takes them.
std::vector<Value> unpack(Runtime& rt, const Value& v, size_t count);
/// len(v), or nothing when the type has no length.
std::optional<size_t> length_of(const Value& v);
/// `item in container`
bool contains(Runtime& rt, const Value& container, const Value& item);

/// `object.name` and `object[key]` by the sandbox's rules: an undefined value where there is nothing.
Value get_attribute(Runtime& rt, const Value& object, std::string_view name);
Value get_item(Runtime& rt, const Value& object, const Value& key);
/// Only what Python's getattr finds: no fall-back to items. Nothing when there is no such attribute.
std::optional<Value> find_attribute(Runtime& rt, const Value& object, std::string_view name);
Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step);

/// str(v), repr(v), json.dumps(v).
std::string to_text(Runtime& rt, const Value& v);
void append_text(Runtime& rt, TextBuilder& out, const Value& v);
void append_repr(Runtime& rt, TextBuilder& out, const Value& v);
struct JsonStyle {
    bool ensure_ascii = false;
    bool sort_keys = false;
    std::optional<std::string> indent;
    std::string item_separator = ", ";
    std::string key_separator = ": ";
};
void append_json(Runtime& rt, TextBuilder& out, const Value& v, const JsonStyle& style);

/// `a op b` for every type that has the operator.
Value binary(Runtime& rt, ArithmeticOp op, const Value& a, const Value& b);
Value negate(const Value& v, bool minus);
Value html_escape(Runtime& rt, const Value& v);
/// `pattern % values` and pattern.format(...).
std::string percent_format(Runtime& rt, const Value& pattern, const Value& values);
std::string brace_format(Runtime& rt, std::string_view pattern, const Args& args);
/// format(v, spec)
std::string format_value(Runtime& rt, const Value& v, std::string_view spec);

/// The tables of built-ins; null for an unknown name.
Builtin find_filter(std::string_view name);
TestFunction find_test(std::string_view name);
Builtin find_method(Type type, std::string_view name);
/// range, dict, namespace, ...; nothing for an unknown name.
std::optional<Value> find_global(std::string_view name);

}  // namespace gantry::text::jinja
