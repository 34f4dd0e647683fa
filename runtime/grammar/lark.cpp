#include "runtime/grammar/lark.hpp"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/grammar/lark_common.hpp"
#include "runtime/grammar/notation.hpp"
#include "runtime/grammar/regex.hpp"

namespace gantry::grammar {
namespace {

bool is_terminal_name(std::string_view name) {
    const size_t letter = name.find_first_not_of('_');
    return letter != std::string_view::npos && name[letter] >= 'A' && name[letter] <= 'Z';
}

class LarkParser : NotationReader {
  public:
    LarkParser(Rules& rules, std::string_view text)
        : NotationReader(rules, text), ignored_rule_(rules.add_rule("%ignore")) {}

    Result<RuleId> run() {
        for (skip_lines(); in_.more(); skip_lines()) {
            statement();
        }
        check_definitions();
        const auto start = known_rule("start");
        if (!in_.failed() && !start) {
            in_.fail("there is no rule 'start'");
        }
        if (in_.failed()) {
            return in_.error();
        }
        rules_.define(ignored_rule_, rules_.repeat(rules_.choice(ignored_), 0, kUnbounded));
        const RuleId whole = rules_.add_rule("start with what is ignored behind it");
        rules_.define(whole, rules_.sequence({rules_.rule(*start), rules_.rule(ignored_rule_)}));
        return whole;
    }

  private:
    /// Blanks inside a line, and a comment at its end.
    void skip_space() {
        while (in_.peek() == ' ' || in_.peek() == '\t' || in_.peek() == '\r' || (in_.peek() == '\n' && nested_ > 0)) {
            in_.skip();
        }
        if (in_.rest().starts_with("//") || (in_.peek() == '#' && in_.more())) {
            in_.skip_line();
            if (nested_ > 0) {
                skip_space();
            }
        }
    }

    void skip_lines() {
        do {
            in_.skip_blanks();
            skip_space();
        } while (in_.peek() == '\n');
    }

    void statement() {
        if (in_.peek() == '%') {
            directive();
        } else {
            definition();
        }
        skip_space();
        if (in_.more() && in_.peek() != '\n') {
            in_.fail(fmt::format("'{}' cannot stand here", in_.peek()));
        }
    }

    void directive() {
        const size_t begin = in_.position();
        in_.skip();
        const std::string_view name = in_.take_name(false);
        skip_space();
        if (name == "ignore") {
            in_terminal_ = true;
            ignored_.push_back(choice(0));
            in_terminal_ = false;
        } else if (name == "import") {
            import(begin);
        } else {
            in_.fail_at(begin, fmt::format("%{} is not supported", name), "%ignore and %import common.NAME are");
        }
    }

    void import(size_t begin) {
        const std::string_view module = in_.take_name(false);
        if (module != "common") {
            in_.fail_at(begin, "only the module 'common' can be imported from");
            return;
        }
        if (in_.take(".")) {
            const std::string_view name = in_.take_name(false);
            skip_space();
            std::string_view alias = name;
            if (in_.take("->")) {
                skip_space();
                alias = in_.take_name(false);
            }
            import_one(begin, name, alias);
            return;
        }
        skip_space();
        if (!in_.take("(")) {
            in_.fail("an import is written as %import common.NAME or %import common (NAME, NAME)");
            return;
        }
        do {
            skip_space();
            const std::string_view name = in_.take_name(false);
            import_one(begin, name, name);
            skip_space();
        } while (in_.take(","));
        if (!in_.take(")")) {
            in_.fail_at(begin, "'(' is never closed");
        }
    }

    void import_one(size_t begin, std::string_view name, std::string_view alias) {
        for (const CommonTerminal& known : kLarkCommon) {
            if (known.name == name && !alias.empty()) {
                define(std::string(alias), begin, parse_regex(rules_, known.pattern).value());
                return;
            }
        }
        in_.fail_at(begin, fmt::format("the module 'common' has no '{}' here", name));
    }

    void definition() {
        const size_t begin = in_.position();
        while (in_.take("?") || in_.take("!")) {
        }
        const std::string name(in_.take_name(false));
        if (name.empty()) {
            in_.fail("the name of a rule or terminal is needed here");
            return;
        }
        if (in_.take("{")) {
            in_.fail("rules with parameters are not supported");
            return;
        }
        if (in_.take(".")) {  // a priority
            (void)in_.take("-");
            (void)in_.take_number();
        }
        skip_space();
        if (!in_.take(":")) {
            in_.fail(fmt::format("':' is needed behind the name '{}'", name));
            return;
        }
        in_terminal_ = is_terminal_name(name);
        const ExprId body = choice(0);
        in_terminal_ = false;
        define(name, begin, body);
    }

    void define(const std::string& name, size_t place, ExprId body) {
        if (const auto rule = new_rule(name, place)) {
            rules_.define(*rule, body);
        }
    }

    /// Whether another alternative follows, perhaps on a later line.
    bool take_bar() {
        const size_t here = in_.position();
        skip_lines();
        if (in_.take("|")) {
            return true;
        }
        in_.go_to(nested_ > 0 || in_.failed() ? in_.position() : here);
        return false;
    }

