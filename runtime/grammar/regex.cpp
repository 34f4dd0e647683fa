#include "runtime/grammar/regex.hpp"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/grammar/regex_tree.hpp"

namespace gantry::grammar {
namespace {

using Node = RegexNode;

/// Replaces anchors by what they mean where they stand, and gives a search the text around its match.
class Anchorer {
  public:
    Anchorer(Rules& rules, std::string_view pattern, bool search) : rules_(rules), text_(pattern), search_(search) {}

    Result<ExprId> run(const Node& tree) {
        const ExprId expr = finish(tree, true, true);
        if (error_) {
            return *error_;
        }
        return expr;
    }

  private:
    void fail_at(size_t at, std::string_view what) {
        if (!error_) {
            error_ = regex_error(text_, at, what);
        }
    }

    ExprId anything() { return rules_.repeat(rules_.set(CodepointSet::all()), 0, kUnbounded); }

    static bool only_anchors(const Node& node) {
        if (node.kind == Node::Kind::kBegin || node.kind == Node::Kind::kEnd) {
            return true;
        }
        if (node.kind != Node::Kind::kSequence && node.kind != Node::Kind::kChoice) {
            return false;
        }
        for (const Node& part : node.parts) {
            if (!only_anchors(part)) {
                return false;
            }
        }
        return true;
    }

    /// `first` and `last`: whether the node stands at the pattern's beginning and end, where anchors are possible and
    /// where a search may have other text.
    ExprId finish(const Node& node, bool first, bool last) {
        switch (node.kind) {
            case Node::Kind::kBegin:
            case Node::Kind::kEnd:
                return anchor(node, first, last);
            case Node::Kind::kChoice: {
                std::vector<ExprId> parts;
                for (const Node& part : node.parts) {
                    parts.push_back(finish(part, first, last));
                }
                return rules_.choice(std::move(parts));
            }
            case Node::Kind::kSequence:
                return finish_sequence(node, first, last);
            case Node::Kind::kRepeat:
                return padded(rules_.repeat(finish(node.parts.front(), false, false), node.min, node.max), first, last);
            case Node::Kind::kExpr:
                break;
        }
        return padded(node.expr, first, last);
    }

    ExprId anchor(const Node& node, bool first, bool last) {
        const bool begin = node.kind == Node::Kind::kBegin;
        if (!(begin ? first : last)) {
            fail_at(node.at, begin ? "'^' is possible at the beginning only" : "'$' is possible at the end only");
        }
        // What the anchor does not hold is padded.
        return search_ && (begin ? last : first) ? anything() : rules_.empty();
    }

    /// A sequence's outer parts are those before (behind) which there are but anchors.
    ExprId finish_sequence(const Node& node, bool first, bool last) {
        size_t begin = 0, end = node.parts.size();
        while (first && begin < end && only_anchors(node.parts[begin])) {
            ++begin;
        }
        while (last && end > begin && only_anchors(node.parts[end - 1])) {
            --end;
        }
        bool held_first = false, held_last = false;
        for (size_t i = 0; i < node.parts.size(); ++i) {
            if (i < begin) {
                held_first = check_anchors(node.parts[i], Node::Kind::kBegin, end == begin && last) || held_first;
            } else if (i >= end) {
                held_last = check_anchors(node.parts[i], Node::Kind::kEnd, false) || held_last;
            }
        }
        if (begin == end) {  // nothing but anchors
            for (const Node& part : node.parts) {
                held_first = held_first || has(part, Node::Kind::kBegin);
                held_last = held_last || has(part, Node::Kind::kEnd);
            }
            const bool pad = search_ && ((first && !held_first) || (last && !held_last));
            return pad ? anything() : rules_.empty();
        }
        std::vector<ExprId> parts;
        for (size_t i = begin; i < end; ++i) {
            parts.push_back(
                finish(node.parts[i], first && i == begin && !held_first, last && i + 1 == end && !held_last));
        }
        return rules_.sequence(std::move(parts));
    }

    static bool has(const Node& node, Node::Kind kind) {
        if (node.kind == kind) {
            return true;
        }
        for (const Node& part : node.parts) {
            if (has(part, kind)) {
                return true;
            }
        }
        return false;
    }

    /// Whether the part holds the pattern's end that `kind` belongs to; an anchor of the other end is an error there.
    bool check_anchors(const Node& part, Node::Kind kind, bool both) {
        const auto other = kind == Node::Kind::kBegin ? Node::Kind::kEnd : Node::Kind::kBegin;
        if (!both && has(part, other)) {
            fail_at(part.at, other == Node::Kind::kBegin ? "'^' is possible at the beginning only"
                                                         : "'$' is possible at the end only");
        }
        return has(part, kind);
    }

    ExprId padded(ExprId expr, bool first, bool last) {
        if (!search_ || (!first && !last)) {
            return expr;
        }
        std::vector<ExprId> parts;
        if (first) {
            parts.push_back(anything());
        }
        parts.push_back(expr);
        if (last) {
            parts.push_back(anything());
        }
        return rules_.sequence(std::move(parts));
    }

    Rules& rules_;
    std::string_view text_;
    bool search_;
    std::optional<Error> error_;
};

}  // namespace

Result<ExprId> parse_regex(Rules& rules, std::string_view pattern, RegexOptions options) {
    GANTRY_TRY(const Node tree, parse_regex_tree(rules, pattern, options));
    return Anchorer(rules, pattern, options.search).run(tree);
}

Result<std::unique_ptr<Automaton>> regex_automaton(std::string_view pattern, RegexOptions options) {
    Rules rules;
    const RuleId root = rules.add_rule("pattern");
    GANTRY_TRY(const ExprId body, parse_regex(rules, pattern, options));
    rules.define(root, body);
    auto out = rules_automaton(rules, root);
    if (!out) {
        return Error{Code::kInvalidArgument, "the pattern matches no text, or is too large: " + out.error().message,
                     out.error().hint};
    }
    return out;
}

}  // namespace gantry::grammar
