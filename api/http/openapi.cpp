#include "api/http/openapi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/version.hpp"

namespace gantry::api {

namespace bj = boost::json;

namespace {

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

/// "post_v1_models_uid_cancel": unique, as methods and patterns are.
std::string operation_id(const Route& route) {
    std::string out = lowered(route.method);
    bool gap = true;
    for (const char c : route.pattern) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (word) {
            out += gap ? "_" : "";
            out += c;
        }
        gap = !word;
    }
    return out;
}

/// Whose words a route has.
std::string_view tag_of(std::string_view pattern) {
    if (pattern.starts_with("/gantry/")) {
        return "gantry";
    }
    if (pattern.starts_with("/api/")) {
        return "ollama";
    }
    return pattern.starts_with("/v") || pattern == "/token" ? "v1" : "server";
}

/// The statuses that every route of a kind may have, with the components that describe them.
bj::object shared_answer(std::string_view name) {
    return bj::object{{"$ref", fmt::format("#/components/responses/{}", name)}};
}

bj::object schema_reference(std::string_view name) {
    return bj::object{{"$ref", fmt::format("#/components/schemas/{}", name)}};
}

bj::object content(std::string_view type, bj::value schema) {
    return bj::object{{type, bj::object{{"schema", std::move(schema)}}}};
}

bj::object error_answer(std::string_view description, bj::value schema) {
    return bj::object{{"description", description}, {"content", content("application/json", std::move(schema))}};
}

const bj::value* member(const bj::object& object, std::string_view name) { return object.if_contains(name); }

bool takes_body(const Route& route, const bj::object& about) {
    return route.method == "POST" || route.method == "PUT" || route.method == "PATCH" || about.contains("request");
}

/// What a route's table says of it; empty where it says nothing, which a test finds.
struct Described {
    bj::object about;
    bj::value error = schema_reference("Error");  ///< of what its handler refuses
};

/// The descriptions of all tables, each parsed once.
class Descriptions {
  public:
    explicit Descriptions(std::span<const Route> routes) {
        for (const Route& route : routes) {
            if (!parsed_.contains(route.description)) {
                bj::object all = route.description.empty() ? bj::object() : bj::parse(route.description).as_object();
                parsed_.emplace(route.description, std::move(all));
            }
        }
    }
    Described of(const Route& route) const {
        const bj::object& all = parsed_.at(route.description);
        Described out;
        if (const bj::value* operations = member(all, "operations")) {
            const bj::value* found = operations->as_object().if_contains(operation_name(route));
            out.about = found == nullptr ? bj::object() : found->as_object();
        }
        if (const bj::value* own = member(all, "error")) {
            out.error = bj::object{{"anyOf", bj::array{*own, schema_reference("Error")}}};
        }
        return out;
    }
    bj::object schemas() const {
        bj::object out;
        for (const auto& [text, all] : parsed_) {
            if (const bj::value* own = member(all, "schemas")) {
                for (const auto& [name, schema] : own->as_object()) {
                    out[name] = schema;
                }
            }
        }
        return out;
    }

  private:
    static std::string operation_name(const Route& route) { return fmt::format("{} {}", route.method, route.pattern); }