    ExprId choice(int depth) {
        std::vector<ExprId> parts;
        if (depth > kMaxDepth) {
            in_.fail("parentheses are nested too deeply");
            return 0;
        }
        do {
            parts.push_back(sequence(depth));
        } while (take_bar());
        return rules_.choice(std::move(parts));
    }

    ExprId sequence(int depth) {
        std::vector<ExprId> parts;
        for (skip_space(); in_.more(); skip_space()) {
            if (in_.take("->")) {
                skip_space();
                (void)in_.take_name(false);
                continue;
            }
            if (std::string_view("|)]\n").find(in_.peek()) != std::string_view::npos) {
                break;
            }
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
        if (c == '"') {
            return text_or_range();
        }
        if (c == '/') {
            return token(regex());
        }
        if (c == '(' || c == '[') {
            in_.skip();
            ++nested_;
            const ExprId inner = choice(depth + 1);
            skip_space();
            --nested_;
            if (!in_.take(c == '(' ? ")" : "]")) {
                in_.fail_at(begin, fmt::format("'{}' is never closed", c));
            }
            return c == '(' ? inner : rules_.repeat(inner, 0, 1);
        }
        const std::string name(in_.take_name(false));
        if (name.empty()) {
            in_.fail(fmt::format("'{}' cannot stand here", c));
            return std::nullopt;
        }
        if (in_.peek() == '{') {
            in_.fail("rules with parameters are not supported");
            return std::nullopt;
        }
        const ExprId use = rules_.rule(rule_of(name, begin));
        return is_terminal_name(name) ? token(use) : use;
    }

    /// In a rule, ignored text may come before a terminal; inside a terminal it may not.
    ExprId token(ExprId expr) { return in_terminal_ ? expr : rules_.sequence({rules_.rule(ignored_rule_), expr}); }

    ExprId text_or_range() {
        const size_t begin = in_.position();
        const std::string text = quoted();
        if (in_.take("..")) {
            const std::string other = in_.peek() == '"' ? quoted() : std::string();
            size_t first_end = 0, last_end = 0;
            const auto first = next_codepoint(text, first_end);
            const auto last = next_codepoint(other, last_end);
            if (!first || !last || first_end < text.size() || last_end < other.size() || *last < *first) {
                in_.fail_at(begin, "a range is written as \"a\"..\"z\"");
                return 0;
            }
            return token(rules_.set(CodepointSet::of(*first, *last)));
        }
        if (in_.peek() == 'i' && !is_name_char(in_.peek(1), false)) {
            in_.skip();
            std::vector<ExprId> parts;
            for (size_t at = 0; at < text.size();) {
                const auto c = next_codepoint(text, at);
                parts.push_back(rules_.set(CodepointSet::of(*c, *c).ignoring_case()));
            }
            return token(rules_.sequence(std::move(parts)));
        }
        return token(rules_.bytes(text));
    }

    ExprId regex() {
        const size_t begin = in_.position();
        in_.skip();
        std::string pattern;
        while (in_.peek() != '/') {
            if (!in_.more() || in_.peek() == '\n') {
                in_.fail_at(begin, "this regular expression is never closed");
                return 0;
            }
            if (in_.peek() == '\\' && in_.peek(1) == '/') {
                in_.skip();
            } else if (in_.peek() == '\\') {
                pattern.push_back('\\');
                in_.skip();
            }
            pattern.push_back(in_.peek());
            in_.skip();
        }
        in_.skip();
        RegexOptions options;
        for (bool more = true; more;) {
            if (in_.take("i")) {
                options.ignore_case = true;
            } else if (in_.take("s")) {
                options.dot_all = true;
            } else {
                more = in_.take("u");
            }
        }
        const auto parsed = parse_regex(rules_, pattern, options);
        if (!parsed) {
            in_.fail_at(begin, parsed.error().message, parsed.error().hint);
            return 0;
        }
        return *parsed;
    }

    ExprId repeated(ExprId part) {
        for (;;) {
            skip_space();
            const size_t begin = in_.position();
            auto counts = take_repeat_sign();
            if (!counts && in_.take("~")) {
                counts = tilde_counts(begin);
            }
            if (!counts) {
                return part;
            }
            part = rules_.repeat(part, counts->min, counts->max);
        }
    }

    Counts tilde_counts(size_t begin) {
        skip_space();
        const auto low = in_.take_number();
        skip_space();
        const bool range = in_.take("..");
        skip_space();
        const auto high = range ? in_.take_number() : low;
        if (!low || !high || *low > *high || *high > kMaxCount) {
            in_.fail_at(begin, fmt::format("counts are written as ~ 2 or ~ 2..5, up to {}", kMaxCount));
        }
        return {low.value_or(0), high.value_or(0)};
    }

    RuleId ignored_rule_;  ///< any number of what is ignored
    std::vector<ExprId> ignored_;
    bool in_terminal_ = false;
    int nested_ = 0;  ///< open parentheses: line ends mean nothing there
};

}  // namespace

Result<RuleId> parse_lark(Rules& rules, std::string_view text) { return LarkParser(rules, text).run(); }

}  // namespace gantry::grammar
