#include "api/http/auth_routes.hpp"

#include "api/auth/authenticator.hpp"
#include "api/auth/key_json.hpp"
#include "api/http/services.hpp"

namespace gantry::api {

namespace asio = boost::asio;
namespace bj = boost::json;

namespace {

ApiError no_keys_here() {
    return ApiError(Error(Code::kFailedPrecondition, "this server asks nobody for a key (auth.mode = off)"));
}

asio::awaitable<Outcome> create_key(Services& services, Exchange& exchange) {
    if (services.auth == nullptr) {
        co_return no_keys_here();
    }
    const auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    const int64_t now = unix_now();
    json::Reader reader(*body);
    ApiKey wish = read_key_wish(reader, now);
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    const auto made = services.auth->keys().create(std::move(wish), now, services.auth->admin_elsewhere());
    if (!made) {
        co_return ApiError(made.error());
    }
    bj::object out = key_json(made->key);
    out["key"] = made->secret;
    exchange.header("Cache-Control", "no-store");
    co_return json_response(std::move(out));
}

asio::awaitable<Outcome> list_keys(Services& services, Exchange&) {
    bj::array all;
    if (services.auth != nullptr) {
        for (const ApiKey& key : services.auth->keys().list()) {
            all.emplace_back(key_json(key));
        }
    }
    co_return json_response(bj::object{{"object", "list"}, {"data", std::move(all)}});
}

asio::awaitable<Outcome> revoke_key(Services& services, Exchange& exchange) {
    if (services.auth == nullptr) {
        co_return no_keys_here();
    }
    const std::string& id = exchange.param("id");
    if (const auto gone = services.auth->keys().revoke(id, services.auth->admin_elsewhere()); !gone) {
        co_return ApiError(gone.error());
    }
    services.auth->quotas().forget(id);
    co_return json_response(bj::object{{"id", id}, {"object", "key"}, {"deleted", true}});
}

asio::awaitable<Outcome> cluster_auth(Services& services, Exchange&) {
    co_return json_response(bj::object{{"auth", services.auth != nullptr && services.auth->required()}});
}

bj::object pair_json(const TokenPair& pair) {
    return bj::object{{"access_token", pair.access}, {"refresh_token", pair.refresh}, {"token_type", "bearer"}};
}

/// Without the port: who tries again gets another one.
std::string host_of(const std::string& peer) { return peer.substr(0, peer.rfind(':')); }

asio::awaitable<Outcome> login(Services& services, Exchange& exchange) {
    if (services.auth == nullptr) {
        co_return no_keys_here();
    }
    const auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    std::string name = reader.required_string("username");
    std::string password = reader.required_string("password");
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    std::string peer = host_of(exchange.request.peer);
    const auto pair =
        co_await services.auth->logins().login(std::move(name), std::move(password), std::move(peer), unix_now());
    exchange.header("Cache-Control", "no-store");
    if (!pair) {
        services.metrics
            .counter("gantry_auth_failures_total", "Requests that were refused for who sent them, by the reason.",
                     {{"reason", "login"}})
            .add();
        co_return ApiError(pair.error());
    }
    co_return json_response(pair_json(*pair));
}

asio::awaitable<Outcome> refresh(Services& services, Exchange& exchange) {
    if (services.auth == nullptr) {
        co_return no_keys_here();
    }
    const auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    const std::string token = reader.required_string("refresh_token");
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    const auto pair = services.auth->logins().refresh(token, unix_now());
    if (!pair) {
        co_return ApiError(pair.error());
    }
    exchange.header("Cache-Control", "no-store");
    co_return json_response(pair_json(*pair));
}

asio::awaitable<Outcome> logout(Services& services, Exchange& exchange) {
    if (services.auth != nullptr) {
        services.auth->logins().logout(credential_of(exchange.request));
    }
    co_return json_response(bj::object{{"ok", true}});
}

asio::awaitable<Outcome> me(Services&, Exchange& exchange) {
    const Principal& who = exchange.principal;
    co_return json_response(bj::object{{"name", who.name},
                                       {"key_id", who.key_id.empty() ? bj::value(nullptr) : bj::value(who.key_id)},
                                       {"scope", scope_name(who.scope)},
                                       {"models", bj::array(who.models.begin(), who.models.end())},
                                       {"limits", quota_json(who.limits)}});
}

constexpr Route kRoutes[] = {
    {"POST", "/gantry/v1/keys", Scope::kAdmin, create_key, "Make an API key; the answer alone holds it"},
    {"GET", "/gantry/v1/keys", Scope::kAdmin, list_keys, "List API keys, without the keys themselves"},
    {"DELETE", "/gantry/v1/keys/{id}", Scope::kAdmin, revoke_key, "Revoke an API key, at once"},
    {"GET", "/v1/cluster/auth", Scope::kPublic, cluster_auth, "Whether callers must show a key"},
    {"POST", "/token", Scope::kPublic, login, "Log in with a name and a password"},
    {"POST", "/v1/auth/refresh", Scope::kPublic, refresh, "New tokens for a refresh token"},
    {"POST", "/v1/auth/logout", Scope::kRead, logout, "End a login"},
    {"GET", "/v1/auth/me", Scope::kRead, me, "Who the caller is and may do"},
};

}  // namespace

std::span<const Route> auth_routes() { return kRoutes; }

}  // namespace gantry::api
