#pragma once

/// The values that have a life of their own: generators, namespaces, loops, functions.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/text/jinja/runtime.hpp"

namespace gantry::text::jinja {

/// Python's generator: lazily walked, once.
struct GeneratorObject : Object {
    using Step = std::function<bool(Runtime&, Value&)>;
    GeneratorObject(Step s, uint32_t source_depth);
    bool next(Runtime& rt, Value& out);

  private:
    Step step_;
    bool running_ = false;
};

/// A generator over `source`; `step` takes what it needs from the iterator given to it.
Value make_generator(Runtime& rt, const Value& source, const Args* captured,
                     std::function<bool(Runtime&, Iterator&, Value&)> step);

struct NamespaceObject : Object {
    Dict attributes;
};

/// A global function, or a method bound to `self`.
struct FunctionObject : Object {
    FunctionObject(std::string n, Builtin f, Value s) : name(std::move(n)), function(f), self(std::move(s)) {
        depth = self.object() == nullptr ? 1 : self.object()->depth + 1;
    }
    const std::string name;
    const Builtin function;
    const Value self;
};

struct CyclerObject : Object {
    std::vector<Value> items;
    size_t position = 0;
};

struct JoinerObject : Object {
    std::string separator;
    bool used = false;
};

/// `loop`. Holds the items that it still needs; finish() lets go of them, so that no circle survives the loop.
class LoopObject : public Object {
  public:
    LoopObject(std::unique_ptr<Iterator> items, std::optional<size_t> length, uint32_t depth0)
        : items_(std::move(items)), length_(length), depth0_(depth0) {}

    bool advance(Runtime& rt, Value& item);
    void finish();
    std::optional<Value> attribute(Runtime& rt, const Value& self, std::string_view name);
    bool changed(Runtime& rt, std::vector<Value> values);
    size_t index0() const { return index0_; }
    uint32_t depth0() const { return depth0_; }
    size_t length(Runtime& rt);

    std::function<Value(const Value& items, uint32_t depth0)> recurse;  ///< empty unless the loop is recursive

  private:
    bool peek(Runtime& rt);

    std::unique_ptr<Iterator> items_;
    std::optional<size_t> length_;
    std::deque<Value> ahead_;
    Value before_, current_;
    std::optional<std::vector<Value>> last_changed_;
    size_t index0_ = static_cast<size_t>(-1);
    const uint32_t depth0_;
    bool finished_ = false;
};

}  // namespace gantry::text::jinja
