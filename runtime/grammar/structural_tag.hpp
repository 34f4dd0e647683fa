#pragma once

/// Structural tags: free text in which, once a trigger has been written, a tag must follow whose content has a form of
/// its own. Two notations are in use:
///
///   {"structures": [{"begin", "schema", "end"}, ...], "triggers": ["...", ...]}, with "at_least_one" (the answer must
///   have a tag) and "stop_after_first" (it ends behind the first);
///   {"format": FORMAT}, where a format is an object with "type": "const_string" (value), "json_schema" (json_schema),
///   "regex" (pattern), "grammar" (grammar, EBNF), "any_text", "sequence" or "or" (elements), "tag" (begin, content,
///   end), "triggered_tags" (triggers, tags, at_least_one, stop_after_first; not_first: characters that the text does
///   not begin with, white space aside), or "tags_with_separator" (tags, separator, at_least_one, stop_after_first).
///
/// In both "type": "structural_tag" may stand beside it.

#include <boost/json/fwd.hpp>
#include <functional>
#include <memory>

#include "base/result.hpp"
#include "runtime/grammar/automaton.hpp"
#include "runtime/grammar/composite.hpp"

namespace gantry::grammar {

/// Makes the automaton of a JSON schema.
using SchemaCompiler = std::function<Result<std::unique_ptr<Automaton>>(const boost::json::value& schema)>;

/// kInvalidArgument naming the member that is wrong.
Result<std::unique_ptr<Automaton>> structural_tag_automaton(const boost::json::value& tags,
                                                            const SchemaCompiler& compile_schema);

/// The same as a part of something larger, between two of its nodes.
Status add_structural_tag(Composite& out, Composite::Node from, Composite::Node to, const boost::json::value& tags,
                          const SchemaCompiler& compile_schema);

}  // namespace gantry::grammar
