#include "api/dialects/openai/grammar_fields.hpp"

#include <fmt/core.h>

#include <optional>
#include <string>
#include <utility>

namespace gantry::dialects::openai {

namespace bj = boost::json;

namespace {

using engine::GrammarSpec;
using Kind = GrammarSpec::Kind;

GrammarSpec spec_of(Kind kind, std::string text = {}) {
    GrammarSpec spec;
    spec.kind = kind;
    spec.text = std::move(text);
    return spec;
}

/// Collects the forms that a request asks for: one is possible.
class Forms {
  public:
    explicit Forms(engine::GenerateRequest& request) : request_(request) {}

    void add(json::Reader& reader, std::string_view name, GrammarSpec spec) {
        if (request_.grammar) {
            reader.fail(name, fmt::format("asks for a second form of the answer, beside \"{}\"", first_),
                        "leave one of them out");
            return;
        }
        first_ = reader.path_of(name);
        request_.grammar = std::move(spec);
    }

  private:
    engine::GenerateRequest& request_;
    std::string first_;
};

/// A value, or its JSON text, as text.
std::string json_text(const bj::value& value) {
    return value.is_string() ? std::string(value.get_string()) : bj::serialize(value);
}

/// vLLM's names, in structured_outputs and, each behind "guided_", beside the other fields.
void read_named(json::Reader& reader, std::string_view prefix, Forms& forms) {
    const auto name = [&](std::string_view key) { return std::string(prefix) + std::string(key); };
    if (const bj::value* schema = reader.any(name("json"))) {
        forms.add(reader, name("json"), spec_of(Kind::kJsonSchema, json_text(*schema)));
    }
    if (auto pattern = reader.string(name("regex"))) {
        forms.add(reader, name("regex"), spec_of(Kind::kRegex, std::move(*pattern)));
    }
    if (auto choices = reader.strings(name("choice"))) {
        GrammarSpec spec = spec_of(Kind::kChoice);
        spec.choices = std::move(*choices);
        forms.add(reader, name("choice"), std::move(spec));
    }
    if (auto grammar = reader.string(name("grammar"))) {
        forms.add(reader, name("grammar"), spec_of(Kind::kGrammar, std::move(*grammar)));
    }
    if (reader.boolean(name("json_object")).value_or(false)) {
        forms.add(reader, name("json_object"), spec_of(Kind::kJsonObject));
    }
    if (const bj::value* tags = reader.any(name("structural_tag"))) {
        forms.add(reader, name("structural_tag"), spec_of(Kind::kStructuralTag, json_text(*tags)));
    }
}

std::optional<GrammarSpec> schema_format(json::Reader& format) {
    const bj::object* outer = format.object("json_schema");
    if (outer == nullptr) {
        format.fail("json_schema", "is missing; an object with \"name\" and \"schema\" is needed");
        return std::nullopt;
    }
    json::Reader inner(*outer, format.path_of("json_schema"));
    inner.known({"name", "description"});
    (void)inner.boolean("strict");  // the form holds either way
    const bj::value* schema = inner.any("schema");
    if (schema == nullptr) {
        inner.fail("schema", "is missing; a JSON schema is needed");
    } else if (!schema->is_object() && !schema->is_bool()) {
        inner.fail("schema", fmt::format("must be a JSON schema, not {}", json::kind_name(*schema)));
    }
    if (!inner.status()) {
        format.fail_at(inner.failed_path(), inner.status().error());
        return std::nullopt;
    }
    return spec_of(Kind::kJsonSchema, bj::serialize(*schema));
}

std::optional<GrammarSpec> response_format(json::Reader& format, const bj::object& object) {
    const std::string type = format.required_string("type");
    const auto start_after = format.string("start_after");
    std::optional<GrammarSpec> spec;
    if (type == "json_object") {
        spec = spec_of(Kind::kJsonObject);
    } else if (type == "json_schema") {
        spec = schema_format(format);
    } else if (type == "regex") {
        spec = spec_of(Kind::kRegex, format.required_string("pattern"));
    } else if (type == "grammar") {
        spec = spec_of(Kind::kGrammar, format.required_string("grammar"));
        spec->syntax = format.choice("syntax", {"gbnf", "ebnf", "lark"}).value_or("");
    } else if (type == "structural_tag") {
        spec = spec_of(Kind::kStructuralTag, bj::serialize(object));
    } else if (type != "text" && format.status()) {
        format.fail("type", fmt::format("is \"{}\"; known are \"text\", \"json_object\", \"json_schema\", \"regex\", "
                                        "\"grammar\" and \"structural_tag\"",
                                        type));
    }
    if (spec && start_after) {
        spec->start_after = *start_after;
    }
    return spec;
}

}  // namespace

void read_grammar(json::Reader& reader, engine::GenerateRequest& request) {
    Forms forms(request);
    if (const bj::object* object = reader.object("response_format")) {
        json::Reader inner(*object, "response_format");
        auto spec = response_format(inner, *object);
        if (!inner.status()) {
            reader.fail_at(inner.failed_path(), inner.status().error());
        } else if (spec) {
            forms.add(reader, "response_format", std::move(*spec));
        }
    }
    read_named(reader, "guided_", forms);
    if (const bj::object* object = reader.object("structured_outputs")) {
        json::Reader inner(*object, "structured_outputs");
        read_named(inner, "", forms);
        if (const auto start_after = inner.string("start_after"); start_after && request.grammar) {
            request.grammar->start_after = *start_after;
        }
        if (!inner.status()) {
            reader.fail_at(inner.failed_path(), inner.status().error());
        }
    }
    // How others compile grammars is no concern of ours.
    reader.known({"guided_decoding_backend", "guided_whitespace_pattern"});
}

}  // namespace gantry::dialects::openai
