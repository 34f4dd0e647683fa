#include "api/auth/login.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "base/crypto.hpp"
#include "base/retry.hpp"

namespace gantry::api {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kForm = "$pbkdf2-sha256$";
constexpr uint32_t kIterations = 600'000;  ///< what OWASP asks for with this hash
constexpr uint32_t kMaxIterations = 10'000'000;
/// Nobody's password: it is as slow to refuse as a user's.
constexpr std::string_view kNobody = "$pbkdf2-sha256$600000$AAAAAAAAAAAAAAAAAAAAAA$none";
constexpr size_t kSaltBytes = 16, kTokenBytes = 32;
constexpr size_t kMaxPassword = 1024;
constexpr size_t kMaxSessions = 10'000, kMaxPeers = 10'000;
constexpr int64_t kRefreshLife = int64_t{7} * 24 * 3600;
constexpr int kMaxFailures = 10;
constexpr int64_t kFailureWindow = 300;

std::string hash_of(std::string_view token) { return crypto::sha256(token); }

std::string pbkdf2_text(std::string_view password, std::string_view salt, uint32_t iterations) {
    return std::string(kForm) + std::to_string(iterations) + "$" + crypto::base64url(salt) + "$" +
           crypto::base64url(crypto::pbkdf2_sha256(password, salt, iterations));
}

asio::awaitable<bool> check_password(std::string password, std::string secret) {
    co_return password_fits(password, secret);
}

}  // namespace

Result<User> parse_user(std::string_view entry) {
    const size_t first = entry.find(':');
    const size_t second = first == std::string_view::npos ? first : entry.find(':', first + 1);
    if (first == 0 || second == std::string_view::npos || second + 1 == entry.size()) {
        return Error(Code::kInvalidArgument, "auth.users: an entry must be NAME:SCOPE:PASSWORD",
                     "gantry keys hash-password makes a form of the password that gives nothing away");
    }
    const std::string_view word = entry.substr(first + 1, second - first - 1);
    const auto scope = scope_from_name(word);
    if (!scope) {
        return Error(Code::kInvalidArgument, "auth.users: \"" + std::string(word) + "\" is no scope",
                     "scopes are read, inference, launch and admin");
    }
    return User{std::string(entry.substr(0, first)), *scope, std::string(entry.substr(second + 1))};
}

std::string hashed_password(std::string_view password) {
    return pbkdf2_text(password, crypto::random_bytes(kSaltBytes), kIterations);
}

bool password_fits(std::string_view password, std::string_view secret) {
    if (!secret.starts_with(kForm)) {
        return crypto::equal(crypto::sha256(password), crypto::sha256(secret));
    }
    const std::string_view rest = secret.substr(kForm.size());
    uint32_t iterations = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), iterations);
    const auto used = static_cast<size_t>(end - rest.data());
    const size_t dollar = rest.find('$', used + 1);
    if (error != std::errc{} || iterations == 0 || iterations > kMaxIterations || dollar == std::string_view::npos) {
        return false;
    }
    const auto salt = crypto::base64url_decode(rest.substr(used + 1, dollar - used - 1));
    return salt && crypto::equal(pbkdf2_text(password, *salt, iterations), secret);
}

void Logins::configure(std::vector<User> users, std::chrono::minutes life) {
    const auto same = [&](const std::string& name) {
        const User* before = user(name);
        const auto after = std::find_if(users.begin(), users.end(), [&](const User& u) { return u.name == name; });
        return before != nullptr && after != users.end() && before->scope == after->scope &&
               before->secret == after->secret;
    };
    std::erase_if(sessions_, [&](const auto& entry) { return !same(entry.second.user); });
    users_ = std::move(users);
    life_ = life;
}

bool Logins::has_admin() const {
    return std::any_of(users_.begin(), users_.end(), [](const User& u) { return u.scope == Scope::kAdmin; });
}

