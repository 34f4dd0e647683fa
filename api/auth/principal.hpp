#pragma once

/// Who asks, and what that one may do.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::api {

/// What a caller needs to be allowed, once there are keys. Of those from kRead on, each contains the ones before it.
enum class Scope {
    kPublic,     ///< anybody: health, login
    kRead,       ///< look at models, the catalog, the server's state
    kInference,  ///< have a model answer
    kLaunch,     ///< launch, stop and register models
    kAdmin,      ///< keys, the cluster, stopping the server
    // The words that Xinference has for the same.
    kModelsList = kRead,
    kModelsRead = kInference,
    kModelsWrite = kLaunch,
};

/// "public", "read", "inference", "launch", "admin".
std::string_view scope_name(Scope scope);
/// The inverse; Xinference's words ("models:read") and those of an OAuth scope claim are understood too. Nothing for
/// other words, and for "public".
std::optional<Scope> scope_from_name(std::string_view name);

/// How much a caller may ask for; 0: any amount.
struct QuotaLimits {
    uint32_t requests_per_minute = 0;
    uint64_t tokens_per_minute = 0;  ///< of prompts and answers together
    bool any() const { return requests_per_minute != 0 || tokens_per_minute != 0; }
};

struct Principal {
    std::string name;                 ///< for people: the key's name, the user, a token's subject; empty: anybody
    std::string key_id;               ///< stands for the caller in logs, metrics and fair shares; empty: anybody
    Scope scope = Scope::kPublic;     ///< the largest
    std::vector<std::string> models;  ///< the only ones it may use; empty: all
    QuotaLimits limits;

    /// Whoever calls a server that asks for no keys.
    static Principal anybody();
    bool may(Scope wanted) const { return scope >= wanted; }
    bool may_use(std::string_view model) const;
};

}  // namespace gantry::api
