#pragma once

/// A grammar as one flat table of states, made for being run.
///
/// Each rule has states of its own with byte edges and calls of other rules. Two things have been taken out, so that a
/// set of positions can be closed over calls in finitely many steps (their languages stay the same):
///
///   Empty rules. A rule stands for its non-empty texts; a call of one that also derives the empty text can be skipped.
///   For this each rule has its states twice: before and after the first byte.
///   Left recursion. A rule G whose texts may begin with a call that leads back to G is parsed from its left corner: a
///   beginning of any rule X of the loop that is no such call; then, X being complete, either X is G and that is all,
///   or X was the left end of some rule Y of the loop, of which the rest follows (Rosenkrantz and Lewis, 1970, as a
///   construction on automata).
///
/// States that cannot be reached, or from which the rule cannot be finished, are dropped.

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "runtime/grammar/rules.hpp"

namespace gantry::grammar {

struct ByteEdge {
    uint8_t from = 0, to = 0;
    uint32_t target = 0;
    bool operator==(const ByteEdge&) const = default;
};
struct CallEdge {
    uint32_t entry = 0;  ///< the called rule's first state
    uint32_t back = 0;   ///< where the caller goes on
    bool operator==(const CallEdge&) const = default;
};

struct ProgramState {
    std::vector<ByteEdge> bytes;
    std::vector<CallEdge> calls;
    bool final = false;  ///< the rule may end here
    /// Nothing may follow in the rule.
    bool only_final() const { return final && bytes.empty() && calls.empty(); }
};

struct Program {
    std::vector<ProgramState> states;
    uint32_t start = 0;
    bool has_start = false;  ///< false: no text but the empty one
    bool accepts_empty = false;
};

/// kInvalidArgument for an empty language or too large a grammar.
Result<Program> build_program(const Rules& rules, RuleId start);

}  // namespace gantry::grammar
