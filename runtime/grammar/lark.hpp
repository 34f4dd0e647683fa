#pragma once

/// Grammars in Lark's notation: rules and TERMINALS with "texts"i, /regexes/flags, "a".."z", ( ), [optional], |, * + ?
/// and ~ n..m, aliases, priorities and the marks ? and ! (which change trees, not texts), %ignore, and %import from
/// `common`. There is no lexer: a grammar means all texts that it derives, with ignored text between its terminals,
/// also where Lark's lexer would have taken a longer terminal. Templates, %declare, %extend, %override and imports of
/// files are refused.

#include <string_view>

#include "base/result.hpp"
#include "runtime/grammar/rules.hpp"

namespace gantry::grammar {

/// Reads the rules; the start rule is `start`. kInvalidArgument naming line and column.
Result<RuleId> parse_lark(Rules& rules, std::string_view text);

}  // namespace gantry::grammar
