// Keywords of strings' patterns, arrays and objects.

#include <fmt/core.h>

#include "runtime/grammar/schema/formats.hpp"
#include "runtime/grammar/schema/pattern.hpp"
#include "runtime/grammar/schema/schema_error.hpp"
#include "runtime/grammar/schema/translate.hpp"

namespace gantry::grammar {

namespace bj = boost::json;

Lang Translator::pattern_of(std::string_view pattern) { return pattern_language(terms_->languages(), pattern); }

Expr Translator::pattern(const Place& place) { return terms_->if_type(terms_->text(pattern_of(text(place)))); }

Expr Translator::format(const Place& place) {
    const auto lang = format_language(terms_->languages(), text(place));
    if (!lang && strict_) {
        fail(place, fmt::format("the format \"{}\" is not known (strict mode takes no others)", text(place)));
    }
    return lang ? terms_->if_type(terms_->text(*lang)) : Terms::kEvery;
}

/// prefixItems, and items in both its meanings: a list stands for the first items (draft 7), a schema for all others.
Expr Translator::items(const Place& place) {
    const auto* prefix = place.schema.if_contains("prefixItems");
    ArrayRule rule;
    const bool is_prefix = place.keyword == "prefixItems" || (place.value.is_array() && prefix == nullptr);
    if (is_prefix) {
        if (!place.value.is_array()) {
            fail(place, "it must be a list of schemas");
        }
        for (size_t i = 0; i < place.value.get_array().size(); ++i) {
            rule.prefix.push_back(subschema(place, place.value.get_array()[i], std::to_string(i)));
        }
        return array_rule(std::move(rule));
    }
    if (place.value.is_array()) {
        fail(place, "a list of schemas belongs into prefixItems, which is there too");
    }
    rule.prefix.assign(prefix != nullptr && prefix->is_array() ? prefix->get_array().size() : 0, Terms::kEvery);
    rule.rest = subschema(place, place.value);
    return array_rule(std::move(rule));
}

Expr Translator::additional_items(const Place& place) {
    const auto* items = place.schema.if_contains("items");
    if (items == nullptr || !items->is_array() || place.schema.contains("prefixItems")) {
        return Terms::kEvery;  // means nothing but next to a list of items
    }
    ArrayRule rule;
    rule.prefix.assign(items->get_array().size(), Terms::kEvery);
    rule.rest = subschema(place, place.value);
    return array_rule(std::move(rule));
}

Expr Translator::item_count(const Place& place) {
    ArrayRule rule;
    (place.keyword == "minItems" ? rule.min : rule.max) = count(place);
    return array_rule(std::move(rule));
}

Expr Translator::contains(const Place& place) {
    ContainsRule contains;
    contains.what = subschema(place, place.value);
    if (!place.source.draft7) {
        for (const std::string_view name : {"minContains", "maxContains"}) {
            if (const auto* value = place.schema.if_contains(name)) {
                (name == "minContains" ? contains.min : contains.max) =
                    count({place.source, place.schema, name, *value});
            }
        }
    }
    if (contains.min == 0 && contains.max == kNoLimit) {
        return Terms::kEvery;
    }
    ArrayRule rule;
    rule.contains.push_back(contains);
    return array_rule(std::move(rule));
}

Expr Translator::unique(const Place& place) {
    if (!place.value.is_bool()) {
        fail(place, "it must be true or false");
    }
    ArrayRule rule;
    rule.unique = place.value.get_bool();
    return array_rule(std::move(rule));
}

Expr Translator::properties(const Place& place) {
    ObjectRule rule;
    for (const auto& member : object(place)) {
        rule.named.emplace(to_characters(member.key()), subschema(place, member.value(), member.key()));
    }
    return object_rule(std::move(rule));
}

Expr Translator::pattern_properties(const Place& place) {
    ObjectRule rule;
    for (const auto& member : object(place)) {
        rule.keyed.emplace_back(pattern_of(member.key()), subschema(place, member.value(), member.key()));
    }
    return object_rule(std::move(rule));
}

Expr Translator::additional_properties(const Place& place) {
    std::vector<std::u32string> named;
    std::vector<Lang> known;
    if (const auto* properties = place.schema.if_contains("properties"); properties && properties->is_object()) {
        for (const auto& member : properties->get_object()) {
            named.push_back(to_characters(member.key()));
        }
    }
    known.push_back(terms_->languages().words(std::move(named)));
    if (const auto* patterns = place.schema.if_contains("patternProperties"); patterns && patterns->is_object()) {
        for (const auto& member : patterns->get_object()) {
            known.push_back(pattern_of(member.key()));
        }
    }
    const Lang others = terms_->languages().negate(terms_->languages().either(std::move(known)));
    const Expr value = subschema(place, place.value);
    if (value == Terms::kEvery) {
        return value;
    }
    ObjectRule rule;
    rule.keyed.emplace_back(others, value);
    return object_rule(std::move(rule));
}

Expr Translator::property_names(const Place& place) {
    Lang fine = Languages::kNone;
    for (const Atom atom : terms_->atoms(subschema(place, place.value))) {
        if (terms_->type(atom) == Type::kString) {
            fine = terms_->value(atom);
        }
    }
    ObjectRule rule;
    rule.keyed.emplace_back(terms_->languages().negate(fine), Terms::kNothing);
    return object_rule(std::move(rule));
}

Expr Translator::required(const Place& place) {
    if (place.value.is_bool()) {  // draft 3, inside of a property
        fail(place, "it must be a list of names, next to \"properties\"");
    }
    ObjectRule rule;
    for (const auto& name : names(place, place.value)) {
        rule.require(name);
    }
    return object_rule(std::move(rule));
}

Expr Translator::property_count(const Place& place) {
    ObjectRule rule;
    (place.keyword == "minProperties" ? rule.min : rule.max) = count(place);
    return object_rule(std::move(rule));
}

/// dependentRequired, dependentSchemas, and dependencies, which is both: without the property, or with what it needs.
Expr Translator::dependencies(const Place& place) {
    std::vector<Expr> all;
    for (const auto& member : object(place)) {
        const auto name = to_characters(member.key());
        ObjectRule without;
        without.named.emplace(name, Terms::kNothing);
        ObjectRule with;
        with.require(name);
        if (member.value().is_array() && place.keyword != "dependentSchemas") {
            for (const auto& needed : names(place, member.value())) {
                with.require(needed);
            }
            all.push_back(terms_->either({object_rule(std::move(without)), terms_->object(std::move(with))}));
        } else if (place.keyword == "dependentRequired") {
            fail(place, "each of its members must be a list of names");
        } else {
            const Expr needed = subschema(place, member.value(), member.key());
            all.push_back(terms_->either(
                {object_rule(std::move(without)), terms_->both({terms_->object(std::move(with)), needed})}));
        }
    }
    return terms_->both(std::move(all));
}

}  // namespace gantry::grammar
