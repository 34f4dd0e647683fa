#pragma once

/// How the files of built-ins put their tables together.

#include <span>
#include <string>
#include <string_view>

#include "runtime/text/jinja/objects.hpp"

namespace gantry::text::jinja {

struct BuiltinEntry {
    std::string_view name;
    Builtin function;
};

std::span<const BuiltinEntry> text_filters();
std::span<const BuiltinEntry> sequence_filters();
std::span<const BuiltinEntry> selection_filters();
std::span<const BuiltinEntry> value_filters();
std::span<const BuiltinEntry> text_methods();

/// Looks at attributes of items: what filters do with `attribute="a.b.0"`.
class AttributePath {
  public:
    /// Null or None: the item itself.
    AttributePath(Runtime& rt, const Value* attribute);
    Value operator()(Runtime& rt, Value item, const Value* fallback = nullptr) const;

  private:
    std::vector<Value> parts_;
};

/// Texts in lower case, everything else as it is.
Value ignore_case(Runtime& rt, const Value& v);

}  // namespace gantry::text::jinja
