#pragma once

/// Regular expressions: what ECMAScript's and Python's notations have in common, over Unicode characters.
///
/// Known are . [..] [^..] \d \w \s (ASCII) and their negations, \p{L} \p{Lu} \P{..} (general categories), \n \t \xHH
/// \uHHHH \u{H..} \cX \0, groups (also named and non-capturing), | * + ? {n} {n,} {n,m} and their lazy forms (the same
/// language), ^ and $ at the ends, (?i) and (?s) at the beginning. Back references, look-around, \b, possessive and
/// atomic groups describe no regular language, or one that depends on what is around: they are refused.

#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "runtime/grammar/automaton.hpp"
#include "runtime/grammar/rules.hpp"

namespace gantry::grammar {

struct RegexOptions {
    bool search = false;       ///< the pattern may match anywhere, as in JSON Schema; else it is the whole text
    bool ignore_case = false;  ///< by simple Unicode case mapping
    bool dot_all = false;      ///< `.` takes line feeds too
};

/// kInvalidArgument naming the character (from 1) where the pattern goes wrong.
Result<std::unique_ptr<Automaton>> regex_automaton(std::string_view pattern, RegexOptions options = {});

/// The same as a part of a grammar.
Result<ExprId> parse_regex(Rules& rules, std::string_view pattern, RegexOptions options = {});

}  // namespace gantry::grammar
