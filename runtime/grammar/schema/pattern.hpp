#pragma once

#include <string_view>

#include "runtime/grammar/schema/languages.hpp"

namespace gantry::grammar {

/// The texts in which an ECMA-262 regular expression (in Unicode mode) finds a match. Groups, classes, quantifiers,
/// anchors, \p{general category} and, outside of groups, lookahead. Throws SchemaError for what is malformed and for
/// what describes no regular language or is not supported: back references, lookbehind, \b and \B.
Lang pattern_language(Languages& languages, std::string_view pattern);

}  // namespace gantry::grammar
