#pragma once

/// A context-free grammar over characters, as the parsers of all notations build it. A regular expression is one with a
/// single rule.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "runtime/grammar/automaton.hpp"
#include "runtime/grammar/codepoints.hpp"

namespace gantry::grammar {

using ExprId = uint32_t;
using RuleId = uint32_t;

inline constexpr uint32_t kUnbounded = UINT32_MAX;

struct Expr {
    enum class Kind { kSequence, kChoice, kRepeat, kSet, kBytes, kRule };
    Kind kind = Kind::kSequence;
    std::vector<ExprId> parts;  ///< sequence (none: the empty text), choice (none: nothing matches), repeat (one)
    uint32_t min = 0, max = 0;  ///< repeat
    CodepointSet set;           ///< set: one character of it
    std::string bytes;          ///< bytes: this text
    RuleId rule = 0;            ///< rule
};

/// Expressions are numbers into one arena and may be used in several places.
class Rules {
  public:
    ExprId empty() { return sequence({}); }
    ExprId sequence(std::vector<ExprId> parts);
    ExprId choice(std::vector<ExprId> parts);
    ExprId repeat(ExprId part, uint32_t min, uint32_t max);
    ExprId set(CodepointSet set);
    ExprId bytes(std::string text);
    ExprId rule(RuleId rule);

    RuleId add_rule(std::string name);
    void define(RuleId rule, ExprId body) { bodies_[rule] = body; }

    const Expr& expr(ExprId id) const { return exprs_[id]; }
    ExprId body(RuleId rule) const { return bodies_[rule]; }
    const std::string& name(RuleId rule) const { return names_[rule]; }
    size_t rule_count() const { return bodies_.size(); }
    size_t expr_count() const { return exprs_.size(); }

  private:
    ExprId add(Expr expr);
    std::vector<Expr> exprs_;
    std::vector<ExprId> bodies_;
    std::vector<std::string> names_;
};

/// The automaton of what `start` derives. Left recursion and empty rules are allowed; rules that derive nothing are
/// dropped. kInvalidArgument when nothing is left of the language or the grammar is too large.
Result<std::unique_ptr<Automaton>> rules_automaton(const Rules& rules, RuleId start);

}  // namespace gantry::grammar
