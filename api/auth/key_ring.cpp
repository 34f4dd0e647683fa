#include "api/auth/key_ring.hpp"

#include <algorithm>
#include <tuple>

#include "base/crypto.hpp"

namespace gantry::api {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kIdBytes = 6;
constexpr size_t kMaxName = 100;
constexpr size_t kMaxModels = 1000;

Status check(const ApiKey& wish, int64_t now) {
    const auto wrong = [](std::string why) { return Error(Code::kInvalidArgument, std::move(why)); };
    if (wish.name.empty() || wish.name.size() > kMaxName) {
        return wrong("a key needs a name of 1 to 100 bytes");
    }
    if (wish.expires != 0 && wish.expires <= now) {
        return wrong("the key would have expired already");
    }
    if (wish.models.size() > kMaxModels) {
        return wrong("a key can name 1000 models at most");
    }
    if (!wish.models.empty() && wish.scope > Scope::kInference) {
        return wrong(
            "only a key with the scope read or inference can be limited to models: one that launches models "
            "could launch any under those names");
    }
    return ok();
}

}  // namespace

Result<KeyRing> KeyRing::open(std::unique_ptr<KeyStore> store) {
    GANTRY_TRY(std::vector<ApiKey> keys, store->load());
    KeyRing ring(std::move(store));
    for (ApiKey& key : keys) {
        std::string hash = key.hash;
        ring.by_hash_.emplace(std::move(hash), std::move(key));
    }
    return ring;
}

size_t KeyRing::admins() const {
    return static_cast<size_t>(std::count_if(by_hash_.begin(), by_hash_.end(),
                                             [](const auto& entry) { return entry.second.scope == Scope::kAdmin; }));
}

Result<NewKey> KeyRing::create(ApiKey wish, int64_t now, bool admin_elsewhere) {
    GANTRY_CHECK_OK(check(wish, now));
    if (wish.scope != Scope::kAdmin && admins() == 0 && !admin_elsewhere) {
        return Error(Code::kFailedPrecondition, "the first key must have the scope admin: from then on keys are needed",
                     "make one with: gantry keys create NAME --scope admin");
    }
    NewKey made;
    made.secret = "gk-" + crypto::base64url(crypto::random_bytes(kSecretBytes));
    made.key = std::move(wish);
    made.key.id = "key-" + crypto::hex(crypto::random_bytes(kIdBytes));
    made.key.hash = crypto::hex(crypto::sha256(made.secret));
    made.key.created = now;
    GANTRY_CHECK_OK(store_->insert(made.key));
    by_hash_.emplace(made.key.hash, made.key);
    return made;
}

Status KeyRing::revoke(const std::string& id, bool admin_elsewhere) {
    const auto found =
        std::find_if(by_hash_.begin(), by_hash_.end(), [&](const auto& entry) { return entry.second.id == id; });
    if (found == by_hash_.end()) {
        return Error(Code::kNotFound, "there is no key \"" + id + "\"", "gantry keys list shows them");
    }
    const bool last_admin = found->second.scope == Scope::kAdmin && admins() == 1;
    if (last_admin && by_hash_.size() > 1 && !admin_elsewhere) {
        return Error(Code::kFailedPrecondition, "this is the last key with the scope admin, and other keys remain",
                     "make another one first, or revoke the others");
    }
    GANTRY_CHECK_OK(store_->remove(id));
    by_hash_.erase(found);
    return ok();
}

const ApiKey* KeyRing::find(std::string_view secret) const {
    const auto found = by_hash_.find(crypto::hex(crypto::sha256(secret)));
    return found == by_hash_.end() ? nullptr : &found->second;
}

std::vector<ApiKey> KeyRing::list() const {
    std::vector<ApiKey> out;
    for (const auto& [hash, key] : by_hash_) {
        out.push_back(key);
    }
    std::sort(out.begin(), out.end(),
              [](const ApiKey& a, const ApiKey& b) { return std::tie(a.created, a.id) < std::tie(b.created, b.id); });
    return out;
}

}  // namespace gantry::api
