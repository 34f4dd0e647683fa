#include "api/auth/authenticator.hpp"

#include <algorithm>
#include <set>

#include "base/crypto.hpp"

namespace gantry::api {
namespace {

constexpr size_t kLeastAdminKey = 32;
constexpr size_t kMaxCredential = 16 * 1024;

bool same_word(std::string_view a, std::string_view lower) {
    return std::equal(a.begin(), a.end(), lower.begin(), lower.end(),
                      [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x - 'A' + 'a' : x) == y; });
}

Identity refuse(std::string_view reason, std::string message, std::string hint) {
    return {std::nullopt, Error(Code::kUnauthenticated, std::move(message), std::move(hint)), reason};
}

constexpr const char* kHowTo = "send a key as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"";

}  // namespace

Result<AuthOptions> auth_options(const config::Config& config) {
    AuthOptions out;
    const std::string& mode = config.string("auth.mode");
    out.mode = mode == "on" ? AuthMode::kOn : mode == "off" ? AuthMode::kOff : AuthMode::kAuto;
    out.admin_key = config.string("auth.admin_key");
    if (!out.admin_key.empty() && out.admin_key.size() < kLeastAdminKey) {
        return Error(Code::kInvalidArgument,
                     config.origin("auth.admin_key") + ": auth.admin_key must have 32 characters at least",
                     "openssl rand -hex 32 makes a good one");
    }
    std::set<std::string> names;
    for (const std::string& entry : config.list("auth.users")) {
        GANTRY_TRY(User user, parse_user(entry));
        if (!names.insert(user.name).second) {
            return Error(Code::kInvalidArgument, "auth.users: the user " + user.name + " is there twice");
        }
        out.users.push_back(std::move(user));
    }
    out.token_life = std::chrono::minutes(config.integer("auth.token_minutes"));
    for (const std::string& entry : config.list("auth.jwt_issuers")) {
        const size_t equals = entry.rfind('=');  // an issuer is a URL and may have one of its own
        if (equals == std::string::npos || equals == 0 || equals + 1 == entry.size()) {
            return Error(Code::kInvalidArgument, "auth.jwt_issuers: \"" + entry + "\" is not ISSUER=FILE");
        }
        out.jwt.issuers.push_back({entry.substr(0, equals), entry.substr(equals + 1)});
    }
    out.jwt.audience = config.string("auth.jwt_audience");
    out.jwt.scope_claim = config.string("auth.jwt_scope_claim");
    out.jwt.standard_scope = scope_from_name(config.string("auth.jwt_default_scope"));
    return out;
}

std::string_view credential_of(const http::Request& request) {
    constexpr std::string_view kScheme = "bearer ";
    const std::string_view given = request.headers.find("Authorization").value_or("");
    if (given.size() > kScheme.size() && same_word(given.substr(0, kScheme.size()), kScheme)) {
        const size_t begin = given.find_first_not_of(' ', kScheme.size());
        return begin == std::string_view::npos ? std::string_view() : given.substr(begin);
    }
    return request.headers.find("x-api-key").value_or("");
}

Result<std::unique_ptr<Authenticator>> Authenticator::create(AuthOptions options, std::unique_ptr<KeyStore> store) {
    GANTRY_TRY(KeyRing keys, KeyRing::open(std::move(store)));
    std::unique_ptr<Authenticator> made(new Authenticator(std::move(keys)));
    GANTRY_CHECK_OK(made->reconfigure(std::move(options)));
    return made;
}

Status Authenticator::reconfigure(AuthOptions options) {
    if (always_ && options.mode == AuthMode::kOff) {
        return Error(Code::kPermissionDenied, "other machines can reach the server: auth.mode cannot be off",
                     "server.allow_public = true, at the next start, lets anybody in");
    }
    std::optional<JwtVerifier> tokens;
    if (!options.jwt.issuers.empty()) {
        GANTRY_TRY(JwtVerifier verifier, JwtVerifier::create(std::move(options.jwt)));
        tokens.emplace(std::move(verifier));
    }
    tokens_ = std::move(tokens);
    mode_ = options.mode;
    admin_hash_ = options.admin_key.empty() ? std::string() : crypto::sha256(options.admin_key);
    logins_.configure(std::move(options.users), options.token_life);
    return ok();
}

bool Authenticator::has_credentials() const { return !keys_.empty() || admin_elsewhere() || !logins_.empty(); }

bool Authenticator::required() const {
    return always_ || mode_ == AuthMode::kOn || (mode_ == AuthMode::kAuto && has_credentials());
}

bool Authenticator::admin_elsewhere() const {
    return !admin_hash_.empty() || tokens_.has_value() || logins_.has_admin();
}

Identity Authenticator::identify(const http::Request& request, int64_t now) const {
    if (!required()) {
        return {Principal::anybody(), {}, {}};
    }
    const std::string_view credential = credential_of(request);
    if (credential.empty()) {
        return refuse("missing", "this server answers only to those who show a key", kHowTo);
    }
    if (credential.size() > kMaxCredential) {
        return refuse("unknown", "the key is not known", "");
    }
    if (!admin_hash_.empty() && crypto::equal(crypto::sha256(credential), admin_hash_)) {
        Principal admin = Principal::anybody();
        admin.name = admin.key_id = "auth.admin_key";
        return {std::move(admin), {}, {}};
    }
    if (const ApiKey* key = keys_.find(credential)) {
        if (key->expires != 0 && key->expires <= now) {
            return refuse("expired", "the key has expired", "ask for a new one");
        }
        return {Principal{key->name, key->id, key->scope, key->models, key->limits}, {}, {}};
    }
    if (auto user = logins_.find(credential, now)) {
        return {std::move(*user), {}, {}};
    }
    if (tokens_ && JwtVerifier::looks_like_one(credential)) {
        auto who = tokens_->verify(credential, now);
        if (who) {
            return {std::move(*who), {}, {}};
        }
        return {std::nullopt, who.error(), "token"};
    }
    return refuse("unknown", "Could not validate credentials: the key is not known, or its token has expired", kHowTo);
}

int64_t unix_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace gantry::api
