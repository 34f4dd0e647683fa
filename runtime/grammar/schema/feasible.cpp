#include "runtime/grammar/schema/feasible.hpp"

#include <algorithm>
#include <set>

#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace {

constexpr size_t kFewNames = 64;  // a region with no more names is taken as so many names
constexpr size_t kMaxRegions = 64;
constexpr size_t kMaxSome = 8;

}  // namespace

bool Feasible::any(Expr expr) {
    if (const auto known = known_.find(expr); known != known_.end()) {
        return known->second;
    }
    if (solving_) {
        return visit(expr);
    }
    // The least solution: what is not shown to have a value within the rounds has none of finite depth.
    solving_ = true;
    try {
        do {
            changed_ = false;
            visited_.clear();
            visit(expr);
        } while (changed_ && !known_.contains(expr));
    } catch (...) {
        solving_ = false;
        throw;
    }
    solving_ = false;
    if (known_.contains(expr)) {
        return true;
    }
    for (const Expr e : visited_) {
        known_.emplace(e, false);
    }
    return false;
}

bool Feasible::visit(Expr expr) {
    if (const auto known = known_.find(expr); known != known_.end()) {
        return known->second;
    }
    if (!visited_.insert(expr).second) {
        return false;
    }
    const Holds holds = [this](Expr e) { return visit(e); };
    for (const Atom atom : terms_.atoms(expr)) {
        if (atom_holds(atom, holds)) {
            known_.emplace(expr, true);
            changed_ = true;
            return true;
        }
    }
    return false;
}

bool Feasible::atom_holds(Atom atom, const Holds& holds) {
    switch (terms_.type(atom)) {
        case Type::kNull:
            return true;
        case Type::kBoolean:
            return terms_.value(atom) != 0;
        case Type::kNumber:
            return !terms_.numbers().empty(terms_.value(atom));
        case Type::kString:
            return terms_.languages().alive(terms_.value(atom));
        case Type::kArray: {
            std::map<std::pair<Atom, ArrayState>, bool> known;
            return finishable(atom, start(atom), holds, known);
        }
        case Type::kObject: {
            const ObjectPlan plan = make_plan(atom, holds);
            return plan.satisfiable && finishable(plan, start(plan));
        }
    }
    return false;
}

const std::vector<Atom>& Feasible::atoms(Expr expr) {
    if (const auto known = atoms_.find(expr); known != atoms_.end()) {
        return known->second;
    }
    std::vector<Atom> out;
    for (const Atom atom : terms_.atoms(expr)) {
        if (atom_holds(atom, [this](Expr e) { return any(e); })) {
            out.push_back(atom);
        }
    }
    return atoms_.emplace(expr, std::move(out)).first->second;
}

const Feasible::Shape& Feasible::shape(Atom object) {
    if (const auto known = shapes_.find(object); known != shapes_.end()) {
        return known->second;
    }
    const ObjectRule& rule = terms_.object(object);
    Languages& languages = terms_.languages();
    if (rule.some.size() > kMaxSome) {
        throw SchemaError("its negated subschemas ask for too many different properties");
    }
    Shape out;
    std::set<std::u32string> names(rule.required.begin(), rule.required.end());
    for (const auto& [name, value] : rule.named) {
        names.insert(name);
    }
    ObjectPlan::Region rest;
    rest.names = languages.negate(languages.words({names.begin(), names.end()}));
    rest.value = Terms::kEvery;
    split(rule, 0, rest, out);
    std::vector<ObjectPlan::Region> large;
    for (const auto& region : out.regions) {
        if (const auto few = languages.finite(region.names, kFewNames)) {
            names.insert(few->begin(), few->end());
        } else {
            large.push_back(region);
        }
    }
    out.regions = std::move(large);
    for (const auto& text : names) {
        ObjectPlan::Name name;
        name.text = text;
        name.value = property_value(terms_, rule, text);
        name.required = std::binary_search(rule.required.begin(), rule.required.end(), text);
        for (size_t i = 0; i < rule.some.size(); ++i) {
            name.witness |= languages.contains(rule.some[i].first, text) ? 1U << i : 0U;
        }
        out.names.push_back(std::move(name));
    }
    return shapes_.emplace(object, std::move(out)).first->second;
}

