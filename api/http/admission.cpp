#include "api/http/admission.hpp"

#include <fmt/core.h>

#include "api/auth/authenticator.hpp"
#include "api/http/cors.hpp"
#include "base/json.hpp"
#include "base/retry.hpp"

namespace gantry::api {
namespace {

/// How requests name the model that they are for, in all dialects.
constexpr std::string_view kModelFields[] = {"model", "name", "model_uid", "model_name"};
constexpr std::string_view kModelParams[] = {"uid", "model", "model_uid"};

void count(Services& services, std::string_view reason) {
    services.metrics
        .counter("gantry_auth_failures_total", "Requests that were refused for who sent them, by the reason.",
                 {{"reason", std::string(reason)}})
        .add();
}

ApiError refuse(Services& services, std::string_view reason, const Error& error) {
    count(services, reason);
    return ApiError(error);
}

/// A page in a browser can send requests here without being let in by CORS; it only cannot read the answers. Where no
/// key is asked for, that would be enough to launch and stop models.
bool foreign_page(const Services& services, const http::Request& request) {
    const auto origin = request.headers.find("Origin");
    if (!origin || request.method == "GET" || request.method == "HEAD" ||
        origin_allowed(*origin, services.cors_origins)) {
        return false;
    }
    const std::string_view host = request.headers.find("Host").value_or("");
    return *origin != fmt::format("http://{}", host) && *origin != fmt::format("https://{}", host);
}

/// The model that a key is not for; for a request to have a model answer that names none, "".
std::optional<std::string> forbidden_model(const Principal& who, const Route& route, const Exchange& exchange) {
    if (who.models.empty()) {
        return std::nullopt;
    }
    bool named = false;
    for (const std::string_view name : kModelParams) {
        if (const std::string& uid = exchange.param(name); !uid.empty()) {
            named = true;
            if (!who.may_use(uid)) {
                return uid;
            }
        }
    }
    if (route.scope < Scope::kInference) {
        return std::nullopt;
    }
    // Read as the handlers do, so that both see the same model.
    if (const auto body = json::parse_object(exchange.request.body)) {
        for (const std::string_view name : kModelFields) {
            const boost::json::value* value = body->if_contains(name);
            if (value == nullptr || !value->is_string()) {
                continue;
            }
            named = true;
            if (!who.may_use(value->get_string())) {
                return std::string(value->get_string());
            }
        }
    }
    return named ? std::nullopt : std::optional<std::string>("");
}

std::optional<ApiError> over_quota(Services& services, Exchange& exchange) {
    Quotas& quotas = services.auth->quotas();
    const auto now = std::chrono::steady_clock::now();
    const Principal& who = exchange.principal;
    const Quotas::Verdict verdict = quotas.take(who, now);
    for (const auto& [name, value] : quotas.headers(who, now)) {
        exchange.header(name, value);
    }
    if (verdict.lack == Quotas::Lack::kNone) {
        return std::nullopt;
    }
    const bool requests = verdict.lack == Quotas::Lack::kRequests;
    services.metrics
        .counter("gantry_quota_refusals_total", "Requests that were refused over a key's quota, by what was used up.",
                 {{"quota", requests ? "requests" : "tokens"}})
        .add();
    return ApiError(Error(
        Code::kResourceExhausted,
        requests ? fmt::format("the key \"{}\" may send {} requests a minute", who.name, who.limits.requests_per_minute)
                 : fmt::format("the key \"{}\" may use {} tokens a minute", who.name, who.limits.tokens_per_minute),
        retry_hint(verdict.wait_seconds)));
}

}  // namespace

std::optional<ApiError> admit(Services& services, const Route& route, Exchange& exchange) {
    if (route.scope == Scope::kPublic || services.auth == nullptr) {
        exchange.principal = route.scope == Scope::kPublic ? Principal() : Principal::anybody();
        return std::nullopt;
    }
    Identity identity = services.auth->identify(exchange.request, unix_now());
    if (!identity.who) {
        exchange.header("WWW-Authenticate", "Bearer");
        return refuse(services, identity.reason, identity.error);
    }
    exchange.principal = std::move(*identity.who);
    const Principal& who = exchange.principal;
    if (!services.auth->required() && foreign_page(services, exchange.request)) {
        return refuse(services, "origin",
                      Error(Code::kPermissionDenied, "this web page may not use the server",
                            "add its origin to server.cors_origins"));
    }
    if (!who.may(route.scope)) {
        return refuse(
            services, "scope",
            Error(Code::kPermissionDenied,
                  fmt::format("Not enough permissions: {} {} needs the scope {}, and \"{}\" has {}", route.method,
                              route.pattern, scope_name(route.scope), who.name, scope_name(who.scope))));
    }
    if (const auto model = forbidden_model(who, route, exchange)) {
        return refuse(
            services, "model",
            Error(Code::kPermissionDenied,
                  model->empty() ? fmt::format("the key \"{}\" is for certain models, and the request "
                                               "names none where it can be checked",
                                               who.name)
                                 : fmt::format("the key \"{}\" is not for the model \"{}\"", who.name, *model)));
    }
    return over_quota(services, exchange);
}

void settle(Services& services, const Exchange& exchange) {
    const Principal& who = exchange.principal;
    if (services.auth == nullptr || who.key_id.empty()) {
        return;
    }
    uint64_t prompt = exchange.encoded_tokens, completion = 0;
    if (exchange.generation && exchange.generation->usage) {
        prompt += exchange.generation->usage->prompt_tokens;
        completion = exchange.generation->usage->completion_tokens;
    }
    if (prompt + completion == 0) {
        return;
    }
    services.auth->quotas().charge(who, prompt + completion, std::chrono::steady_clock::now());
    for (const auto& [kind, tokens] : {std::pair{"prompt", prompt}, std::pair{"completion", completion}}) {
        services.metrics
            .counter("gantry_key_tokens_total", "Tokens of prompts, encoded texts and answers, by key.",
                     {{"key", who.key_id}, {"kind", kind}})
            .add(static_cast<double>(tokens));
    }
}

}  // namespace gantry::api
