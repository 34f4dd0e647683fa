#include "runtime/grammar/rule_nfa.hpp"

#include <map>
#include <tuple>

namespace gantry::grammar {
namespace {

constexpr size_t kMaxStates = 300'000;  ///< of all rules; what a bounded repeat of a bounded repeat may come to

class Builder {
  public:
    Builder(const Rules& rules, size_t& budget) : rules_(rules), budget_(budget) {}

    RuleNfa build(RuleId rule) {
        nfa_.start = state();
        nfa_.end = state();
        expand(rules_.body(rule), nfa_.start, nfa_.end);
        return std::move(nfa_);
    }

  private:
    uint32_t state() {
        budget_ -= budget_ > 0 ? 1 : 0;
        return nfa_.add_state();
    }
    void empty(uint32_t from, uint32_t to) { nfa_.add(from, {NfaEdge::Kind::kEmpty, 0, 0, 0, to}); }
    void byte(uint32_t from, uint8_t low, uint8_t high, uint32_t to) {
        nfa_.add(from, {NfaEdge::Kind::kBytes, low, high, 0, to});
    }

    void expand(ExprId id, uint32_t from, uint32_t to) {
        if (budget_ == 0) {
            return;
        }
        const Expr& e = rules_.expr(id);
        switch (e.kind) {
            case Expr::Kind::kSequence:
                sequence(e, from, to);
                break;
            case Expr::Kind::kChoice:
                for (const ExprId part : e.parts) {
                    expand(part, from, to);
                }
                break;
            case Expr::Kind::kRepeat:
                repeat(e, from, to);
                break;
            case Expr::Kind::kSet:
                characters(e.set, from, to);
                break;
            case Expr::Kind::kBytes:
                text(e.bytes, from, to);
                break;
            case Expr::Kind::kRule:
                nfa_.add(from, {NfaEdge::Kind::kCall, 0, 0, e.rule, to});
                break;
        }
    }

    void sequence(const Expr& e, uint32_t from, uint32_t to) {
        uint32_t at = from;
        for (size_t i = 0; i < e.parts.size(); ++i) {
            const uint32_t next = i + 1 == e.parts.size() ? to : state();
            expand(e.parts[i], at, next);
            at = next;
        }
        if (e.parts.empty()) {
            empty(from, to);
        }
    }

    void repeat(const Expr& e, uint32_t from, uint32_t to) {
        uint32_t at = state();  // of its own: what leads into a loop must not lead into what stands before it
        empty(from, at);
        for (uint32_t i = 0; i < e.min && budget_ > 0; ++i) {
            const uint32_t next = state();
            expand(e.parts.front(), at, next);
            at = next;
        }
        if (e.max == kUnbounded) {
            const uint32_t loop = state();
            empty(at, loop);
            expand(e.parts.front(), loop, loop);
            at = loop;
        }
        for (uint32_t i = e.min; e.max != kUnbounded && i < e.max && budget_ > 0; ++i) {
            empty(at, to);
            const uint32_t next = state();
            expand(e.parts.front(), at, next);
            at = next;
        }
        empty(at, to);
    }

    void characters(const CodepointSet& set, uint32_t from, uint32_t to) {
        std::map<std::tuple<uint32_t, uint8_t, uint8_t>, uint32_t> shared;  // the ends of sequences
        for (const auto& sequence : utf8_sequences(set)) {
            uint32_t at = to;
            for (size_t i = sequence.size(); i-- > 1;) {
                const auto [it, added] = shared.try_emplace({at, sequence[i].from, sequence[i].to}, 0);
                if (added) {
                    it->second = state();
                    byte(it->second, sequence[i].from, sequence[i].to, at);
                }
                at = it->second;
            }
            byte(from, sequence[0].from, sequence[0].to, at);
        }
    }

    void text(const std::string& bytes, uint32_t from, uint32_t to) {
        uint32_t at = from;
        for (size_t i = 0; i < bytes.size(); ++i) {
            const uint32_t next = i + 1 == bytes.size() ? to : state();
            byte(at, static_cast<uint8_t>(bytes[i]), static_cast<uint8_t>(bytes[i]), next);
            at = next;
        }
        if (bytes.empty()) {
            empty(from, to);
        }
    }

    const Rules& rules_;
    size_t& budget_;
    RuleNfa nfa_;
};

}  // namespace

uint32_t RuleNfa::add_state() {
    states.emplace_back();
    return static_cast<uint32_t>(states.size() - 1);
}

Result<std::vector<RuleNfa>> build_nfas(const Rules& rules) {
    std::vector<RuleNfa> out;
    size_t budget = kMaxStates;
    for (RuleId rule = 0; rule < rules.rule_count(); ++rule) {
        out.push_back(Builder(rules, budget).build(rule));
        if (budget == 0) {
            return Error{Code::kInvalidArgument,
                         "the grammar is too large: rule '" + rules.name(rule) + "' brings it above " +
                             std::to_string(kMaxStates) + " states",
                         "make its repetition counts smaller"};
        }
    }
    return out;
}

}  // namespace gantry::grammar