/// Divides the names that the rule does not spell out by the name patterns, so that each part has one value.
void Feasible::split(const ObjectRule& rule, size_t at, ObjectPlan::Region part, Shape& out) {
    Languages& languages = terms_.languages();
    if (!languages.alive(part.names) || part.value == Terms::kNothing) {
        return;
    }
    if (at == rule.keyed.size() + rule.some.size()) {
        if (out.regions.size() >= kMaxRegions) {
            throw SchemaError("its name patterns overlap in too many ways");
        }
        out.regions.push_back(part);
        return;
    }
    const bool keyed = at < rule.keyed.size();
    const auto& [lang, value] = keyed ? rule.keyed[at] : rule.some[at - rule.keyed.size()];
    ObjectPlan::Region inside = part;
    inside.names = languages.both({part.names, lang});
    if (keyed) {
        inside.value = terms_.both({part.value, value});
    } else {
        inside.witness |= 1U << (at - rule.keyed.size());
    }
    part.names = languages.both({part.names, languages.negate(lang)});
    split(rule, at + 1, inside, out);
    split(rule, at + 1, part, out);
}

ObjectPlan Feasible::make_plan(Atom object, const Holds& holds) {
    const ObjectRule& rule = terms_.object(object);
    const Shape& form = shape(object);
    ObjectPlan plan;
    plan.min = rule.min;
    plan.max = rule.max;
    for (const auto& [lang, value] : rule.some) {
        plan.some.push_back(value);
    }
    const auto witnesses = [&](Expr value, uint32_t mask) {
        uint32_t out = 0;
        for (size_t i = 0; i < plan.some.size(); ++i) {
            if ((mask >> i & 1U) != 0 && holds(terms_.both({value, plan.some[i]}))) {
                out |= 1U << i;
            }
        }
        return out;
    };
    for (const auto& name : form.names) {
        if (holds(name.value)) {
            plan.names.push_back(name);
            plan.names.back().witness = witnesses(name.value, name.witness);
        } else if (name.required) {
            plan.satisfiable = false;
            return plan;
        }
    }
    uint32_t everywhere = 0;
    for (const auto& region : form.regions) {
        if (holds(region.value)) {
            plan.regions.push_back(region);
            plan.regions.back().witness = witnesses(region.value, region.witness);
            everywhere |= plan.regions.back().witness;
        }
    }
    plan.remembers = !plan.regions.empty() && (plan.min > 0 || !plan.some.empty());
    if (plan.some.size() > 1 && (plan.max != kNoLimit || everywhere != (1U << plan.some.size()) - 1)) {
        throw SchemaError("its negated subschemas ask for several properties that may stand in each other's way");
    }
    return plan;
}

const ObjectPlan& Feasible::plan(Atom object) {
    if (const auto known = plans_.find(object); known != plans_.end()) {
        return known->second;
    }
    ObjectPlan made = make_plan(object, [this](Expr e) { return any(e); });
    return plans_.emplace(object, std::move(made)).first->second;
}

ObjectState Feasible::start(const ObjectPlan& plan) {
    ObjectState state;
    state.owed = (1U << plan.some.size()) - 1;
    return state;
}

bool Feasible::closable(const ObjectPlan& plan, const ObjectState& state) {
    if (state.owed != 0 || (plan.counts() && state.count < plan.min)) {
        return false;
    }
    for (uint32_t i = 0; i < plan.names.size(); ++i) {
        if (plan.names[i].required && !std::binary_search(state.seen.begin(), state.seen.end(), i)) {
            return false;
        }
    }
    return true;
}

bool Feasible::finishable(const ObjectPlan& plan, const ObjectState& state) {
    uint64_t missing = 0, available = 0;
    uint32_t by_missing = 0, by_others = 0;
    for (uint32_t i = 0; i < plan.names.size(); ++i) {
        if (std::binary_search(state.seen.begin(), state.seen.end(), i)) {
            continue;
        }
        ++available;
        missing += plan.names[i].required ? 1 : 0;
        (plan.names[i].required ? by_missing : by_others) |= plan.names[i].witness;
    }
    for (const auto& region : plan.regions) {
        by_others |= region.witness;
    }
    if ((state.owed & ~(by_missing | by_others)) != 0) {
        return false;
    }
    const auto extra = static_cast<uint64_t>(__builtin_popcount(state.owed & ~by_missing));
    if (plan.max != kNoLimit && state.count + missing + extra > plan.max) {
        return false;
    }
    return !plan.regions.empty() || state.count + available >= plan.min;
}

ObjectState Feasible::with_property(const ObjectPlan& plan, ObjectState state, uint32_t name, bool region,
                                    uint32_t met) {
    state.owed &= ~met;
    if (!region) {
        state.seen.insert(std::lower_bound(state.seen.begin(), state.seen.end(), name), name);
    }
    if (plan.counts() && (plan.max != kNoLimit || state.count < plan.min)) {
        ++state.count;
    }
    return state;
}

}  // namespace gantry::grammar
