#pragma once

#include <optional>
#include <string_view>

#include "runtime/grammar/schema/languages.hpp"

namespace gantry::grammar {

/// The texts of a format of JSON Schema; nullopt for names that the specification does not know (they only annotate).
/// Throws SchemaError for a format of the specification that is not supported.
std::optional<Lang> format_language(Languages& languages, std::string_view name);

}  // namespace gantry::grammar
