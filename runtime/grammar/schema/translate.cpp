#include "runtime/grammar/schema/translate.hpp"

#include <fmt/core.h>

#include <cmath>

#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace bj = boost::json;

// Names of standard keywords that demand nothing by themselves: annotations, and those that a neighbour reads.
const std::unordered_map<std::string_view, Translator::Handler>& Translator::handlers() {
    using T = Translator;
    static const std::unordered_map<std::string_view, Handler> kHandlers{
        {"type", &T::type},
        {"enum", &T::enumeration},
        {"const", &T::constant},
        {"minimum", &T::bound},
        {"maximum", &T::bound},
        {"exclusiveMinimum", &T::bound},
        {"exclusiveMaximum", &T::bound},
        {"multipleOf", &T::multiple},
        {"minLength", &T::length},
        {"maxLength", &T::length},
        {"pattern", &T::pattern},
        {"format", &T::format},
        {"items", &T::items},
        {"prefixItems", &T::items},
        {"additionalItems", &T::additional_items},
        {"minItems", &T::item_count},
        {"maxItems", &T::item_count},
        {"contains", &T::contains},
        {"uniqueItems", &T::unique},
        {"properties", &T::properties},
        {"patternProperties", &T::pattern_properties},
        {"additionalProperties", &T::additional_properties},
        {"propertyNames", &T::property_names},
        {"required", &T::required},
        {"minProperties", &T::property_count},
        {"maxProperties", &T::property_count},
        {"dependentRequired", &T::dependencies},
        {"dependentSchemas", &T::dependencies},
        {"dependencies", &T::dependencies},
        {"allOf", &T::all_of},
        {"anyOf", &T::any_of},
        {"oneOf", &T::one_of},
        {"not", &T::negation},
        {"if", &T::condition},
        {"$ref", &T::reference},
        {"$dynamicRef", &T::dynamic_reference},
        {"$recursiveRef", &T::dynamic_reference},
        {"unevaluatedItems", &T::unsupported},
        {"unevaluatedProperties", &T::unsupported},
    };
    return kHandlers;
}

namespace {

bool is_annotation(std::string_view keyword) {
    static constexpr std::string_view kNames[] = {
        "$schema", "$id",         "id",          "$anchor",     "$dynamicAnchor",  "$recursiveAnchor", "$comment",
        "$defs",   "definitions", "$vocabulary", "title",       "description",     "default",          "examples",
        "example", "deprecated",  "readOnly",    "writeOnly",   "contentEncoding", "contentMediaType", "contentSchema",
        "then",    "else",        "minContains", "maxContains", "discriminator"};
    for (const auto name : kNames) {
        if (name == keyword) {
            return true;
        }
    }
    return false;
}

}  // namespace

void Translator::fail(const Place& place, std::string_view what) {
    throw SchemaError(
        fmt::format("\"{}\" at \"#{}\": {}", place.keyword, pointer_step(place.source.pointer, place.keyword), what));
}

Expr Translator::expand(uint32_t number) {
    if (const auto known = expanded_.find(number); known != expanded_.end()) {
        return known->second;
    }
    const SchemaSource source = document_.source(number);
    if (const auto* truth = source.value->if_bool()) {
        return terms_->constant(*truth);
    }
    const auto* schema = source.value->if_object();
    if (schema == nullptr) {
        throw SchemaError(fmt::format("the schema at \"#{}\" is neither an object nor true or false", source.pointer));
    }
    Parts parts;
    std::vector<Expr> all;
    const bool only_reference = source.draft7 && schema->contains("$ref");
    for (const auto& member : *schema) {
        const Place place{source, *schema, member.key(), member.value()};
        const auto handler = handlers().find(place.keyword);
        if (handler == handlers().end()) {
            if (strict_ && !is_annotation(place.keyword)) {
                fail(place, "no such keyword is known (strict mode takes no others)");
            }
            continue;
        }
        if (only_reference && place.keyword != "$ref") {
            continue;
        }
        Expr expr = Terms::kEvery;
        try {
            expr = (this->*handler->second)(place);
        } catch (const CircularReference&) {
            throw;
        } catch (const SchemaError& error) {
            if (std::string_view(error.what()).find("\" at \"#") != std::string_view::npos) {
                throw;  // a schema inside names the place already
            }
            fail(place, error.what());
        }
        if (expr != Terms::kEvery) {
            parts.emplace_back(place.keyword, expr);
            all.push_back(expr);
        }
    }
    const Expr out = terms_->both(std::move(all));
    parts_.emplace(number, std::move(parts));
    expanded_.emplace(number, out);
    return out;
}

