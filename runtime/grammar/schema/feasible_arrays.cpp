// The part of Feasible that knows arrays: which items may come, and whether enough of them can.

#include <algorithm>
#include <deque>
#include <set>

#include "runtime/grammar/schema/feasible.hpp"
#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace {

constexpr size_t kMaxArrayStates = 20000;

}  // namespace

ArrayState Feasible::start(Atom array) const {
    ArrayState state;
    state.counts.assign(terms_.array(array).contains.size(), 0);
    return state;
}

bool Feasible::closable(Atom array, const ArrayState& state) const {
    const ArrayRule& rule = terms_.array(array);
    if (state.index < rule.min) {
        return false;
    }
    for (size_t i = 0; i < rule.contains.size(); ++i) {
        if (state.counts[i] < rule.contains[i].min) {
            return false;
        }
    }
    return true;
}

std::vector<ArrayMove> Feasible::all_moves(const ArrayRule& rule, const ArrayState& state, const Holds& holds) {
    std::vector<ArrayMove> out;
    if (rule.max != kNoLimit && state.index >= rule.max) {
        return out;
    }
    auto last = static_cast<uint32_t>(std::max<size_t>(rule.prefix.size(), rule.min));
    for (const auto& c : rule.contains) {
        last = std::max(last, c.from);
    }
    ArrayMove plain{unseen(rule.item(state.index), state), state};
    if (rule.max != kNoLimit || state.index < last) {
        ++plain.to.index;
    }
    out.push_back(plain);
    for (size_t i = 0; i < rule.contains.size(); ++i) {
        const auto& c = rule.contains[i];
        if (state.index < c.from || (c.max == kNoLimit && state.counts[i] >= c.min)) {
            continue;
        }
        const size_t had = out.size();
        for (size_t j = 0; j < had; ++j) {
            if (c.max == kNoLimit || state.counts[i] < c.max) {
                ArrayMove met = out[j];
                met.item = terms_.both({met.item, c.what});
                ++met.to.counts[i];
                out.push_back(std::move(met));
            }
            if (c.max != kNoLimit) {
                out[j].item = terms_.both({out[j].item, terms_.negate(c.what)});
            }
        }
    }
    std::erase_if(out, [&](const ArrayMove& move) { return !holds(move.item); });
    return out;
}

bool Feasible::enough(Expr expr, size_t wanted) {
    size_t found = 0;
    std::set<std::string> numbers;
    for (const Atom atom : terms_.atoms(expr)) {
        const uint32_t value = terms_.value(atom);
        if (terms_.type(atom) == Type::kNull) {
            ++found;
        } else if (terms_.type(atom) == Type::kBoolean) {
            found += static_cast<size_t>(__builtin_popcount(value));
        } else if (terms_.type(atom) == Type::kString) {
            const auto texts = terms_.languages().finite(value, wanted);
            found += texts ? texts->size() : wanted;
        } else {
            const auto some = terms_.numbers().finite(value, wanted);
            if (!some) {
                return true;
            }
            numbers.insert(some->begin(), some->end());
        }
    }
    return found + numbers.size() >= wanted;
}

void Feasible::check_unique(const ArrayRule& rule) {
    std::vector<Expr> items = rule.prefix;
    items.push_back(rule.rest);
    for (const Expr item : items) {
        for (const Atom atom : terms_.atoms(item)) {
            if (terms_.type(atom) == Type::kArray || terms_.type(atom) == Type::kObject) {
                throw SchemaError(
                    "\"uniqueItems\" is supported where all items are strings, numbers, booleans or null");
            }
        }
    }
    if (!rule.contains.empty() || (!rule.prefix.empty() && rule.min > 0)) {
        throw SchemaError(
            "\"uniqueItems\" is not supported together with contains, nor with both prefixItems and minItems");
    }
}

Expr Feasible::unseen(Expr item, const ArrayState& state) {
    return state.seen.empty() ? item : terms_.both({item, terms_.negate(terms_.either(state.seen))});
}

bool Feasible::finishable(Atom array, const ArrayState& state, const Holds& holds,
                          std::map<std::pair<Atom, ArrayState>, bool>& known) {
    const ArrayRule& rule = terms_.array(array);
    if (rule.unique) {
        check_unique(rule);
        return state.index >= rule.min ||
               (rule.max >= rule.min && enough(unseen(rule.rest, state), rule.min - state.index));
    }
    std::map<ArrayState, ArrayState> parent{{state, state}};
    std::deque<ArrayState> todo{state};
    while (!todo.empty()) {
        const ArrayState at = todo.front();
        todo.pop_front();
        const auto seen = known.find({array, at});
        if (closable(array, at) || (seen != known.end() && seen->second)) {
            for (ArrayState back = at;; back = parent.at(back)) {
                known[{array, back}] = true;
                if (back == state) {
                    return true;
                }
            }
        }
        if (seen != known.end()) {
            continue;
        }
        for (auto& move : all_moves(rule, at, holds)) {
            if (parent.emplace(move.to, at).second) {
                todo.push_back(std::move(move.to));
            }
        }
        if (parent.size() > kMaxArrayStates) {
            throw SchemaError("minItems or contains asks for too many items");
        }
    }
    for (const auto& [dead, unused] : parent) {
        known[{array, dead}] = false;
    }
    return false;
}

const std::vector<ArrayMove>& Feasible::moves(Atom array, const ArrayState& state) {
    if (const auto known = moves_.find({array, state}); known != moves_.end()) {
        return known->second;
    }
    const Holds holds = [this](Expr e) { return any(e); };
    auto out = all_moves(terms_.array(array), state, holds);
    if (!terms_.array(array).unique) {  // there any new value is as good as any other
        std::erase_if(out, [&](const ArrayMove& move) { return !finishable(array, move.to, holds, arrays_); });
    }
    return moves_.emplace(std::pair(array, state), std::move(out)).first->second;
}

}  // namespace gantry::grammar
