#pragma once

#include <string_view>

#include "runtime/text/jinja/ast.hpp"

namespace gantry::text::jinja {

/// Parses a source that normalize_source() made. Throws SyntaxError.
Template parse(std::string_view source);

}  // namespace gantry::text::jinja
