#pragma once

/// Grammars in GBNF (llama.cpp's) and EBNF (W3C's, as xgrammar takes it), which are one notation here: rules are
/// `name ::= body`; a body has "texts" and 'texts', [classes] and [^classes], `.`, #xHH, names, ( ), |, * + ? and
/// {n} {n,} {n,m}; `[class] - [class]` takes characters away. Comments are `# ...`, `// ...` and `/* ... */`.

#include <string_view>

#include "base/result.hpp"
#include "runtime/grammar/rules.hpp"

namespace gantry::grammar {

/// Reads the rules; the start rule is `root`, or the first one if there is no `root`. kInvalidArgument naming line and
/// column.
Result<RuleId> parse_ebnf(Rules& rules, std::string_view text);

}  // namespace gantry::grammar
