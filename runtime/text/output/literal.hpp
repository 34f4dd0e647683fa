#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry::text {

/// JSON Schema's types, as bits; 0 where a parameter's schema does not say.
enum JsonType : uint8_t {
    kStringType = 1,
    kNumberType = 2,
    kBooleanType = 4,
    kNullType = 8,
    kArrayType = 16,
    kObjectType = 32,
};

/// A Python literal (string, number, True, False, None, list, tuple, dict) as JSON text, JSON's own words accepted too.
/// nullopt where it is none. `text` may have white space around it.
std::optional<std::string> python_to_json(std::string_view text);

/// A parameter's value as a model writes it between tags, as JSON text of one of the types that its schema allows: the
/// text itself where it reads as such a value, else a JSON string. An unknown type takes any value that reads as JSON.
std::string value_to_json(std::string_view text, uint8_t types);

}  // namespace gantry::text
