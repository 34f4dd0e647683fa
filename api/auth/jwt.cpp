#include "api/auth/jwt.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <variant>

#include "base/crypto.hpp"
#include "base/json.hpp"

namespace gantry::api {
namespace {

namespace bj = boost::json;

constexpr size_t kMaxToken = 16 * 1024;
constexpr size_t kLeastSecret = 32;  ///< bytes of an HS256 key (RFC 7518, 3.2)

struct VerifyKey {
    std::string id;
    std::variant<std::string, crypto::PublicKey> key;  ///< a string: the secret of HS256

    std::string_view algorithm() const {
        const auto* pub = std::get_if<crypto::PublicKey>(&key);
        return pub == nullptr ? "HS256" : pub->is_rsa() ? "RS256" : "ES256";
    }
    bool fits(std::string_view data, std::string_view signature) const {
        if (const auto* secret = std::get_if<std::string>(&key)) {
            return crypto::equal(crypto::hmac_sha256(*secret, data), signature);
        }
        return std::get<crypto::PublicKey>(key).verify(data, signature);
    }
};

struct Issuer {
    std::string name;
    std::vector<VerifyKey> keys;
};

std::string text_of(const bj::object& object, std::string_view name) {
    const bj::value* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// A member in base64url; empty where it is none.
std::string bytes_of(const bj::object& object, std::string_view name) {
    return crypto::base64url_decode(text_of(object, name)).value_or("");
}

Result<VerifyKey> read_key(const bj::object& jwk) {
    const std::string type = text_of(jwk, "kty");
    const std::string id = text_of(jwk, "kid");
    if (type == "oct") {
        std::string secret = bytes_of(jwk, "k");
        if (secret.size() < kLeastSecret) {
            return Error(Code::kInvalidArgument, "\"k\" must be base64url of 32 bytes at least");
        }
        return VerifyKey{id, std::move(secret)};
    }
    if (type == "RSA") {
        GANTRY_TRY(crypto::PublicKey key, crypto::PublicKey::rsa(bytes_of(jwk, "n"), bytes_of(jwk, "e")));
        return VerifyKey{id, std::move(key)};
    }
    if (type == "EC" && text_of(jwk, "crv") == "P-256") {
        GANTRY_TRY(crypto::PublicKey key, crypto::PublicKey::p256(bytes_of(jwk, "x"), bytes_of(jwk, "y")));
        return VerifyKey{id, std::move(key)};
    }
    return Error(Code::kUnimplemented, "a key of type \"" + type + "\" is not known here",
                 "use RSA, EC with the curve P-256, or oct");
}

/// Whether a key is for checking signatures by an algorithm that is known here; issuers publish others beside them.
bool of_use(const bj::object& jwk) {
    const std::string use = text_of(jwk, "use"), algorithm = text_of(jwk, "alg");
    return (use.empty() || use == "sig") &&
           (algorithm.empty() || algorithm == "HS256" || algorithm == "RS256" || algorithm == "ES256");
}

Result<Issuer> read_issuer(const JwtIssuer& issuer) {
    std::ifstream file(issuer.key_file);
    if (!file) {
        return Error(Code::kNotFound, "cannot read the keys of the issuer " + issuer.name + " in " + issuer.key_file);
    }
    std::stringstream text;
    text << file.rdbuf();
    auto object = json::parse_object(text.str());
    if (!object) {
        return object.error().in(issuer.key_file);
    }
    const bj::value* keys = object->if_contains("keys");
    if (keys == nullptr || !keys->is_array()) {
        return Error(Code::kInvalidArgument, issuer.key_file + ": there is no list \"keys\"");
    }
    Issuer out{issuer.name, {}};
    for (size_t i = 0; i < keys->get_array().size(); ++i) {
        const bj::object* jwk = keys->get_array()[i].if_object();
        if (jwk == nullptr || !of_use(*jwk)) {
            continue;
        }
        auto key = read_key(*jwk);
        if (!key) {
            return key.error().in(issuer.key_file + ": keys[" + std::to_string(i) + "]");
        }
        out.keys.push_back(std::move(*key));
    }
    if (out.keys.empty()) {
        return Error(Code::kInvalidArgument, issuer.key_file + ": no key for signatures");
    }
    return out;
}

/// A time claim; nullopt where it is absent or no number.
std::optional<double> time_claim(const bj::object& claims, std::string_view name) {
    const bj::value* value = claims.if_contains(name);
    return value != nullptr && value->is_number() ? std::optional(value->to_number<double>()) : std::nullopt;
}

/// A string, or a list of strings, as a list; a string of a scope claim holds several words.
std::vector<std::string> words(const bj::object& claims, std::string_view name, bool split) {
    std::vector<std::string> out;
    const bj::value* value = claims.if_contains(name);
    if (value != nullptr && value->is_array()) {
        for (const bj::value& one : value->get_array()) {
            if (one.is_string()) {
                out.emplace_back(one.get_string());
            }
        }
    } else if (value != nullptr && value->is_string() && split) {
        std::istringstream stream{std::string(value->get_string())};
        for (std::string word; stream >> word;) {
            out.push_back(word);
        }
    } else if (value != nullptr && value->is_string()) {
        out.emplace_back(value->get_string());
    }
    return out;
}

Error refused(std::string why) { return Error(Code::kUnauthenticated, "the token is not accepted: " + std::move(why)); }

}  // namespace

struct JwtVerifier::Impl {
    JwtOptions options;
    std::vector<Issuer> issuers;

