#include "runtime/grammar/regex_tree.hpp"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/grammar/regex_characters.hpp"

namespace gantry::grammar {
namespace {

constexpr size_t kMaxPattern = 64 * 1024;
constexpr int kMaxDepth = 200;
constexpr uint32_t kMaxCount = 100'000;

using Node = RegexNode;

class Parser : private RegexCharacters {
  public:
    Parser(Rules& rules, std::string_view pattern, RegexOptions options)
        : RegexCharacters(pattern, options), rules_(rules) {}

    Result<Node> run() {
        if (text_.size() > kMaxPattern) {
            return Error{Code::kInvalidArgument,
                         fmt::format("the pattern has {} bytes; at most {} are possible", text_.size(), kMaxPattern)};
        }
        for (size_t at = 0; at < text_.size();) {
            if (!next_codepoint(text_, at)) {
                return Error{Code::kInvalidArgument, fmt::format("the pattern is not valid UTF-8 at byte {}", at + 1)};
            }
        }
        read_flags();
        Node tree = choice(0);
        if (!error_ && at_ < text_.size()) {
            fail("')' closes nothing");
        }
        if (error_) {
            return *error_;
        }
        return tree;
    }

  private:
    void read_flags() {
        while (text_.substr(at_).starts_with("(?")) {
            const size_t end = text_.find_first_not_of("imsuax", at_ + 2);
            if (end == std::string_view::npos || end == at_ + 2 || text_[end] != ')') {
                return;
            }
            for (const char flag : text_.substr(at_ + 2, end - at_ - 2)) {
                if (flag == 'x' || flag == 'm') {
                    fail(fmt::format("the flag '{}' is not supported", flag));
                    return;
                }
                options_.ignore_case = options_.ignore_case || flag == 'i';
                options_.dot_all = options_.dot_all || flag == 's';
            }
            at_ = end + 1;
        }
    }

    Node choice(int depth) {
        Node out;
        out.kind = Node::Kind::kChoice;
        out.at = at_;
        if (depth > kMaxDepth) {
            fail("groups are nested too deeply");
            return out;
        }
        do {
            out.parts.push_back(sequence(depth));
        } while (take("|"));
        return out;
    }

    Node sequence(int depth) {
        Node out;
        out.kind = Node::Kind::kSequence;
        out.at = at_;
        while (more() && peek() != '|' && peek() != ')') {
            Node part = atom(depth);
            if (error_) {
                break;
            }
            out.parts.push_back(repeated(std::move(part)));
        }
        return out;
    }

    Node atom(int depth) {
        const size_t begin = at_;
        Node out;
        out.at = begin;
        if (take("(")) {
            if (!open_group()) {
                return out;
            }
            out = choice(depth + 1);
            if (!take(")")) {
                fail_at(begin, "'(' is never closed");
            }
        } else if (take("[")) {
            out.expr = set(character_class(begin));
        } else if (take("^")) {
            out.kind = Node::Kind::kBegin;
        } else if (take("$")) {
            out.kind = Node::Kind::kEnd;
        } else if (take(".")) {
            out.expr = rules_.set(options_.dot_all ? CodepointSet::all() : CodepointSet::any_but_newline());
        } else if (peek() == '\\') {
            out = escape_atom(begin);
        } else if (peek() == '*' || peek() == '+' || peek() == '?') {
            fail(fmt::format("'{}' has nothing to repeat", peek()));
        } else {
            out.expr = literal(take_char());
        }
        return out;
    }

    /// Behind '(': what kind of group it is.
    bool open_group() {
        if (!take("?")) {
            return true;
        }
        if (take(":")) {
            return true;
        }
        if (take("P<") || (peek() == '<' && peek(1) != '=' && peek(1) != '!' && take("<"))) {
            const size_t end = text_.find('>', at_);
            if (end == std::string_view::npos || end == at_) {
                fail("a group's name must end in '>'");
                return false;
            }
            at_ = end + 1;
            return true;
        }
        const char c = peek();
        fail(c == '=' || c == '!' || c == '<' ? "look-around is not supported"
             : c == '>'                       ? "atomic groups are not supported"
                                              : "this kind of group is not supported",
             "describe the text itself instead");
        return false;
    }

