#include "runtime/grammar/program.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "runtime/grammar/rule_nfa.hpp"

namespace gantry::grammar {
namespace {

constexpr size_t kMaxEdges = 4'000'000;  ///< after empty edges have been replaced by what they lead to

/// Whether rules derive the empty text, and whether they derive any other.
struct RuleFacts {
    std::vector<bool> nullable, productive;
};

/// The states that empty edges (and calls of nullable rules) lead to.
std::vector<uint32_t> empty_closure(const RuleNfa& nfa, const std::vector<bool>& nullable, uint32_t from) {
    std::vector<bool> seen(nfa.states.size());
    std::vector<uint32_t> order{from};
    seen[from] = true;
    for (size_t i = 0; i < order.size(); ++i) {
        for (const NfaEdge& edge : nfa.states[order[i]]) {
            const bool free =
                edge.kind == NfaEdge::Kind::kEmpty || (edge.kind == NfaEdge::Kind::kCall && nullable[edge.rule]);
            if (free && !seen[edge.target]) {
                seen[edge.target] = true;
                order.push_back(edge.target);
            }
        }
    }
    return order;
}

/// Whether the end can be reached with at least one byte; calls count where their rule is productive.
bool reaches_end(const RuleNfa& nfa, const RuleFacts& facts) {
    const auto size = static_cast<uint32_t>(nfa.states.size());
    std::vector<bool> seen(size_t{size} * 2);
    std::vector<uint32_t> todo{nfa.start};
    seen[nfa.start] = true;
    while (!todo.empty()) {
        const uint32_t at = todo.back();
        todo.pop_back();
        const auto visit = [&](uint32_t state, bool after) {
            const uint32_t to = state + (after ? size : 0);
            if (!seen[to]) {
                seen[to] = true;
                todo.push_back(to);
            }
        };
        const bool after = at >= size;
        for (const NfaEdge& edge : nfa.states[after ? at - size : at]) {
            const bool call = edge.kind == NfaEdge::Kind::kCall;
            if (edge.kind == NfaEdge::Kind::kEmpty || (call && facts.nullable[edge.rule])) {
                visit(edge.target, after);
            }
            if (edge.kind == NfaEdge::Kind::kBytes || (call && facts.productive[edge.rule])) {
                visit(edge.target, true);
            }
        }
    }
    return seen[size_t{nfa.end} + size];
}

RuleFacts find_facts(const std::vector<RuleNfa>& nfas) {
    RuleFacts facts{std::vector<bool>(nfas.size()), std::vector<bool>(nfas.size())};
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t r = 0; r < nfas.size(); ++r) {
            if (!facts.nullable[r] &&
                std::ranges::count(empty_closure(nfas[r], facts.nullable, nfas[r].start), nfas[r].end) > 0) {
                facts.nullable[r] = changed = true;
            }
        }
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t r = 0; r < nfas.size(); ++r) {
            if (!facts.productive[r] && reaches_end(nfas[r], facts)) {
                facts.productive[r] = changed = true;
            }
        }
    }
    return facts;
}

/// A call at a rule's left end: nothing comes before it.
struct LeftCall {
    RuleId rule = 0;
    uint32_t back = 0;  ///< NFA state
};

/// Builds the program rule by rule, as far as the start rule needs them.
class Assembler {
  public:
    Assembler(const std::vector<RuleNfa>& nfas, RuleFacts facts) : nfas_(nfas), facts_(std::move(facts)) {
        for (RuleId r = 0; r < nfas_.size(); ++r) {
            auto& begin = first_.emplace_back(empty_closure(nfas_[r], facts_.nullable, nfas_[r].start));
            auto& calls = left_calls_.emplace_back();
            for (const uint32_t state : begin) {
                for (const NfaEdge& edge : nfas_[r].states[state]) {
                    if (edge.kind == NfaEdge::Kind::kCall && facts_.productive[edge.rule]) {
                        calls.push_back({edge.rule, edge.target});
                    }
                }
            }
        }
        find_loops();
    }