    Status check_claims(const bj::object& claims, int64_t now) const;
    std::optional<Scope> scope(const bj::object& claims) const;
};

JwtVerifier::JwtVerifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JwtVerifier::JwtVerifier(JwtVerifier&&) noexcept = default;
JwtVerifier& JwtVerifier::operator=(JwtVerifier&&) noexcept = default;
JwtVerifier::~JwtVerifier() = default;

Result<JwtVerifier> JwtVerifier::create(JwtOptions options) {
    auto impl = std::make_unique<Impl>();
    for (const JwtIssuer& issuer : options.issuers) {
        GANTRY_TRY(Issuer read, read_issuer(issuer));
        impl->issuers.push_back(std::move(read));
    }
    impl->options = std::move(options);
    return JwtVerifier(std::move(impl));
}

bool JwtVerifier::looks_like_one(std::string_view credential) {
    return std::count(credential.begin(), credential.end(), '.') == 2;
}

Status JwtVerifier::Impl::check_claims(const bj::object& claims, int64_t now) const {
    const auto exp = time_claim(claims, "exp"), nbf = time_claim(claims, "nbf");
    if (!exp) {
        return refused("it has no end (exp)");
    }
    if (*exp + kClockSkew <= static_cast<double>(now)) {
        return refused("it has expired");
    }
    if (claims.contains("nbf") && (!nbf || *nbf - kClockSkew > static_cast<double>(now))) {
        return refused("it is not valid yet (nbf)");
    }
    if (!options.audience.empty()) {
        const auto audiences = words(claims, "aud", false);
        if (std::find(audiences.begin(), audiences.end(), options.audience) == audiences.end()) {
            return refused("it is meant for somebody else (aud)");
        }
    }
    return ok();
}

std::optional<Scope> JwtVerifier::Impl::scope(const bj::object& claims) const {
    std::optional<Scope> largest = options.standard_scope;
    for (const std::string& word : words(claims, options.scope_claim, true)) {
        // "gantry:admin" is taken too, for issuers whose tokens serve several programs.
        std::string_view name = word;
        name.remove_prefix(name.starts_with("gantry:") ? 7 : 0);
        const auto known = scope_from_name(name);
        if (known && (!largest || *known > *largest)) {
            largest = known;
        }
    }
    return largest;
}

Result<Principal> JwtVerifier::verify(std::string_view token, int64_t now) const {
    const size_t first = token.find('.');
    const size_t second = token.rfind('.');
    if (token.size() > kMaxToken || first == std::string_view::npos || first == second) {
        return refused("it is not a token of three parts");
    }
    const auto read = [](std::string_view part) -> std::optional<bj::object> {
        const auto text = crypto::base64url_decode(part);
        auto object = text ? json::parse_object(*text) : Result<bj::object>(Error());
        return object ? std::optional(std::move(*object)) : std::nullopt;
    };
    const auto header = read(token.substr(0, first));
    const auto claims = read(token.substr(first + 1, second - first - 1));
    const auto signature = crypto::base64url_decode(token.substr(second + 1));
    if (!header || !claims || !signature) {
        return refused("its parts are not to be read");
    }
    if (header->contains("crit")) {
        return refused("it asks for extensions (crit) that are not known here");
    }
    const std::string issuer = text_of(*claims, "iss");
    const auto known = std::find_if(impl_->issuers.begin(), impl_->issuers.end(),
                                    [&](const Issuer& one) { return one.name == issuer; });
    if (known == impl_->issuers.end()) {
        return refused("its issuer is not trusted here");
    }
    const std::string algorithm = text_of(*header, "alg"), id = text_of(*header, "kid");
    const bool valid = std::any_of(known->keys.begin(), known->keys.end(), [&](const VerifyKey& key) {
        return key.algorithm() == algorithm && (id.empty() || key.id.empty() || key.id == id) &&
               key.fits(token.substr(0, second), *signature);
    });
    if (!valid) {
        return refused("no key of its issuer fits its signature");
    }
    GANTRY_CHECK_OK(impl_->check_claims(*claims, now));
    const auto scope = impl_->scope(*claims);
    if (!scope) {
        return Error(Code::kPermissionDenied,
                     "the token has no scope that means something here (" + impl_->options.scope_claim + ")",
                     "scopes are read, inference, launch and admin");
    }
    Principal who;
    who.name = text_of(*claims, "sub");
    who.key_id = "jwt:" + issuer + ":" + who.name;
    who.scope = *scope;
    return who;
}

}  // namespace gantry::api