    Node escape_atom(size_t begin) {
        Node out;
        out.at = begin;
        ++at_;
        if (const auto known = class_escape()) {
            out.expr = set(*known);
            return out;
        }
        const char c = peek();
        if (c == 'b' || c == 'B') {
            fail_at(begin, "word boundaries are not supported");
        } else if (c == 'A') {
            ++at_;
            out.kind = Node::Kind::kBegin;
        } else if (c == 'Z' || c == 'z') {
            ++at_;
            out.kind = Node::Kind::kEnd;
        } else if ((c >= '1' && c <= '9') || c == 'k') {
            fail_at(begin, "back references are not supported");
        } else {
            out.expr = literal(escaped_char(begin));
        }
        return out;
    }

    ExprId set(CodepointSet characters) {
        return rules_.set(options_.ignore_case ? characters.ignoring_case() : std::move(characters));
    }

    ExprId literal(char32_t c) {
        if (options_.ignore_case) {
            return set(CodepointSet::of(c, c));
        }
        if (c >= 0xD800 && c <= 0xDFFF) {
            fail("half of a surrogate pair is no character");
            return 0;
        }
        std::string bytes;
        append_utf8(c, bytes);
        return rules_.bytes(std::move(bytes));
    }

    Node repeated(Node part) {
        for (int times = 0; more(); ++times) {
            const size_t begin = at_;
            uint32_t min = 0, max = kUnbounded;
            if (take("*")) {
            } else if (take("+")) {
                min = 1;
            } else if (take("?")) {
                max = 1;
            } else if (peek() != '{' || !counts(min, max)) {
                return part;
            }
            if (part.kind == Node::Kind::kBegin || part.kind == Node::Kind::kEnd) {
                fail_at(begin, "an anchor cannot be repeated");
            }
            if (times > 0) {
                fail_at(begin, "a repetition cannot be repeated", "put the first one into a group");
            }
            if (!take("?") && peek() == '+') {
                fail("possessive repetition is not supported");
            }
            Node outer;
            outer.kind = Node::Kind::kRepeat;
            outer.at = begin;
            outer.min = min;
            outer.max = max;
            outer.parts.push_back(std::move(part));
            part = std::move(outer);
        }
        return part;
    }

    /// {n}, {n,}, {n,m} or {,m}; anything else in braces is text, as in both notations.
    bool counts(uint32_t& min, uint32_t& max) {
        const size_t begin = at_++;
        const auto low = number();
        const bool comma = take(",");
        const auto high = comma ? number() : low;
        if (!take("}") || (!low && !high)) {
            at_ = begin;
            return false;
        }
        min = low.value_or(0);
        max = high.value_or(kUnbounded);
        if (min > kMaxCount || (max != kUnbounded && max > kMaxCount)) {
            fail_at(begin, fmt::format("at most {} repetitions can be counted", kMaxCount));
        } else if (min > max) {
            fail_at(begin, "the smallest count is above the largest");
        }
        return true;
    }

    std::optional<uint32_t> number() {
        std::optional<uint32_t> out;
        for (; peek() >= '0' && peek() <= '9'; ++at_) {
            out = std::min(out.value_or(0) * 10 + static_cast<uint32_t>(peek() - '0'), kMaxCount + 1);
        }
        return out;
    }

    Rules& rules_;
};

}  // namespace

Result<RegexNode> parse_regex_tree(Rules& rules, std::string_view pattern, RegexOptions options) {
    return Parser(rules, pattern, options).run();
}

Error regex_error(std::string_view pattern, size_t at, std::string_view what, std::string hint) {
    size_t characters = 1;
    for (size_t i = 0; i < at && i < pattern.size(); ++i) {
        characters += (static_cast<uint8_t>(pattern[i]) & 0xC0) != 0x80 ? 1 : 0;
    }
    return {Code::kInvalidArgument, fmt::format("the pattern goes wrong at character {}: {}", characters, what),
            std::move(hint)};
}

}  // namespace gantry::grammar
