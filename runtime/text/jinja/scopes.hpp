#pragma once

#include "runtime/text/jinja/ast.hpp"

namespace gantry::text::jinja {

/// Fills the `unset` lists of a parsed template.
///
/// jinja2 decides before it runs which block a name belongs to: when a block assigns a name before it reads it, the
/// name is that block's from its begin, and the blocks inside see it as undefined until then, even if the caller passed
/// a variable of that name. `unset` lists those names. Names that a block reads first, or assigns in an `if` only, are
/// looked up when they are read, which needs no preparation.
void find_unset_names(Template& tmpl);

}  // namespace gantry::text::jinja