    bool productive(RuleId rule) const { return facts_.productive[rule]; }
    bool nullable(RuleId rule) const { return facts_.nullable[rule]; }

    Result<Program> run(RuleId start) {
        Program program;
        program.accepts_empty = facts_.nullable[start];
        program.has_start = facts_.productive[start];
        if (program.has_start) {
            program.start = entry(start);
            while (!todo_.empty()) {
                const RuleId next = todo_.back();
                todo_.pop_back();
                assemble(next);
                if (edges_ > kMaxEdges) {
                    return Error{Code::kInvalidArgument, "the grammar is too large",
                                 "make its repetition counts smaller, or its alternatives fewer"};
                }
            }
        }
        program.states = std::move(states_);
        return program;
    }

  private:
    /// Rules from which left calls lead back to themselves share a loop, found by reachability: grammars are small.
    void find_loops() {
        std::vector<std::vector<bool>> reach;
        for (RuleId r = 0; r < nfas_.size(); ++r) {
            std::vector<bool> seen(nfas_.size());
            std::vector<RuleId> todo{r};
            while (!todo.empty()) {
                const RuleId at = todo.back();
                todo.pop_back();
                for (const LeftCall& call : left_calls_[at]) {
                    if (!seen[call.rule]) {
                        seen[call.rule] = true;
                        todo.push_back(call.rule);
                    }
                }
            }
            reach.push_back(std::move(seen));
        }
        loops_.resize(nfas_.size());
        for (RuleId r = 0; r < nfas_.size(); ++r) {
            for (RuleId other = 0; reach[r][r] && other < nfas_.size(); ++other) {
                if (reach[r][other] && reach[other][r]) {
                    loops_[r].push_back(other);
                }
            }
        }
    }

    /// The rule's first state, which exists from its first use on.
    uint32_t entry(RuleId rule) {
        const auto [it, added] = entries_.try_emplace(rule, 0);
        if (added) {
            it->second = static_cast<uint32_t>(states_.size());
            states_.emplace_back();
            todo_.push_back(rule);
        }
        return it->second;
    }

    /// A state of a rule's body after its first byte: `member` is the rule whose automaton it belongs to.
    struct Place {
        RuleId member = 0;
        uint32_t state = 0;
        auto operator<=>(const Place&) const = default;
    };

    void assemble(RuleId goal) {
        const std::vector<RuleId> self{goal};
        const std::vector<RuleId>& members = loops_[goal].empty() ? self : loops_[goal];
        const bool loop = !loops_[goal].empty();
        std::map<Place, uint32_t> numbers;
        std::vector<Place> places;
        const auto number = [&](Place place) {
            const auto [it, added] = numbers.try_emplace(place, 0);
            if (added) {
                it->second = static_cast<uint32_t>(states_.size());
                states_.emplace_back();
                places.push_back(place);
            }
            return it->second;
        };
        const uint32_t first = entry(goal);
        for (const RuleId member : members) {
            for (const uint32_t state : first_[member]) {
                take_edges(first, member, state, number, loop ? &members : nullptr);
            }
        }
        for (size_t i = 0; i < places.size() && edges_ <= kMaxEdges; ++i) {
            fill(numbers.at(places[i]), closure(places[i], members, loop), goal, number);
        }
        drop_unfinishable(first, numbers);
    }

    /// The places that a place stands for: empty edges taken, and a complete member of a loop continued.
    std::vector<Place> closure(Place from, const std::vector<RuleId>& members, bool loop) const {
        std::vector<Place> order;
        std::map<Place, bool> seen;
        const auto visit = [&](Place place) {
            if (seen.emplace(place, true).second) {
                order.push_back(place);
            }
        };
        visit(from);
        for (size_t i = 0; i < order.size(); ++i) {
            const Place at = order[i];
            for (const NfaEdge& edge : nfas_[at.member].states[at.state]) {
                if (edge.kind == NfaEdge::Kind::kEmpty ||
                    (edge.kind == NfaEdge::Kind::kCall && facts_.nullable[edge.rule])) {
                    visit({at.member, edge.target});
                }
            }
            if (loop && at.state == nfas_[at.member].end) {
                for (const RuleId other : members) {
                    for (const LeftCall& call : left_calls_[other]) {
                        if (call.rule == at.member) {
                            visit({other, call.back});
                        }
                    }
                }
            }
        }
        return order;
    }

