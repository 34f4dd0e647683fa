#pragma once

/// The first step from rules to a Program: one nondeterministic automaton a rule (Thompson's construction).

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "runtime/grammar/rules.hpp"

namespace gantry::grammar {

struct NfaEdge {
    enum class Kind : uint8_t { kEmpty, kBytes, kCall };
    Kind kind = Kind::kEmpty;
    uint8_t from = 0, to = 0;  ///< bytes
    RuleId rule = 0;           ///< call
    uint32_t target = 0;
};

struct RuleNfa {
    std::vector<std::vector<NfaEdge>> states;
    uint32_t start = 0, end = 0;

    uint32_t add_state();
    void add(uint32_t from, NfaEdge edge) { states[from].push_back(edge); }
};

/// One automaton a rule. kInvalidArgument, naming the rule, when they get too large together.
Result<std::vector<RuleNfa>> build_nfas(const Rules& rules);

}  // namespace gantry::grammar
