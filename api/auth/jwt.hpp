#pragma once

/// JSON Web Tokens (RFC 7519) of issuers that the configuration trusts: HS256, RS256 and ES256 with the keys of a JWKS
/// file (RFC 7517). "none" and everything else is refused, and a key takes the one algorithm of its type only, so that
/// nobody signs with a public key as a secret.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/auth/principal.hpp"
#include "base/result.hpp"

namespace gantry::api {

struct JwtIssuer {
    std::string name;      ///< what `iss` must be
    std::string key_file;  ///< a JWKS: {"keys": [...]}
};

struct JwtOptions {
    std::vector<JwtIssuer> issuers;
    std::string audience;                 ///< what `aud` must be or contain; empty: not asked for
    std::string scope_claim = "scope";    ///< words in a string, separated by spaces, or a list
    std::optional<Scope> standard_scope;  ///< of a token without a scope that we know; none: it is refused
};

/// The clocks of issuer and server may differ by so many seconds.
inline constexpr int64_t kClockSkew = 60;

class JwtVerifier {
  public:
    /// Reads the key files; errors name the file and what is wrong in it.
    static Result<JwtVerifier> create(JwtOptions options);
    JwtVerifier(JwtVerifier&&) noexcept;
    JwtVerifier& operator=(JwtVerifier&&) noexcept;
    ~JwtVerifier();

    /// Whether a credential has a token's form: three parts between two dots.
    static bool looks_like_one(std::string_view credential);
    /// Who sent it. kUnauthenticated says why not: bad signature, unknown issuer or key, wrong audience, not yet or no
    /// longer valid; kPermissionDenied: no scope that means something here. `now` in seconds since 1970.
    Result<Principal> verify(std::string_view token, int64_t now) const;

  private:
    struct Impl;
    explicit JwtVerifier(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::api
