#pragma once

/// Answers whether anything can match, for expressions and for objects and arrays that have been read in part. Readers
/// never enter a state for which the answer is no, which is why what they have accepted so far can always be finished.

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "runtime/grammar/schema/terms.hpp"

namespace gantry::grammar {

/// An object atom worked out: which names there can be, and what their values are.
struct ObjectPlan {
    struct Name {
        std::u32string text;
        Expr value = 0;
        uint32_t witness = 0;  ///< bit i: its value may be what the rule's some[i] asks for
        bool required = false;
    };
    /// All other names, in parts that no name shares; each part is infinite (or large).
    struct Region {
        Lang names = 0;
        Expr value = 0;
        uint32_t witness = 0;
    };
    std::vector<Name> names;  ///< sorted by text
    std::vector<Region> regions;
    std::vector<Expr> some;
    uint32_t min = 0;
    uint32_t max = kNoLimit;
    bool satisfiable = true;  ///< no required name is impossible
    bool remembers = false;   ///< names out of regions must be remembered: a second one would not count

    bool counts() const { return min > 0 || max != kNoLimit; }
};

struct ObjectState {
    std::vector<uint32_t> seen;     ///< indexes into ObjectPlan::names, sorted
    uint32_t count = 0;             ///< properties so far as far as they matter
    uint32_t owed = 0;              ///< bits of ObjectPlan::some that no property has met yet
    Lang taken = Languages::kNone;  ///< names out of regions, where they are remembered
    auto operator<=>(const ObjectState&) const = default;
};

struct ArrayState {
    uint32_t index = 0;            ///< items so far as far as they matter
    std::vector<uint32_t> counts;  ///< for each contains
    std::vector<Expr> seen;        ///< with uniqueItems: the values so far, sorted
    auto operator<=>(const ArrayState&) const = default;
};

struct ArrayMove {
    Expr item;
    ArrayState to;
};

class Feasible {
  public:
    explicit Feasible(Terms& terms) : terms_(terms) {}

    /// Whether any finite value is in the set.
    bool any(Expr expr);
    /// The satisfiable atoms of an expression. The reference stays valid.
    const std::vector<Atom>& atoms(Expr expr);
    /// Names and regions that can occur. The reference stays valid.
    const ObjectPlan& plan(Atom object);

    static ObjectState start(const ObjectPlan& plan);
    /// The object can be closed.
    static bool closable(const ObjectPlan& plan, const ObjectState& state);
    static bool finishable(const ObjectPlan& plan, const ObjectState& state);
    /// The state behind one more property; `region` when its name is one of plan.regions. `met`: bits of `some`.
    static ObjectState with_property(const ObjectPlan& plan, ObjectState state, uint32_t name, bool region,
                                     uint32_t met);

    ArrayState start(Atom array) const;
    bool closable(Atom array, const ArrayState& state) const;
    /// What the next item can be; only moves behind which the array can be finished.
    const std::vector<ArrayMove>& moves(Atom array, const ArrayState& state);

  private:
    using Holds = std::function<bool(Expr)>;

    struct Shape {
        std::vector<ObjectPlan::Name> names;
        std::vector<ObjectPlan::Region> regions;
    };

    bool visit(Expr expr);
    bool atom_holds(Atom atom, const Holds& holds);
    const Shape& shape(Atom object);
    void split(const ObjectRule& rule, size_t at, ObjectPlan::Region part, Shape& out);
    ObjectPlan make_plan(Atom object, const Holds& holds);
    /// Whether there are at least `wanted` values. Only for scalars.
    bool enough(Expr expr, size_t wanted);
    void check_unique(const ArrayRule& rule);
    Expr unseen(Expr item, const ArrayState& state);
    std::vector<ArrayMove> all_moves(const ArrayRule& rule, const ArrayState& state, const Holds& holds);
    bool finishable(Atom array, const ArrayState& state, const Holds& holds,
                    std::map<std::pair<Atom, ArrayState>, bool>& known);

    Terms& terms_;
    std::unordered_map<Expr, bool> known_;
    std::unordered_set<Expr> visited_;
    bool changed_ = false;
    bool solving_ = false;
    std::unordered_map<Expr, std::vector<Atom>> atoms_;
    std::unordered_map<Atom, Shape> shapes_;
    std::unordered_map<Atom, ObjectPlan> plans_;
    std::map<std::pair<Atom, ArrayState>, bool> arrays_;
    std::map<std::pair<Atom, ArrayState>, std::vector<ArrayMove>> moves_;
};

}  // namespace gantry::grammar