    template <class Number>
    void fill(uint32_t state, const std::vector<Place>& places, RuleId goal, Number&& number) {
        for (const Place& place : places) {
            take_edges(state, place.member, place.state, number, nullptr);
            if (place.member == goal && place.state == nfas_[goal].end) {
                states_[state].final = true;
            }
        }
    }

    /// Gives a program state the byte and call edges of an NFA state; without calls of `except`.
    template <class Number>
    void take_edges(uint32_t state, RuleId member, uint32_t from, Number&& number, const std::vector<RuleId>* except) {
        for (const NfaEdge& edge : nfas_[member].states[from]) {
            if (edge.kind == NfaEdge::Kind::kBytes) {
                const ByteEdge out{edge.from, edge.to, number(Place{member, edge.target})};
                states_[state].bytes.push_back(out);
            } else if (edge.kind == NfaEdge::Kind::kCall && facts_.productive[edge.rule] &&
                       (except == nullptr || std::ranges::count(*except, edge.rule) == 0)) {
                const CallEdge out{entry(edge.rule), number(Place{member, edge.target})};
                states_[state].calls.push_back(out);
            }
        }
        edges_ += nfas_[member].states[from].size() + 1;
    }

    /// Removes the edges to states of this rule from which it cannot end. (The called rules can: they are productive.)
    void drop_unfinishable(uint32_t first, const std::map<Place, uint32_t>& numbers) {
        std::map<uint32_t, std::vector<uint32_t>> sources;
        std::vector<uint32_t> own{first}, todo;
        for (const auto& [place, number] : numbers) {
            own.push_back(number);
        }
        for (const uint32_t state : own) {
            for (const ByteEdge& edge : states_[state].bytes) {
                sources[edge.target].push_back(state);
            }
            for (const CallEdge& edge : states_[state].calls) {
                sources[edge.back].push_back(state);
            }
            if (states_[state].final) {
                todo.push_back(state);
            }
        }
        std::map<uint32_t, bool> can_end;
        for (const uint32_t state : todo) {
            can_end[state] = true;
        }
        while (!todo.empty()) {
            const uint32_t at = todo.back();
            todo.pop_back();
            for (const uint32_t source : sources[at]) {
                if (!std::exchange(can_end[source], true)) {
                    todo.push_back(source);
                }
            }
        }
        for (const uint32_t state : own) {
            std::erase_if(states_[state].bytes, [&](const ByteEdge& e) { return !can_end[e.target]; });
            std::erase_if(states_[state].calls, [&](const CallEdge& e) { return !can_end[e.back]; });
        }
    }

    const std::vector<RuleNfa>& nfas_;
    RuleFacts facts_;
    std::vector<std::vector<uint32_t>> first_;  ///< by rule: the NFA states before its first byte
    std::vector<std::vector<LeftCall>> left_calls_;
    std::vector<std::vector<RuleId>> loops_;  ///< by rule: the rules of its left-recursive loop, if it has one
    std::map<RuleId, uint32_t> entries_;
    std::vector<RuleId> todo_;
    std::vector<ProgramState> states_;
    size_t edges_ = 0;
};

}  // namespace

Result<Program> build_program(const Rules& rules, RuleId start) {
    GANTRY_TRY(const std::vector<RuleNfa> nfas, build_nfas(rules));
    Assembler assembler(nfas, find_facts(nfas));
    if (!assembler.productive(start) && !assembler.nullable(start)) {
        return Error{Code::kInvalidArgument, "rule '" + rules.name(start) +
                                                 "' derives no text at all: every way through it needs itself, or a "
                                                 "rule that derives nothing"};
    }
    return assembler.run(start);
}

}  // namespace gantry::grammar
