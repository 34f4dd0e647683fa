#include "runtime/grammar/schema/terms.hpp"

#include <algorithm>
#include <utility>

#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace {

template <class T>
void sort_unique(std::vector<T>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

void put(std::string& key, uint32_t value) { key.append(reinterpret_cast<const char*>(&value), sizeof value); }

void put(std::string& key, const std::u32string& text) {
    put(key, static_cast<uint32_t>(text.size()));
    key.append(reinterpret_cast<const char*>(text.data()), text.size() * sizeof(char32_t));
}

std::string key_of(const ArrayRule& rule) {
    std::string key = "A";
    put(key, static_cast<uint32_t>(rule.prefix.size()));
    for (const Expr e : rule.prefix) {
        put(key, e);
    }
    for (const uint32_t v : {rule.rest, rule.min, rule.max, uint32_t{rule.unique}}) {
        put(key, v);
    }
    for (const auto& c : rule.contains) {
        for (const uint32_t v : {c.what, c.from, c.min, c.max}) {
            put(key, v);
        }
    }
    return key;
}

std::string key_of(const ObjectRule& rule) {
    std::string key = "O";
    put(key, rule.min);
    put(key, rule.max);
    put(key, static_cast<uint32_t>(rule.named.size()));
    for (const auto& [name, value] : rule.named) {
        put(key, name);
        put(key, value);
    }
    for (const auto* list : {&rule.keyed, &rule.some}) {
        put(key, static_cast<uint32_t>(list->size()));
        for (const auto& [lang, value] : *list) {
            put(key, lang);
            put(key, value);
        }
    }
    for (const auto& name : rule.required) {
        put(key, name);
    }
    return key;
}

}  // namespace

void ObjectRule::require(const std::u32string& name) {
    const auto at = std::lower_bound(required.begin(), required.end(), name);
    if (at == required.end() || *at != name) {
        required.insert(at, name);
    }
}

Expr property_value(Terms& terms, const ObjectRule& rule, const std::u32string& name) {
    std::vector<Expr> parts;
    if (const auto own = rule.named.find(name); own != rule.named.end()) {
        parts.push_back(own->second);
    }
    for (const auto& [lang, value] : rule.keyed) {
        if (terms.languages().contains(lang, name)) {
            parts.push_back(value);
        }
    }
    return terms.both(std::move(parts));
}

Terms::Terms(Languages& languages, Numbers& numbers, TermLimits limits, std::function<Expr(uint32_t)> expand)
    : languages_(languages), numbers_(numbers), limits_(limits), expand_(std::move(expand)) {
    intern({Kind::kEvery, 0, {}});
    intern({Kind::kNothing, 0, {}});
    every_ = {atom(Type::kNull, 0),
              atom(Type::kBoolean, 3),
              atom(Type::kNumber, Numbers::kEvery),
              atom(Type::kString, Languages::kAll),
              array_atom({}),
              object_atom({})};
}

Expr Terms::intern(Node node) {
    const auto [at, fresh] = index_.emplace(node, static_cast<Expr>(nodes_.size()));
    if (fresh) {
        if (nodes_.size() + atoms_.size() > limits_.max_terms) {
            throw SchemaError("its combinations of subschemas are too many to be worked out");
        }
        nodes_.push_back(std::move(node));
    }
    return at->second;
}

Atom Terms::atom(Type type, uint32_t value) {
    const auto [at, fresh] =
        atom_index_.emplace(std::pair(static_cast<uint8_t>(type), value), static_cast<Atom>(atoms_.size()));
    if (fresh) {
        if (nodes_.size() + atoms_.size() > limits_.max_terms) {
            throw SchemaError("its combinations of subschemas are too many to be worked out");
        }
        atoms_.push_back({type, value});
    }
    return at->second;
}

