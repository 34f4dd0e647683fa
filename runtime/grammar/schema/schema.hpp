#pragma once

/// JSON Schema (drafts 7 and 2020-12) as an Automaton. What is supported: docs/structured-output.md.

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <memory>

#include "base/result.hpp"
#include "runtime/grammar/automaton.hpp"

namespace gantry::grammar {

struct SchemaOptions {
    /// Spaces and line breaks between tokens, up to ten and eight more for each level of nesting. False: none at all.
    bool any_whitespace = true;
    /// Keywords and formats that the specification does not know are refused instead of ignored.
    bool strict = false;
    /// Numbers in every spelling (0.5e1 for 5). False: as serialisers write them, which keeps a model that puts a point
    /// into an integer from having to mend it with an exponent. The values are the same.
    bool any_number_spelling = false;
    /// Bounds on what a hostile schema can cost: states of patterns, and subschemas after combining.
    size_t max_pattern_states = 20000;
    size_t max_terms = 20000;
};

/// The texts of all JSON values that are valid against `schema`, properties in any order, without white space behind
/// the value. kInvalidArgument names the keyword and its JSON pointer: malformed, not supported, or impossible (no
/// value is valid). The automaton holds no reference to `schema`. Any thread.
Result<std::unique_ptr<Automaton>> json_schema_automaton(const boost::json::value& schema,
                                                         const SchemaOptions& options = {});

}  // namespace gantry::grammar