const User* Logins::user(std::string_view name) const {
    const auto found = std::find_if(users_.begin(), users_.end(), [&](const User& u) { return u.name == name; });
    return found == users_.end() ? nullptr : &*found;
}

bool Logins::banned(const std::string& peer, int64_t now) const {
    const auto found = failures_.find(peer);
    return found != failures_.end() && found->second.count >= kMaxFailures &&
           now < found->second.since + kFailureWindow;
}

void Logins::tidy(int64_t now) {
    std::erase_if(sessions_, [&](const auto& entry) { return entry.second.refresh_expires <= now; });
    std::erase_if(failures_, [&](const auto& entry) { return entry.second.since + kFailureWindow <= now; });
}

TokenPair Logins::begin(const std::string& user, int64_t now) {
    tidy(now);
    if (sessions_.size() >= kMaxSessions) {
        const auto oldest = std::min_element(sessions_.begin(), sessions_.end(), [](const auto& a, const auto& b) {
            return a.second.refresh_expires < b.second.refresh_expires;
        });
        sessions_.erase(oldest);
    }
    TokenPair pair{"gs-" + crypto::base64url(crypto::random_bytes(kTokenBytes)),
                   "gr-" + crypto::base64url(crypto::random_bytes(kTokenBytes))};
    const int64_t life = std::chrono::duration_cast<std::chrono::seconds>(life_).count();
    sessions_[hash_of(pair.access)] = {user, hash_of(pair.refresh), now + life, now + std::max(life, kRefreshLife)};
    return pair;
}

asio::awaitable<Result<TokenPair>> Logins::login(std::string name, std::string password, std::string peer,
                                                 int64_t now) {
    tidy(now);
    if (banned(peer, now)) {
        const int64_t wait = failures_[peer].since + kFailureWindow - now;
        co_return Error(Code::kResourceExhausted, "too many wrong passwords from this address",
                        retry_hint(static_cast<double>(wait)));
    }
    // Counted before it is checked, so that many tries at once are as few as one after the other.
    const bool counted = failures_.contains(peer) || failures_.size() < kMaxPeers;
    if (counted) {
        Failures& tries = failures_[peer];
        tries.since = tries.count == 0 ? now : tries.since;
        ++tries.count;
    }
    const User* known = user(name);
    const std::string secret = known != nullptr ? known->secret : std::string(kNobody);
    if (password.size() > kMaxPassword) {
        password.clear();
    }
    asio::awaitable<bool> check = check_password(std::move(password), secret);
    const bool good = co_await asio::co_spawn(hashing_, std::move(check), asio::use_awaitable);
    known = user(name);  // the configuration may have changed meanwhile
    if (!good || known == nullptr || known->secret != secret) {
        co_return Error(Code::kUnauthenticated, "Incorrect username or password");
    }
    failures_.erase(peer);
    co_return begin(name, now);
}

Result<TokenPair> Logins::refresh(std::string_view token, int64_t now) {
    const std::string hash = hash_of(token);
    const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                    [&](const auto& entry) { return entry.second.refresh == hash; });
    if (found == sessions_.end() || found->second.refresh_expires <= now) {
        return Error(Code::kUnauthenticated, "this refresh token is not known, or has been used", "log in again");
    }
    const std::string name = found->second.user;
    sessions_.erase(found);
    return begin(name, now);
}

void Logins::logout(std::string_view access) {
    if (const auto found = sessions_.find(hash_of(access)); found != sessions_.end()) {
        sessions_.erase(found);
    }
}

std::optional<Principal> Logins::find(std::string_view access, int64_t now) const {
    const auto found = sessions_.find(hash_of(access));
    if (found == sessions_.end() || found->second.expires <= now) {
        return std::nullopt;
    }
    const User* known = user(found->second.user);
    if (known == nullptr) {
        return std::nullopt;
    }
    Principal who;
    who.name = known->name;
    who.key_id = "user:" + known->name;
    who.scope = known->scope;
    return who;
}

}  // namespace gantry::api