Expr Translator::subschema(const Place& place, const bj::value& value, std::string_view step) {
    std::string at = pointer_step({}, place.keyword);
    if (!step.empty()) {
        at = pointer_step(at, step);
    }
    if (const auto* truth = value.if_bool()) {
        return terms_->constant(*truth);
    }
    if (!value.is_object()) {
        fail(place, "what stands here is neither a schema nor true or false");
    }
    return terms_->schema(document_.number(value, place.source, at));
}

std::vector<Expr> Translator::subschemas(const Place& place) {
    const auto* list = place.value.if_array();
    if (list == nullptr || list->empty()) {
        fail(place, "it must be a list of at least one schema");
    }
    std::vector<Expr> out;
    for (size_t i = 0; i < list->size(); ++i) {
        out.push_back(subschema(place, (*list)[i], std::to_string(i)));
    }
    return out;
}

const bj::object& Translator::object(const Place& place) {
    const auto* out = place.value.if_object();
    if (out == nullptr) {
        fail(place, "it must be an object");
    }
    return *out;
}

std::string_view Translator::text(const Place& place) {
    const auto* out = place.value.if_string();
    if (out == nullptr) {
        fail(place, "it must be a string");
    }
    return *out;
}

std::vector<std::u32string> Translator::names(const Place& place, const bj::value& value) {
    const auto* list = value.if_array();
    if (list == nullptr) {
        fail(place, "it must be a list of strings");
    }
    std::vector<std::u32string> out;
    for (const auto& entry : *list) {
        if (!entry.is_string()) {
            fail(place, "it must be a list of strings");
        }
        out.push_back(to_characters(entry.get_string()));
    }
    return out;
}

std::string Translator::number(const Place& place) {
    if (place.value.is_double()) {
        return fmt::format("{}", place.value.get_double());
    }
    if (!place.value.is_number()) {
        fail(place, "it must be a number");
    }
    return bj::serialize(place.value);
}

uint32_t Translator::count(const Place& place) {
    double value = -1;
    if (place.value.is_number()) {
        value = place.value.to_number<double>();
    }
    if (value < 0 || std::trunc(value) != value) {
        fail(place, "it must be a whole number from 0");
    }
    return value >= kNoLimit ? kNoLimit : static_cast<uint32_t>(value);
}

Expr Translator::object_rule(ObjectRule rule) { return terms_->if_type(terms_->object(std::move(rule))); }

Expr Translator::array_rule(ArrayRule rule) { return terms_->if_type(terms_->array(std::move(rule))); }

Expr Translator::type(const Place& place) {
    const auto* list = place.value.if_array();
    std::vector<Expr> types;
    for (size_t i = 0; i < (list != nullptr ? list->size() : 1); ++i) {
        const auto& value = list != nullptr ? (*list)[i] : place.value;
        const std::string_view name = value.is_string() ? std::string_view(value.get_string()) : std::string_view();
        if (name == "null") {
            types.push_back(terms_->null());
        } else if (name == "boolean") {
            types.push_back(terms_->booleans(true, true));
        } else if (name == "integer") {
            types.push_back(terms_->number(Numbers::kWhole));
        } else if (name == "number") {
            types.push_back(terms_->number(Numbers::kEvery));
        } else if (name == "string") {
            types.push_back(terms_->every(Type::kString));
        } else if (name == "array") {
            types.push_back(terms_->every(Type::kArray));
        } else if (name == "object") {
            types.push_back(terms_->every(Type::kObject));
        } else {
            fail(place, fmt::format("{} is not the name of a type", bj::serialize(value)));
        }
    }
    return terms_->either(std::move(types));
}

Expr Translator::exactly(const bj::value& value) {
    switch (value.kind()) {
        case bj::kind::null:
            return terms_->null();
        case bj::kind::bool_:
            return terms_->booleans(value.get_bool(), !value.get_bool());
        case bj::kind::string:
            return terms_->text(terms_->languages().words({to_characters(value.get_string())}));
        case bj::kind::array: {
            ArrayRule rule;
            for (const auto& item : value.get_array()) {
                rule.prefix.push_back(exactly(item));
            }
            rule.rest = Terms::kNothing;
            rule.min = static_cast<uint32_t>(rule.prefix.size());
            return terms_->array(std::move(rule));
        }
        case bj::kind::object: {
            ObjectRule rule;
            std::vector<std::u32string> names;
            for (const auto& member : value.get_object()) {
                names.push_back(to_characters(member.key()));
                rule.named.emplace(names.back(), exactly(member.value()));
                rule.require(names.back());
            }
            auto& languages = terms_->languages();
            rule.keyed.emplace_back(languages.negate(languages.words(std::move(names))), Terms::kNothing);
            return terms_->object(std::move(rule));
        }
        default:
            return terms_->number(terms_->numbers().exactly(value.is_double() ? fmt::format("{}", value.get_double())
                                                                              : std::string(bj::serialize(value))));
    }
}

