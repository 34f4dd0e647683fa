#pragma once

/// The first half of reading a regular expression: its tree, in which anchors still stand where they were written.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "runtime/grammar/regex.hpp"

namespace gantry::grammar {

struct RegexNode {
    enum class Kind { kExpr, kSequence, kChoice, kRepeat, kBegin, kEnd };
    Kind kind = Kind::kExpr;
    size_t at = 0;    ///< byte of the pattern
    ExprId expr = 0;  ///< kExpr: characters
    std::vector<RegexNode> parts;
    uint32_t min = 0, max = 0;  ///< kRepeat
};

/// kInvalidArgument naming the character where the pattern goes wrong.
Result<RegexNode> parse_regex_tree(Rules& rules, std::string_view pattern, RegexOptions options);

/// What is wrong at a byte of the pattern.
Error regex_error(std::string_view pattern, size_t at, std::string_view what, std::string hint = {});

}  // namespace gantry::grammar
