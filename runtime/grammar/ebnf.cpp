#include "runtime/grammar/ebnf.hpp"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <string>
#include <vector>

#include "runtime/grammar/notation.hpp"

namespace gantry::grammar {
namespace {

class EbnfParser : NotationReader {
  public:
    EbnfParser(Rules& rules, std::string_view text) : NotationReader(rules, text) {}

    Result<RuleId> run() {
        skip_space();
        while (in_.more()) {
            read_rule();
            skip_space();
        }
        if (!in_.failed() && order_.empty()) {
            in_.fail("there is no rule", "a rule is written as: root ::= \"text\"");
        }
        check_definitions();
        if (in_.failed()) {
            return in_.error();
        }
        return known_rule("root").value_or(order_.front());
    }

  private:
    /// Blanks and comments.
    void skip_space() {
        for (bool again = true; again;) {
            in_.skip_blanks();
            again = false;
            const bool code = in_.peek() == '#' && in_.peek(1) == 'x' && in_.peek(2) != '\0' && in_body_ &&
                              std::string_view("0123456789abcdefABCDEF").find(in_.peek(2)) != std::string_view::npos;
            if ((in_.peek() == '#' && !code) || in_.rest().starts_with("//")) {
                in_.skip_line();
                again = true;
            } else if (in_.rest().starts_with("/*")) {
                const size_t end = in_.rest().find("*/");
                if (end == std::string_view::npos) {
                    in_.fail("this comment is never closed");
                    return;
                }
                in_.skip(end + 2);
                again = true;
            }
        }
    }

    /// Whether a rule's head is next: then the body before it is over.
    bool at_head() {
        const size_t here = in_.position();
        const bool named = !in_.take_name(true).empty();
        in_.skip_blanks();
        const bool head = named && in_.rest().starts_with("::=");
        in_.go_to(here);
        return head;
    }

    void read_rule() {
        const size_t begin = in_.position();
        const std::string name(in_.take_name(true));
        if (name.empty()) {
            in_.fail("a rule's name is needed here");
            return;
        }
        skip_space();
        if (!in_.take("::=")) {
            in_.fail(fmt::format("'::=' is needed behind the name '{}'", name));
            return;
        }
        const auto rule = new_rule(name, begin);
        if (!rule) {
            return;
        }
        order_.push_back(*rule);
        in_body_ = true;
        rules_.define(*rule, choice(0));
        in_body_ = false;
        if (in_.more() && !at_head() && !in_.failed()) {
            in_.fail(fmt::format("'{}' cannot stand here", in_.peek()));
        }
    }

    ExprId choice(int depth) {
        std::vector<ExprId> parts;
        if (depth > kMaxDepth) {
            in_.fail("parentheses are nested too deeply");
            return 0;
        }
        do {
            parts.push_back(sequence(depth));
            skip_space();
        } while (in_.take("|"));
        return rules_.choice(std::move(parts));
    }

    ExprId sequence(int depth) {
        std::vector<ExprId> parts;
        for (skip_space(); in_.more() && in_.peek() != '|' && in_.peek() != ')' && !at_head(); skip_space()) {
            const auto part = item(depth);
            if (!part) {
                break;
            }
            parts.push_back(repeated(*part));
        }
        return rules_.sequence(std::move(parts));
    }

    std::optional<ExprId> item(int depth) {
        const size_t begin = in_.position();
        const char c = in_.peek();
        if (c == '"' || c == '\'') {
            return rules_.bytes(quoted());
        }
        if (c == '[' || c == '#' || c == '.') {
            return characters();
        }
        if (in_.take("(")) {
            const ExprId inner = choice(depth + 1);
            if (!in_.take(")")) {
                in_.fail_at(begin, "'(' is never closed");
            }
            return inner;
        }
        const std::string name(in_.take_name(true));
        if (name.empty()) {
            in_.fail(fmt::format("'{}' cannot stand here", c));
            return std::nullopt;
        }
        return rules_.rule(rule_of(name, begin));
    }

    /// A class, or one class without another.
    ExprId characters() {
        CodepointSet set = one_class();
        for (;;) {
            const size_t here = in_.position();
            in_.skip_blanks();
            if (in_.peek() != '-') {
                in_.go_to(here);
                return rules_.set(std::move(set));
            }
            in_.skip();
            in_.skip_blanks();
            if (in_.peek() != '[' && in_.peek() != '#') {
                in_.fail("only a class of characters can be taken away");
                return 0;
            }
            set = set.without(one_class());
        }
    }

    CodepointSet one_class() {
        const size_t begin = in_.position();
        if (in_.take(".")) {
            return CodepointSet::any_but_newline();
        }
        if (in_.take("#x")) {
            const char32_t c = in_.take_hex(0);
            return CodepointSet::of(c, c);
        }
        in_.skip();
        const bool negated = in_.take("^");
        CodepointSet set;
        while (in_.peek() != ']') {
            if (!in_.more()) {
                in_.fail_at(begin, "'[' is never closed");
                return {};
            }
            const size_t at = in_.position();
            const char32_t from = class_char();
            char32_t to = from;
            if (in_.peek() == '-' && in_.peek(1) != ']') {
                in_.skip();
                to = class_char();
            }
            if (to < from) {
                in_.fail_at(at, "this range of characters is the wrong way round");
            }
            set.add(from, to);
        }
        in_.skip();
        return negated ? set.complement() : set;
    }

    char32_t class_char() {
        if (in_.take("\\")) {
            return in_.take_escape();
        }
        return in_.take("#x") ? in_.take_hex(0) : in_.take_char();
    }

    ExprId repeated(ExprId part) {
        for (;;) {
            const size_t here = in_.position();
            skip_space();
            const size_t begin = in_.position();
            auto counts = take_repeat_sign();
            if (!counts && in_.take("{")) {
                counts = braced_counts(begin);
            }
            if (!counts) {
                in_.go_to(here);
                return part;
            }
            part = rules_.repeat(part, counts->min, counts->max);
        }
    }

    Counts braced_counts(size_t begin) {
        in_.skip_blanks();
        const auto low = in_.take_number();
        in_.skip_blanks();
        const bool comma = in_.take(",");
        in_.skip_blanks();
        const auto high = comma ? in_.take_number() : low;
        in_.skip_blanks();
        const Counts out{low.value_or(0), high.value_or(kUnbounded)};
        if (!in_.take("}") || (!low && !high)) {
            in_.fail_at(begin, "counts are written as {2}, {2,} or {2,5}");
        } else if (out.min > out.max || out.min > kMaxCount || (out.max != kUnbounded && out.max > kMaxCount)) {
            in_.fail_at(begin, fmt::format("these counts are not in order, or above {}", kMaxCount));
        }
        return out;
    }

    bool in_body_ = false;  ///< there '#x20' is a character
    std::vector<RuleId> order_;
};

}  // namespace

Result<RuleId> parse_ebnf(Rules& rules, std::string_view text) { return EbnfParser(rules, text).run(); }

}  // namespace gantry::grammar
