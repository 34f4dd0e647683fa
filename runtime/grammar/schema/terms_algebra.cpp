// Intersection and complement of atoms.

#include <algorithm>
#include <utility>

#include "runtime/grammar/schema/schema_error.hpp"
#include "runtime/grammar/schema/terms.hpp"

namespace gantry::grammar {

namespace {

// How deep a contradiction (two different constants of one property, say) is looked for before alternatives multiply.
constexpr int kLookDepth = 3;

/// Rules for all that has fewer or more members than these allow.
template <class Rule>
std::vector<Rule> outside_counts(const Rule& rule) {
    std::vector<Rule> out;
    if (rule.min > 0) {
        out.emplace_back().max = rule.min - 1;
    }
    if (rule.max != kNoLimit) {
        out.emplace_back().min = rule.max + 1;
    }
    return out;
}

}  // namespace

bool Terms::meet(Atom x, Atom y, Atom& out) {
    if (type(x) != type(y)) {
        return false;
    }
    if (x == y || y == every_atom(type(x))) {
        out = x;
        return true;
    }
    if (x == every_atom(type(x))) {
        out = y;
        return true;
    }
    switch (type(x)) {
        case Type::kNull:
            out = x;
            return true;
        case Type::kBoolean:
            out = atom(Type::kBoolean, value(x) & value(y));
            return value(out) != 0;
        case Type::kNumber:
            out = atom(Type::kNumber, numbers_.both(value(x), value(y)));
            return true;
        case Type::kString:
            out = atom(Type::kString, languages_.both({value(x), value(y)}));
            return true;
        case Type::kArray: {
            const ArrayRule &a = array(x), &b = array(y);
            ArrayRule both_rules;
            for (size_t i = 0; i < std::max(a.prefix.size(), b.prefix.size()); ++i) {
                both_rules.prefix.push_back(both({a.item(i), b.item(i)}));
            }
            both_rules.rest = both({a.rest, b.rest});
            both_rules.min = std::max(a.min, b.min);
            both_rules.max = std::min(a.max, b.max);
            both_rules.unique = a.unique || b.unique;
            both_rules.contains = a.contains;
            for (const auto& c : b.contains) {
                if (std::find(a.contains.begin(), a.contains.end(), c) == a.contains.end()) {
                    both_rules.contains.push_back(c);
                }
            }
            out = array_atom(std::move(both_rules));
            return true;
        }
        case Type::kObject: {
            ObjectRule both_rules = object(x);
            const ObjectRule& b = object(y);
            for (const auto& [name, value] : b.named) {
                const auto [at, fresh] = both_rules.named.emplace(name, value);
                if (!fresh) {
                    at->second = both({at->second, value});
                }
            }
            both_rules.keyed.insert(both_rules.keyed.end(), b.keyed.begin(), b.keyed.end());
            both_rules.some.insert(both_rules.some.end(), b.some.begin(), b.some.end());
            for (const auto& name : b.required) {
                both_rules.require(name);
            }
            both_rules.min = std::max(both_rules.min, b.min);
            both_rules.max = std::min(both_rules.max, b.max);
            out = object_atom(std::move(both_rules));
            return true;
        }
    }
    return false;
}

std::vector<Atom> Terms::without(std::vector<Atom> list, const std::vector<Atom>& less) {
    for (const Atom y : less) {
        std::vector<Atom> kept;
        for (const Atom x : list) {
            Atom common = 0;
            if (!meet(x, y, common) || plainly_empty(common, 0)) {
                kept.push_back(x);  // apart anyhow: taking y away changes nothing
                continue;
            }
            for (const Atom piece : complement(y)) {
                if (meet(x, piece, common)) {
                    kept.push_back(common);
                }
            }
        }
        list = tidy(std::move(kept));
    }
    return list;
}

std::vector<Atom> Terms::complement(Atom a) {
    std::vector<Atom> out;
    if (a == every_atom(type(a))) {
        return out;
    }
    switch (type(a)) {
        case Type::kNull:
            break;
        case Type::kBoolean:
            out.push_back(atom(Type::kBoolean, 3 & ~value(a)));
            break;
        case Type::kNumber:
            for (const NumberSet set : numbers_.negate(value(a))) {
                out.push_back(atom(Type::kNumber, set));
            }
            break;
        case Type::kString:
            out.push_back(atom(Type::kString, languages_.negate(value(a))));
            break;
        case Type::kArray:
            complement_array(array(a), out);
            break;
        case Type::kObject:
            complement_object(object(a), out);
            break;
    }
    return out;
}

void Terms::complement_array(const ArrayRule& rule, std::vector<Atom>& out) {
    if (rule.unique) {
        throw SchemaError("the opposite of uniqueItems (under not, oneOf, if or maxContains) is not supported");
    }
    for (size_t i = 0; i < rule.prefix.size(); ++i) {
        if (rule.prefix[i] != kEvery) {
            ArrayRule piece;
            piece.prefix.assign(i, kEvery);
            piece.prefix.push_back(negate(rule.prefix[i]));
            piece.min = static_cast<uint32_t>(i) + 1;
            out.push_back(array_atom(std::move(piece)));
        }
    }
    if (rule.rest != kEvery && rule.max != rule.prefix.size()) {
        ArrayRule piece;
        piece.contains.push_back({negate(rule.rest), static_cast<uint32_t>(rule.prefix.size()), 1, kNoLimit});
        out.push_back(array_atom(std::move(piece)));
    }
    for (ArrayRule& piece : outside_counts(rule)) {
        out.push_back(array_atom(std::move(piece)));
    }
    for (const auto& c : rule.contains) {
        if (c.min > 0) {
            ArrayRule piece;
            piece.contains.push_back({c.what, c.from, 0, c.min - 1});
            out.push_back(array_atom(std::move(piece)));
        }
        if (c.max != kNoLimit) {
            ArrayRule piece;
            piece.contains.push_back({c.what, c.from, c.max + 1, kNoLimit});
            out.push_back(array_atom(std::move(piece)));
        }
    }
}

void Terms::complement_object(const ObjectRule& rule, std::vector<Atom>& out) {
    for (const auto& [name, value] : rule.named) {
        ObjectRule piece;
        piece.require(name);
        piece.named.emplace(name, negate(value));
        out.push_back(object_atom(std::move(piece)));
    }
    for (const auto& [lang, value] : rule.keyed) {
        ObjectRule piece;
        piece.some.emplace_back(lang, negate(value));
        out.push_back(object_atom(std::move(piece)));
    }
    for (const auto& name : rule.required) {
        ObjectRule piece;
        piece.named.emplace(name, kNothing);
        out.push_back(object_atom(std::move(piece)));
    }
    for (const auto& [lang, value] : rule.some) {
        ObjectRule piece;
        piece.keyed.emplace_back(lang, negate(value));
        out.push_back(object_atom(std::move(piece)));
    }
    for (ObjectRule& piece : outside_counts(rule)) {
        out.push_back(object_atom(std::move(piece)));
    }
}

bool Terms::plainly_nothing(Expr expr, int depth) {
    if (expr == kNothing) {
        return true;
    }
    if (expr == kEvery || depth > kLookDepth) {
        return false;
    }
    try {
        const auto& list = atoms(expr);
        return std::all_of(list.begin(), list.end(), [&](Atom a) { return plainly_empty(a, depth); });
    } catch (const CircularReference&) {
        return false;  // needs itself: the full check (feasible.cpp) decides
    }
}

/// True only where the atom is empty; where this is hard to see, false.
bool Terms::plainly_empty(Atom a, int depth) {
    switch (type(a)) {
        case Type::kNull:
            return false;
        case Type::kBoolean:
            return value(a) == 0;
        case Type::kNumber:
            return numbers_.empty(value(a));
        case Type::kString:
            return !languages_.alive(value(a));
        case Type::kArray: {
            const ArrayRule& rule = array(a);
            if (rule.min > rule.max) {
                return true;
            }
            for (size_t i = 0; i < rule.min && i <= rule.prefix.size(); ++i) {
                if (plainly_nothing(rule.item(i), depth + 1)) {
                    return true;
                }
            }
            return false;
        }
        case Type::kObject: {
            const ObjectRule& rule = object(a);
            if (rule.min > rule.max || rule.required.size() > rule.max) {
                return true;
            }
            return std::any_of(rule.required.begin(), rule.required.end(), [&](const std::u32string& name) {
                return plainly_nothing(property_value(*this, rule, name), depth + 1);
            });
        }
    }
    return false;
}

}  // namespace gantry::grammar
