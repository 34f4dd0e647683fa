#include "api/http/openapi.hpp"

#include <fmt/format.h>

#include <algorithm>

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

bj::array parameters_of(std::string_view pattern) {
    bj::array out;
    for (size_t at = pattern.find('{'); at != std::string_view::npos; at = pattern.find('{', at + 1)) {
        const std::string_view name = pattern.substr(at + 1, pattern.find('}', at) - at - 1);
        out.emplace_back(bj::object{{"name", name},
                                    {"in", "path"},
                                    {"required", true},
                                    {"schema", bj::object{{"type", "string"}, {"minLength", 1}}}});
    }
    return out;
}

bj::object schema_reference(std::string_view name) {
    return bj::object{{"$ref", fmt::format("#/components/schemas/{}", name.empty() ? "Any" : name)}};
}

bj::object content(const char* type, bj::object schema) {
    return bj::object{{type, bj::object{{"schema", std::move(schema)}}}};
}

bj::object success_of(const Route& route) {
    if (route.pattern == "/metrics") {
        return bj::object{
            {"description", "The metrics as text."},
            {"content", bj::object{{"text/plain", bj::object()}, {"application/openmetrics-text", bj::object()}}}};
    }
    bj::object types = content("application/json", schema_reference(route.response));
    if (route.scope == Scope::kInference && route.method == "POST") {
        types["text/event-stream"] = bj::object{{"schema", bj::object{{"type", "string"}}}};
        types["application/x-ndjson"] = bj::object{{"schema", bj::object{{"type", "string"}}}};
    }
    return bj::object{{"description", "What was asked for."}, {"content", std::move(types)}};
}

bj::object answers_of(const Route& route) {
    const auto shared = [](std::string_view name) {
        return bj::object{{"$ref", fmt::format("#/components/responses/{}", name)}};
    };
    bj::object out{{"2XX", success_of(route)}, {"4XX", shared("Refused")}, {"5XX", shared("Failed")}};
    if (route.scope != Scope::kPublic) {
        out["401"] = shared("NoKey");
        out["403"] = shared("NotAllowed");
        out["429"] = shared("TooMuch");
    }
    return out;
}

bj::object operation_of(const Route& route) {
    const bool takes_body = route.method == "POST" || route.method == "PUT" || route.method == "PATCH";
    bj::object out{{"operationId", operation_id(route)},
                   {"summary", route.summary.empty() ? fmt::format("{} {}", route.method, route.pattern)
                                                     : std::string(route.summary)},
                   {"tags", bj::array{tag_of(route.pattern)}},
                   {"x-gantry-scope", scope_name(route.scope)},
                   {"responses", answers_of(route)}};
    if (bj::array parameters = parameters_of(route.pattern); !parameters.empty()) {
        out["parameters"] = std::move(parameters);
    }
    if (takes_body) {
        out["requestBody"] = bj::object{{"required", !route.request.empty()},
                                        {"content", content("application/json", schema_reference(route.request))}};
    }
    if (route.scope == Scope::kPublic) {
        out["security"] = bj::array();
    }
    return out;
}

bj::object error_answer(const char* description) {
    return bj::object{{"description", description},
                      {"content", content("application/json", schema_reference("Error"))}};
}

bj::object components() {
    bj::object too_much = error_answer("A quota or a queue is full; Retry-After says when to come back.");
    too_much["headers"] =
        bj::object{{"Retry-After", bj::object{{"schema", bj::object{{"type", "integer"}, {"minimum", 1}}}}}};
    bj::object no_key = error_answer("No valid key was shown.");
    no_key["headers"] = bj::object{{"WWW-Authenticate", bj::object{{"schema", bj::object{{"type", "string"}}}}}};
    return bj::object{
        {"securitySchemes",
         bj::object{{"bearer", bj::object{{"type", "http"}, {"scheme", "bearer"}}},
                    {"x-api-key", bj::object{{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}}}},
        {"responses", bj::object{{"Refused", error_answer("The request is wrong, or not possible now.")},
                                 {"Failed", error_answer("The server or a model failed, or is not there now.")},
                                 {"NoKey", std::move(no_key)},
                                 {"NotAllowed", error_answer("The key is not for this.")},
                                 {"TooMuch", std::move(too_much)}}},
        {"schemas", openapi_schemas()}};
}

}  // namespace

bj::object openapi_document(std::span<const Route> routes) {
    bj::object paths;
    for (const Route& route : routes) {
        if (!route.only_with.empty()) {
            continue;  // a second form of a path's answer, for which a document has no words
        }
        bj::value& path = paths[route.pattern];
        if (!path.is_object()) {
            path = bj::object();
        }
        path.as_object()[lowered(route.method)] = operation_of(route);
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
        {"components", components()}};
}

}  // namespace gantry::api
