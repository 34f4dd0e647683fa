#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/grammar/schema/document.hpp"
#include "runtime/grammar/schema/terms.hpp"

namespace gantry::grammar {

/// Turns the keywords of schemas into expressions, each schema when it is first needed. Throws SchemaError that names
/// the keyword and its JSON pointer.
class Translator {
  public:
    Translator(SchemaDocument& document, bool strict) : document_(document), strict_(strict) {}
    void set_terms(Terms& terms) { terms_ = &terms; }

    /// The expression of a schema's number.
    Expr expand(uint32_t number);

    /// What a schema's keywords demand one by one, for naming the one at fault. Empty for true and false.
    using Parts = std::vector<std::pair<std::string, Expr>>;
    const std::unordered_map<uint32_t, Parts>& parts() const { return parts_; }

  private:
    /// A keyword being translated.
    struct Place {
        const SchemaSource& source;
        const boost::json::object& schema;  ///< the keyword's neighbours
        std::string_view keyword;
        const boost::json::value& value;
    };
    using Handler = Expr (Translator::*)(const Place&);
    static const std::unordered_map<std::string_view, Handler>& handlers();

    Expr type(const Place& place);
    Expr enumeration(const Place& place);
    Expr constant(const Place& place);
    Expr bound(const Place& place);
    Expr multiple(const Place& place);
    Expr length(const Place& place);
    Expr pattern(const Place& place);
    Expr format(const Place& place);
    Expr items(const Place& place);
    Expr additional_items(const Place& place);
    Expr item_count(const Place& place);
    Expr contains(const Place& place);
    Expr unique(const Place& place);
    Expr properties(const Place& place);
    Expr pattern_properties(const Place& place);
    Expr additional_properties(const Place& place);
    Expr property_names(const Place& place);
    Expr required(const Place& place);
    Expr property_count(const Place& place);
    Expr dependencies(const Place& place);
    Expr all_of(const Place& place);
    Expr any_of(const Place& place);
    Expr one_of(const Place& place);
    Expr negation(const Place& place);
    Expr condition(const Place& place);
    Expr reference(const Place& place);
    Expr dynamic_reference(const Place& place);
    Expr unsupported(const Place& place);
    Expr annotation(const Place& place);

    /// The value whose JSON is `value` and no other.
    Expr exactly(const boost::json::value& value);
    Expr subschema(const Place& place, const boost::json::value& value, std::string_view step = {});
    std::vector<Expr> subschemas(const Place& place);
    std::vector<std::u32string> names(const Place& place, const boost::json::value& list);
    uint32_t count(const Place& place);
    std::string number(const Place& place);
    static std::string_view text(const Place& place);
    static const boost::json::object& object(const Place& place);
    Expr object_rule(ObjectRule rule);
    Expr array_rule(ArrayRule rule);
    Lang pattern_of(std::string_view pattern);
    [[noreturn]] static void fail(const Place& place, std::string_view what);

    SchemaDocument& document_;
    bool strict_;
    Terms* terms_ = nullptr;
    std::unordered_map<uint32_t, Parts> parts_;
    std::unordered_map<uint32_t, Expr> expanded_;
};

}  // namespace gantry::grammar
