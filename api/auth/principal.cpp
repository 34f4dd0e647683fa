#include "api/auth/principal.hpp"

#include <algorithm>
#include <utility>

namespace gantry::api {
namespace {

constexpr std::pair<std::string_view, Scope> kNames[] = {
    {"public", Scope::kPublic}, {"read", Scope::kRead},   {"inference", Scope::kInference},
    {"launch", Scope::kLaunch}, {"admin", Scope::kAdmin},
};

/// Xinference's words, the old ones too.
constexpr std::pair<std::string_view, Scope> kForeignNames[] = {
    {"models:list", Scope::kRead},         {"models:read", Scope::kInference}, {"models:write", Scope::kLaunch},
    {"models:register", Scope::kLaunch},   {"models:start", Scope::kLaunch},   {"models:stop", Scope::kLaunch},
    {"models:unregister", Scope::kLaunch}, {"models:add", Scope::kLaunch},
};

}  // namespace

std::string_view scope_name(Scope scope) { return kNames[static_cast<size_t>(scope)].first; }

std::optional<Scope> scope_from_name(std::string_view name) {
    for (const auto& [text, scope] : kNames) {
        if (text == name && scope != Scope::kPublic) {
            return scope;
        }
    }
    for (const auto& [text, scope] : kForeignNames) {
        if (text == name) {
            return scope;
        }
    }
    return std::nullopt;
}

Principal Principal::anybody() {
    Principal all;
    all.scope = Scope::kAdmin;
    return all;
}

bool Principal::may_use(std::string_view model) const {
    return models.empty() || std::find(models.begin(), models.end(), model) != models.end();
}

}  // namespace gantry::api