Atom Terms::array_atom(ArrayRule rule) {
    if (rule.max != kNoLimit && rule.prefix.size() > rule.max) {
        rule.prefix.resize(rule.max);
    }
    if (rule.rest == kNothing) {
        rule.max = std::min(rule.max, static_cast<uint32_t>(rule.prefix.size()));
    }
    if (rule.max == rule.prefix.size()) {
        rule.rest = kNothing;
    }
    while (!rule.prefix.empty() && rule.prefix.back() == rule.rest && rule.max != rule.prefix.size()) {
        rule.prefix.pop_back();
    }
    const auto [at, fresh] = rule_index_.emplace(key_of(rule), 0);
    if (fresh) {
        arrays_.push_back(std::move(rule));
        at->second = atom(Type::kArray, static_cast<uint32_t>(arrays_.size() - 1));
    }
    return at->second;
}

Atom Terms::object_atom(ObjectRule rule) {
    sort_unique(rule.keyed);
    sort_unique(rule.some);
    std::erase_if(rule.named, [](const auto& entry) { return entry.second == kEvery; });
    if (rule.min <= rule.required.size()) {
        rule.min = 0;
    }
    const auto [at, fresh] = rule_index_.emplace(key_of(rule), 0);
    if (fresh) {
        objects_.push_back(std::move(rule));
        at->second = atom(Type::kObject, static_cast<uint32_t>(objects_.size() - 1));
    }
    return at->second;
}

Expr Terms::constant(bool value) { return value ? kEvery : kNothing; }
Expr Terms::null() { return every(Type::kNull); }
Expr Terms::booleans(bool with_true, bool with_false) {
    return intern({Kind::kAtom, atom(Type::kBoolean, (with_true ? 2U : 0U) | (with_false ? 1U : 0U)), {}});
}
Expr Terms::number(NumberSet set) { return intern({Kind::kAtom, atom(Type::kNumber, set), {}}); }
Expr Terms::text(Lang lang) { return intern({Kind::kAtom, atom(Type::kString, lang), {}}); }
Expr Terms::array(ArrayRule rule) { return intern({Kind::kAtom, array_atom(std::move(rule)), {}}); }
Expr Terms::object(ObjectRule rule) { return intern({Kind::kAtom, object_atom(std::move(rule)), {}}); }
Expr Terms::every(Type type) { return intern({Kind::kAtom, every_atom(type), {}}); }
Expr Terms::schema(uint32_t number) { return intern({Kind::kSchema, number, {}}); }

Expr Terms::if_type(Expr part) {
    const Atom atom = nodes_[part].value;
    return atom == every_atom(atoms_[atom].type) ? kEvery : intern({Kind::kIfType, atom, {}});
}

Expr Terms::both(std::vector<Expr> parts) {
    std::vector<Expr> list;
    for (const Expr part : parts) {
        if (part == kNothing) {
            return kNothing;
        }
        if (nodes_[part].kind == Kind::kBoth) {
            list.insert(list.end(), nodes_[part].list.begin(), nodes_[part].list.end());
        } else if (part != kEvery) {
            list.push_back(part);
        }
    }
    sort_unique(list);
    for (const Expr part : list) {
        if (nodes_[part].kind == Kind::kNot && std::binary_search(list.begin(), list.end(), nodes_[part].value)) {
            return kNothing;
        }
    }
    if (list.size() < 2) {
        return list.empty() ? kEvery : list[0];
    }
    return intern({Kind::kBoth, 0, std::move(list)});
}

Expr Terms::either(std::vector<Expr> parts) {
    std::vector<Expr> list;
    for (const Expr part : parts) {
        if (part == kEvery) {
            return kEvery;
        }
        if (nodes_[part].kind == Kind::kEither) {
            list.insert(list.end(), nodes_[part].list.begin(), nodes_[part].list.end());
        } else if (part != kNothing) {
            list.push_back(part);
        }
    }
    sort_unique(list);
    if (list.size() < 2) {
        return list.empty() ? kNothing : list[0];
    }
    return intern({Kind::kEither, 0, std::move(list)});
}

Expr Terms::negate(Expr part) {
    if (part == kEvery || part == kNothing) {
        return part == kEvery ? kNothing : kEvery;
    }
    if (nodes_[part].kind == Kind::kNot) {
        return nodes_[part].value;
    }
    return intern({Kind::kNot, part, {}});
}