Expr Translator::enumeration(const Place& place) {
    const auto* list = place.value.if_array();
    if (list == nullptr) {
        fail(place, "it must be a list of values");
    }
    std::vector<Expr> values;
    std::vector<std::u32string> texts;
    for (const auto& value : *list) {
        if (value.is_string()) {
            texts.push_back(to_characters(value.get_string()));
        } else {
            values.push_back(exactly(value));
        }
    }
    if (!texts.empty()) {
        values.push_back(terms_->text(terms_->languages().words(std::move(texts))));
    }
    return terms_->either(std::move(values));
}

Expr Translator::constant(const Place& place) { return exactly(place.value); }

Expr Translator::bound(const Place& place) {
    auto& numbers = terms_->numbers();
    const bool low = place.keyword == "minimum" || place.keyword == "exclusiveMinimum";
    const auto set = [&](const std::string& value, bool open) {
        return terms_->if_type(terms_->number(low ? numbers.at_least(value, open) : numbers.at_most(value, open)));
    };
    if (place.value.is_bool() && place.keyword.starts_with("exclusive")) {  // draft 4: belongs to its neighbour
        const auto* neighbour = place.schema.if_contains(low ? "minimum" : "maximum");
        if (!place.value.get_bool() || neighbour == nullptr) {
            return Terms::kEvery;
        }
        const Place there{place.source, place.schema, place.keyword, *neighbour};
        return set(number(there), true);
    }
    return set(number(place), place.keyword.starts_with("exclusive"));
}

Expr Translator::multiple(const Place& place) {
    const std::string value = number(place);
    if (place.value.to_number<double>() <= 0) {
        fail(place, "it must be above 0");
    }
    return terms_->if_type(terms_->number(terms_->numbers().multiple_of(value)));
}

Expr Translator::length(const Place& place) {
    const uint32_t value = count(place);
    auto& languages = terms_->languages();
    const bool min = place.keyword == "minLength";
    return terms_->if_type(
        terms_->text(languages.repeat(Languages::kAnyChar, min ? value : 0, min ? Languages::kUnbounded : value)));
}

Expr Translator::all_of(const Place& place) { return terms_->both(subschemas(place)); }

Expr Translator::any_of(const Place& place) { return terms_->either(subschemas(place)); }

Expr Translator::one_of(const Place& place) {
    const auto all = subschemas(place);
    std::vector<Expr> ways;
    for (size_t i = 0; i < all.size(); ++i) {
        std::vector<Expr> parts{all[i]};
        for (size_t j = 0; j < all.size(); ++j) {
            if (j != i) {
                parts.push_back(terms_->negate(all[j]));
            }
        }
        ways.push_back(terms_->both(std::move(parts)));
    }
    return terms_->either(std::move(ways));
}

Expr Translator::negation(const Place& place) { return terms_->negate(subschema(place, place.value)); }

Expr Translator::condition(const Place& place) {
    const auto* yes = place.schema.if_contains("then");
    const auto* no = place.schema.if_contains("else");
    const Expr condition = subschema(place, place.value);
    const auto branch = [&](std::string_view keyword, const bj::value* value) {
        return value == nullptr ? Terms::kEvery : subschema({place.source, place.schema, keyword, *value}, *value);
    };
    if (yes == nullptr && no == nullptr) {
        return Terms::kEvery;
    }
    return terms_->either({terms_->both({condition, branch("then", yes)}),
                           terms_->both({terms_->negate(condition), branch("else", no)})});
}

Expr Translator::reference(const Place& place) {
    return terms_->schema(document_.reference(place.source, text(place)));
}

Expr Translator::dynamic_reference(const Place& place) {
    return terms_->schema(document_.dynamic_reference(place.source, text(place)));
}

Expr Translator::unsupported(const Place& place) {
    if (place.value == true) {
        return Terms::kEvery;
    }
    fail(place, "this keyword is not supported");
}

}  // namespace gantry::grammar
