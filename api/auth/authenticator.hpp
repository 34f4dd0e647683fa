#pragma once

/// Whom a request comes from: an API key, a login's token or a JWT. Used on the io thread only.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/auth/jwt.hpp"
#include "api/auth/key_ring.hpp"
#include "api/auth/login.hpp"
#include "api/auth/principal.hpp"
#include "api/auth/quota.hpp"
#include "base/config.hpp"
#include "base/http/types.hpp"

namespace gantry::api {

enum class AuthMode { kAuto, kOn, kOff };

struct AuthOptions {
    AuthMode mode = AuthMode::kAuto;  ///< kAuto: as soon as anybody could show something
    std::string admin_key;            ///< one more key, with every scope; empty: none
    std::vector<User> users;
    std::chrono::minutes token_life{30};
    JwtOptions jwt;
};

/// From the keys auth.*; errors name the key.
Result<AuthOptions> auth_options(const config::Config& config);

/// Who it is, or why that is not known.
struct Identity {
    std::optional<Principal> who;
    Error error;              ///< kUnauthenticated or kPermissionDenied, where `who` is unset
    std::string_view reason;  ///< for metrics: "missing", "unknown", "expired", "token"
};

/// What a request shows: after "Authorization: Bearer ", else in x-api-key; empty: nothing.
std::string_view credential_of(const http::Request& request);

class Authenticator {
  public:
    /// Reads the keys and the issuers' files.
    static Result<std::unique_ptr<Authenticator>> create(AuthOptions options, std::unique_ptr<KeyStore> store);

    /// From now on callers must show something even where nobody has anything to show, and the mode "off" is refused:
    /// for a server that other machines can reach, whose last key may be revoked.
    void always() { always_ = true; }

    /// Takes over changed options; on an error nothing changes.
    Status reconfigure(AuthOptions options);

    /// Whether anybody at all could show something: a key, a user, an issuer.
    bool has_credentials() const;
    /// Whether callers must show one.
    bool required() const;
    /// Whether an admin could come in without a key of the ring.
    bool admin_elsewhere() const;
    /// `now` in seconds since 1970. Where nothing is required everybody is Principal::anybody().
    Identity identify(const http::Request& request, int64_t now) const;

    KeyRing& keys() { return keys_; }
    Logins& logins() { return logins_; }
    Quotas& quotas() { return quotas_; }

  private:
    explicit Authenticator(KeyRing keys) : keys_(std::move(keys)) {}

    bool always_ = false;
    AuthMode mode_ = AuthMode::kAuto;
    std::string admin_hash_;  ///< SHA-256; empty: none
    KeyRing keys_;
    Logins logins_;
    Quotas quotas_;
    std::optional<JwtVerifier> tokens_;
};

/// Seconds since 1970.
int64_t unix_now();

}  // namespace gantry::api
