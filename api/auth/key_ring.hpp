#pragma once

/// API keys. A key is 256 random bits, shown once when it is made; what is kept is its SHA-256, which tells nothing of
/// it. (A slow, salted hash would be needed for passwords, which people choose; nobody can try 2^256 keys.)

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/auth/principal.hpp"
#include "base/result.hpp"

namespace gantry::api {

struct ApiKey {
    std::string id;    ///< "key-3f2a90c1b7d4": names it without giving it away
    std::string hash;  ///< SHA-256 of the key, 64 hexadecimal digits
    std::string name;  ///< for people
    Scope scope = Scope::kInference;
    std::vector<std::string> models;  ///< the only ones it may use; empty: all
    QuotaLimits limits;
    int64_t created = 0;  ///< seconds since 1970
    int64_t expires = 0;  ///< the same; 0: never
};

/// Where keys outlive the server. Calls may wait for a disk.
class KeyStore {
  public:
    virtual ~KeyStore() = default;
    virtual Result<std::vector<ApiKey>> load() = 0;
    virtual Status insert(const ApiKey& key) = 0;
    virtual Status remove(const std::string& id) = 0;
};

/// Keeps nothing beyond its own life.
class MemoryKeyStore final : public KeyStore {
  public:
    Result<std::vector<ApiKey>> load() override { return std::vector<ApiKey>(); }
    Status insert(const ApiKey&) override { return ok(); }
    Status remove(const std::string&) override { return ok(); }
};

/// A new key with its secret.
struct NewKey {
    ApiKey key;
    std::string secret;  ///< "gk-..."; never seen again
};

/// The keys of one server, all in memory: finding one costs a hash and a look into a table. One thread.
class KeyRing {
  public:
    static Result<KeyRing> open(std::unique_ptr<KeyStore> store);

    /// Makes a key; id, hash and `created` of `wish` are filled in. kInvalidArgument for a wish that makes no sense: no
    /// name, a past end, models with a scope beyond inference. kFailedPrecondition for a first key that is no admin's:
    /// it would lock everybody out, unless `admin_elsewhere` says that one may still come in otherwise.
    Result<NewKey> create(ApiKey wish, int64_t now, bool admin_elsewhere = false);
    /// kNotFound; kFailedPrecondition for the last admin's key while others remain, unless `admin_elsewhere`.
    Status revoke(const std::string& id, bool admin_elsewhere = false);
    /// The key with this secret, expired or not; null: none.
    const ApiKey* find(std::string_view secret) const;
    /// In the order of their making.
    std::vector<ApiKey> list() const;
    bool empty() const { return by_hash_.empty(); }

  private:
    explicit KeyRing(std::unique_ptr<KeyStore> store) : store_(std::move(store)) {}
    size_t admins() const;

    std::unique_ptr<KeyStore> store_;
    std::unordered_map<std::string, ApiKey> by_hash_;
};

}  // namespace gantry::api
