#pragma once

/// People with passwords, from the configuration, and the tokens that they get for them (Xinference's login). Tokens
/// are random and kept here, hashed; they end with the server. Used on the io thread only.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/auth/principal.hpp"
#include "base/result.hpp"

namespace gantry::api {

struct User {
    std::string name;
    Scope scope = Scope::kInference;
    std::string secret;  ///< hashed_password()'s form, or the password itself
};

/// "NAME:SCOPE:SECRET"; kInvalidArgument says what is missing, never the secret.
Result<User> parse_user(std::string_view entry);

/// "$pbkdf2-sha256$600000$SALT$HASH", salt and hash in base64url. Takes a fifth of a second.
std::string hashed_password(std::string_view password);
/// Whether a password fits such a text, or is that text where it has not this form.
bool password_fits(std::string_view password, std::string_view secret);

struct TokenPair {
    std::string access;   ///< "gs-..."; good for the configured time
    std::string refresh;  ///< "gr-..."; good for a week, once
};

class Logins {
  public:
    /// New users from the configuration. Whoever is not among them, or has another scope or secret, is logged out.
    void configure(std::vector<User> users, std::chrono::minutes life);
    bool empty() const { return users_.empty(); }
    bool has_admin() const;

    /// kUnauthenticated for a wrong name or password; kResourceExhausted for a `peer` ("10.0.0.7") with ten wrong ones
    /// within five minutes. Passwords are hashed on a thread of their own. `now` in seconds since 1970.
    boost::asio::awaitable<Result<TokenPair>> login(std::string name, std::string password, std::string peer,
                                                    int64_t now);
    /// A new pair for a refresh token, which is used up. kUnauthenticated where it is none.
    Result<TokenPair> refresh(std::string_view token, int64_t now);
    /// Ends what an access token began.
    void logout(std::string_view access);
    /// Who has this access token; nothing: nobody, or no longer.
    std::optional<Principal> find(std::string_view access, int64_t now) const;

  private:
    struct Session {
        std::string user;
        std::string refresh;  ///< hash of the pair's other half
        int64_t expires = 0, refresh_expires = 0;
    };
    struct Failures {
        int count = 0;
        int64_t since = 0;
    };
    const User* user(std::string_view name) const;
    TokenPair begin(const std::string& user, int64_t now);
    void tidy(int64_t now);
    bool banned(const std::string& peer, int64_t now) const;

    std::vector<User> users_;
    std::chrono::minutes life_{30};
    std::map<std::string, Session, std::less<>> sessions_;  ///< by the access token's hash
    std::map<std::string, Failures> failures_;              ///< by peer
    boost::asio::thread_pool hashing_{1};
};

}  // namespace gantry::api