const std::vector<Atom>& Terms::atoms(Expr expr) {
    if (const auto known = normal_.find(expr); known != normal_.end()) {
        return known->second;
    }
    if (std::find(in_progress_.begin(), in_progress_.end(), expr) != in_progress_.end()) {
        throw CircularReference("\"$ref\" refers to itself without a value in between");
    }
    in_progress_.push_back(expr);
    std::vector<Atom> list;
    try {
        list = normalise(expr);
    } catch (...) {
        in_progress_.pop_back();
        throw;
    }
    in_progress_.pop_back();
    return normal_.emplace(expr, std::move(list)).first->second;
}

std::vector<Atom> Terms::normalise(Expr expr) {
    const Node node = nodes_[expr];
    std::vector<Atom> list;
    switch (node.kind) {
        case Kind::kEvery:
            return {every_.begin(), every_.end()};
        case Kind::kNothing:
            return {};
        case Kind::kAtom:
            return tidy({node.value});
        case Kind::kIfType:
            for (const Atom full : every_) {
                list.push_back(type(full) == type(node.value) ? node.value : full);
            }
            return tidy(std::move(list));
        case Kind::kSchema:
            return atoms(expand_(node.value));
        case Kind::kEither:
            for (const Expr part : node.list) {
                const auto& more = atoms(part);
                list.insert(list.end(), more.begin(), more.end());
            }
            return tidy(std::move(list));
        case Kind::kBoth:
            return normalise_both(node.list);
        case Kind::kNot:
            return without({every_.begin(), every_.end()}, atoms(node.value));
    }
    return list;
}

std::vector<Atom> Terms::normalise_both(const std::vector<Expr>& parts) {
    std::vector<Atom> list(every_.begin(), every_.end());
    const auto narrow = [&](const std::vector<Atom>& by, bool only_type) {
        std::vector<Atom> kept;
        for (const Atom x : list) {
            for (const Atom y : by) {
                Atom z = 0;
                if (only_type && type(x) != type(y)) {
                    kept.push_back(x);
                } else if (meet(x, y, z)) {
                    kept.push_back(z);
                }
            }
        }
        list = tidy(std::move(kept));
    };
    // What names types comes first, what only takes away last: the lists between stay short.
    for (const Expr part : parts) {
        const Kind kind = nodes_[part].kind;
        if (kind != Kind::kIfType && kind != Kind::kNot) {
            narrow(atoms(part), false);
        }
    }
    for (const Expr part : parts) {
        if (nodes_[part].kind == Kind::kIfType) {
            narrow({nodes_[part].value}, true);
        }
    }
    for (const Expr part : parts) {
        if (nodes_[part].kind == Kind::kNot && !list.empty()) {
            list = without(std::move(list), atoms(nodes_[part].value));
        }
    }
    return list;
}

std::vector<Atom> Terms::tidy(std::vector<Atom> list) {
    std::vector<Atom> out;
    std::vector<Lang> texts;
    uint32_t booleans = 0;
    for (const Atom a : list) {
        if (type(a) == Type::kString) {
            texts.push_back(value(a));
        } else if (type(a) == Type::kBoolean) {
            booleans |= value(a);
        } else if (!plainly_empty(a, 0)) {
            out.push_back(a);
        }
    }
    if (const Lang lang = languages_.either(std::move(texts)); languages_.alive(lang)) {
        out.push_back(atom(Type::kString, lang));
    }
    if (booleans != 0) {
        out.push_back(atom(Type::kBoolean, booleans));
    }
    sort_unique(out);
    for (const Atom full : every_) {  // "any object" takes in all other objects
        if (std::binary_search(out.begin(), out.end(), full)) {
            std::erase_if(out, [&](Atom a) { return a != full && type(a) == type(full); });
        }
    }
    if (out.size() > limits_.max_alternatives) {
        throw SchemaError("its combinations of subschemas have too many alternatives");
    }
    return out;
}

}  // namespace gantry::grammar
