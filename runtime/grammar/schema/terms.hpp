#pragma once

/// The algebra that JSON Schema is compiled to. An expression is a set of JSON values; its normal form is a union of
/// atoms, each of one JSON type with constraints that all hold at once. Intersection, union and complement of atoms are
/// atoms again, so every combination of allOf, anyOf, oneOf, not and if becomes a plain union, in which each part can
/// be checked for being satisfiable on its own (after Attouche et al., "Witness Generation for JSON Schema", 2022).

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/grammar/schema/languages.hpp"
#include "runtime/grammar/schema/numbers.hpp"

namespace gantry::grammar {

using Expr = uint32_t;  ///< a set of JSON values
using Atom = uint32_t;

enum class Type : uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };
constexpr size_t kTypes = 6;
constexpr uint32_t kNoLimit = UINT32_MAX;

/// From `from` on, at least `min` and at most `max` items are in `what`.
struct ContainsRule {
    Expr what = 0;
    uint32_t from = 0;
    uint32_t min = 1;
    uint32_t max = kNoLimit;
    bool operator==(const ContainsRule&) const = default;
};

struct ArrayRule {
    std::vector<Expr> prefix;
    Expr rest = 0;
    uint32_t min = 0;
    uint32_t max = kNoLimit;
    std::vector<ContainsRule> contains;
    bool unique = false;

    Expr item(size_t index) const { return index < prefix.size() ? prefix[index] : rest; }
};

struct ObjectRule {
    std::map<std::u32string, Expr> named;      ///< this property, if present, is in Expr
    std::vector<std::pair<Lang, Expr>> keyed;  ///< every property whose name is in Lang is in Expr
    std::vector<std::u32string> required;      ///< sorted
    std::vector<std::pair<Lang, Expr>> some;   ///< at least one property with a name in Lang is in Expr
    uint32_t min = 0;
    uint32_t max = kNoLimit;

    void require(const std::u32string& name);
};

struct TermLimits {
    size_t max_terms = 20000;       ///< expressions and atoms
    size_t max_alternatives = 400;  ///< atoms of one expression
};

/// Owns expressions and atoms, interned: equal numbers are equal sets. One thread at a time. Throws SchemaError.
class Terms {
  public:
    static constexpr Expr kEvery = 0;
    static constexpr Expr kNothing = 1;

    /// `expand` gives the expression of a schema's number.
    Terms(Languages& languages, Numbers& numbers, TermLimits limits, std::function<Expr(uint32_t)> expand);

    Expr constant(bool value);
    Expr null();
    Expr booleans(bool with_true, bool with_false);
    Expr number(NumberSet set);
    Expr text(Lang lang);
    Expr array(ArrayRule rule);
    Expr object(ObjectRule rule);
    Expr every(Type type);
    /// Values of other types than `part`'s, and `part`. `part` comes from one of the makers above.
    Expr if_type(Expr part);
    Expr schema(uint32_t number);
    Expr both(std::vector<Expr> parts);
    Expr either(std::vector<Expr> parts);
    Expr negate(Expr part);

    /// The normal form. Valid for the life of the terms.
    const std::vector<Atom>& atoms(Expr expr);

    Type type(Atom atom) const { return atoms_[atom].type; }
    /// Boolean: 1 for false, 2 for true; number: a NumberSet; string: a Lang.
    uint32_t value(Atom atom) const { return atoms_[atom].value; }
    const ArrayRule& array(Atom atom) const { return arrays_[atoms_[atom].value]; }
    const ObjectRule& object(Atom atom) const { return objects_[atoms_[atom].value]; }

    Languages& languages() { return languages_; }
    Numbers& numbers() { return numbers_; }

  private:
    enum class Kind : uint8_t { kEvery, kNothing, kAtom, kIfType, kSchema, kBoth, kEither, kNot };
    struct Node {
        Kind kind;
        uint32_t value = 0;
        std::vector<Expr> list;
        auto operator<=>(const Node&) const = default;
    };
    struct AtomData {
        Type type;
        uint32_t value;
    };

    Expr intern(Node node);
    Atom atom(Type type, uint32_t value);
    Atom array_atom(ArrayRule rule);
    Atom object_atom(ObjectRule rule);
    Atom every_atom(Type type) const { return every_[static_cast<size_t>(type)]; }
    std::vector<Atom> normalise(Expr expr);
    std::vector<Atom> normalise_both(const std::vector<Expr>& parts);
    /// Sorted, texts and booleans joined, what is plainly empty left out.
    std::vector<Atom> tidy(std::vector<Atom> list);
    /// An atom that may turn out to be empty; false where it plainly is.
    bool meet(Atom x, Atom y, Atom& out);
    std::vector<Atom> without(std::vector<Atom> list, const std::vector<Atom>& less);
    std::vector<Atom> complement(Atom atom);
    void complement_array(const ArrayRule& rule, std::vector<Atom>& out);
    void complement_object(const ObjectRule& rule, std::vector<Atom>& out);
    bool plainly_empty(Atom atom, int depth);
    bool plainly_nothing(Expr expr, int depth);

    Languages& languages_;
    Numbers& numbers_;
    TermLimits limits_;
    std::function<Expr(uint32_t)> expand_;
    std::deque<Node> nodes_;
    std::map<Node, Expr> index_;
    std::vector<AtomData> atoms_;
    std::map<std::pair<uint8_t, uint32_t>, Atom> atom_index_;
    std::deque<ArrayRule> arrays_;
    std::deque<ObjectRule> objects_;
    std::unordered_map<std::string, Atom> rule_index_;
    std::array<Atom, kTypes> every_{};
    std::unordered_map<Expr, std::vector<Atom>> normal_;
    std::vector<Expr> in_progress_;
};

/// The value of a named property: what its name and all patterns that match it demand together.
Expr property_value(Terms& terms, const ObjectRule& rule, const std::u32string& name);

}  // namespace gantry::grammar