    std::map<std::string_view, bj::object> parsed_;
};

/// A zero byte in a target is refused before any route is looked for.
constexpr std::string_view kNoZero = "^[^\\x00]*$";

bj::array parameters_of(const Route& route, const bj::object& about) {
    bj::array out;
    const bj::value* path = member(about, "path");
    const std::string_view pattern = route.pattern;
    for (size_t at = pattern.find('{'); at != std::string_view::npos; at = pattern.find('{', at + 1)) {
        const std::string_view name = pattern.substr(at + 1, pattern.find('}', at) - at - 1);
        const bj::value* schema = path == nullptr ? nullptr : path->as_object().if_contains(name);
        bj::value text = bj::object{{"type", "string"}, {"minLength", 1}, {"pattern", kNoZero}};
        out.emplace_back(bj::object{
            {"name", name}, {"in", "path"}, {"required", true}, {"schema", schema == nullptr ? text : *schema}});
    }
    if (const bj::value* query = member(about, "query")) {
        for (const auto& [name, schema] : query->as_object()) {
            bj::value kept = schema;
            bj::object& object = kept.as_object();
            if (const bj::value* type = member(object, "type");
                type != nullptr && *type == "string" && !object.contains("pattern")) {
                object["pattern"] = kNoZero;
            }
            out.emplace_back(
                bj::object{{"name", name}, {"in", "query"}, {"required", false}, {"schema", std::move(kept)}});
        }
    }
    return out;
}

bj::object success_of(const bj::object& about) {
    bj::object out{{"description", "What was asked for."}};
    const bj::value* response = member(about, "response");
    if (response == nullptr || response->is_null()) {
        return out;
    }
    bj::object types;
    if (const bj::value* media = member(about, "media")) {
        for (const bj::value& type : media->as_array()) {
            types[type.as_string()] = bj::object{{"schema", *response}};
        }
    } else {
        types = content("application/json", *response);
    }
    if (const bj::value* stream = member(about, "stream")) {
        types[stream->as_string()] = bj::object{{"schema", bj::object{{"description", "One event after another."}}}};
    }
    out["content"] = std::move(types);
    return out;
}

bj::object answers_of(const Route& route, const Described& described) {
    const bj::value* status = member(described.about, "status");
    bj::object out{{status == nullptr ? "200" : std::string_view(status->as_string()), success_of(described.about)},
                   {"400", error_answer("The request is wrong.", described.error)},
                   {"408", shared_answer("Slow")},
                   {"431", shared_answer("LongHead")},
                   {"500", error_answer("A fault of the server's.", described.error)},
                   {"503", error_answer("Not possible just now; Retry-After says when.", described.error)}};
    if (takes_body(route, described.about)) {
        out["413"] = shared_answer("LongBody");
    }
    if (route.pattern.find('{') != std::string_view::npos) {
        out["404"] = error_answer("What the path names is not there.", described.error);
    }
    if (route.scope != Scope::kPublic) {
        const bool own = route.error_form != nullptr;
        out["401"] = own ? error_answer("No valid key was shown.", described.error) : shared_answer("NoKey");
        out["403"] = own ? error_answer("The key is not for this.", described.error) : shared_answer("NotAllowed");
        out["429"] = own ? error_answer("A quota or a queue is full.", described.error) : shared_answer("TooMuch");
    }
    if (const bj::value* more = member(described.about, "errors")) {
        for (const bj::value& status : more->as_array()) {
            const std::string code = std::to_string(status.as_int64());
            if (!out.contains(code)) {
                out[code] = error_answer("Refused; the message says why.", described.error);
            }
        }
    }
    return out;
}

bj::object operation_of(const Route& route, const Described& described) {
    const bj::object& about = described.about;
    bj::object out{{"operationId", operation_id(route)},
                   {"summary", route.summary.empty() ? fmt::format("{} {}", route.method, route.pattern)
                                                     : std::string(route.summary)},
                   {"tags", bj::array{tag_of(route.pattern)}},
                   {"x-gantry-scope", scope_name(route.scope)},
                   {"responses", answers_of(route, described)}};
    if (bj::array parameters = parameters_of(route, about); !parameters.empty()) {
        out["parameters"] = std::move(parameters);
    }
    if (const bj::value* request = member(about, "request"); request != nullptr && !request->is_null()) {
        const bj::value* optional = member(about, "optional");
        out["requestBody"] = bj::object{{"required", optional == nullptr || !optional->as_bool()},
                                        {"content", content("application/json", *request)}};
    }
    if (route.scope == Scope::kPublic) {
        out["security"] = bj::array();
    }
    return out;
}

bj::object components(bj::object schemas) {
    const auto error = [](std::string_view description) {
        return error_answer(description, schema_reference("Error"));
    };
    const bj::value text = bj::object{{"schema", bj::object{{"type", "string"}}}};
    bj::object too_much = error("A quota or a queue is full; Retry-After says when to come back.");
    too_much["headers"] = bj::object{{"Retry-After", text}};
    bj::object no_key = error("No valid key was shown.");
    no_key["headers"] = bj::object{{"WWW-Authenticate", text}};
    return bj::object{
        {"securitySchemes",
         bj::object{{"bearer", bj::object{{"type", "http"}, {"scheme", "bearer"}}},
                    {"x-api-key", bj::object{{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}}}},
        {"responses", bj::object{{"NoKey", std::move(no_key)},
                                 {"NotAllowed", error("The key is not for this.")},
                                 {"TooMuch", std::move(too_much)},
                                 {"Slow", error("The request did not arrive in time.")},
                                 {"LongHead", error("The request's head is too long.")},
                                 {"LongBody", error("The request's body is too long.")}}},
        {"schemas", std::move(schemas)}};
}

}  // namespace

bj::object openapi_document(std::span<const Route> routes) {
    const Descriptions descriptions(routes);
    bj::object paths;
    for (const Route& route : routes) {
        if (!route.only_with.empty()) {
            continue;  // a second form of a path's answer, for which a document has no words
        }
        bj::value& path = paths[route.pattern];
        if (!path.is_object()) {
            path = bj::object();
        }
        path.as_object()[lowered(route.method)] = operation_of(route, descriptions.of(route));
    }
    return bj::object{
        {"openapi", "3.1.0"},
        {"info", bj::object{{"title", "Gantry"},
                            {"version", kVersion},
                            {"description",
                             "Launches, serves and stops models. Where keys are asked for, each "
                             "operation's x-gantry-scope says what a key must be allowed."},
                            {"license", bj::object{{"name", "see LICENSE"}}}}},
        {"security", bj::array{bj::object{{"bearer", bj::array()}}, bj::object{{"x-api-key", bj::array()}}}},
        {"paths", std::move(paths)},
        {"components", components(descriptions.schemas())}};
}

}  // namespace gantry::api
