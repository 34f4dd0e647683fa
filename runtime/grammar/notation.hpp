#pragma once

/// What the readers of EBNF and of Lark's notation have in common.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/grammar/rules.hpp"
#include "runtime/grammar/scanner.hpp"

namespace gantry::grammar {

/// Reads a grammar's text into rules that are used before and behind where they are defined. Errors are the scanner's.
class NotationReader {
  protected:
    static constexpr int kMaxDepth = 200;
    static constexpr uint32_t kMaxCount = 100'000;

    NotationReader(Rules& rules, std::string_view text) : rules_(rules), in_(text) {}

    /// The rule of this name, which may be defined later.
    RuleId rule_of(const std::string& name, size_t use);
    /// The same where it is defined; nothing if it has been.
    std::optional<RuleId> new_rule(const std::string& name, size_t place);
    std::optional<RuleId> known_rule(const std::string& name) const;
    /// Fails at the first use of a rule that nothing defines.
    void check_definitions();

    /// A text between quotes, the first of which is next.
    std::string quoted();

    struct Counts {
        uint32_t min = 0, max = kUnbounded;
    };
    /// *, + or ?, if one is next.
    std::optional<Counts> take_repeat_sign();

    Rules& rules_;
    Scanner in_;

  private:
    std::map<std::string, RuleId> known_;
    std::map<std::string, size_t> undefined_;  ///< with the place of the first use
};

}  // namespace gantry::grammar
