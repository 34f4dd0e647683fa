#include "api/auth/key_json.hpp"

namespace gantry::api {

namespace bj = boost::json;

namespace {

constexpr int64_t kMaxLife = int64_t{100} * 365 * 24 * 3600;
constexpr int64_t kMaxTokens = int64_t{1} << 53;  ///< what every JSON reader holds exactly

}  // namespace

bj::object quota_json(const QuotaLimits& limits) {
    const auto number = [](uint64_t n) { return n == 0 ? bj::value(nullptr) : bj::value(n); };
    return bj::object{{"requests_per_minute", number(limits.requests_per_minute)},
                      {"tokens_per_minute", number(limits.tokens_per_minute)}};
}

bj::object key_json(const ApiKey& key) {
    return bj::object{{"id", key.id},
                      {"object", "key"},
                      {"name", key.name},
                      {"scope", scope_name(key.scope)},
                      {"models", bj::array(key.models.begin(), key.models.end())},
                      {"limits", quota_json(key.limits)},
                      {"created", key.created},
                      {"expires", key.expires == 0 ? bj::value(nullptr) : bj::value(key.expires)}};
}

ApiKey read_key_wish(json::Reader& reader, int64_t now) {
    ApiKey wish;
    wish.name = reader.required_string("name");
    if (const auto text = reader.string("scope")) {
        const auto scope = scope_from_name(*text);
        if (scope) {
            wish.scope = *scope;
        } else {
            reader.fail("scope", "\"" + *text + "\" is no scope", "scopes are read, inference, launch and admin");
        }
    }
    wish.models = reader.strings("models").value_or(std::vector<std::string>());
    wish.limits.requests_per_minute =
        static_cast<uint32_t>(reader.integer("requests_per_minute", 0, UINT32_MAX).value_or(0));
    wish.limits.tokens_per_minute =
        static_cast<uint64_t>(reader.integer("tokens_per_minute", 0, kMaxTokens).value_or(0));
    if (const auto life = reader.integer("expires_in", 1, kMaxLife)) {
        wish.expires = now + *life;
    }
    for (const std::string& name : reader.unknown()) {
        reader.fail(name, "\"" + name + "\" means nothing here",
                    "name, scope, models, expires_in, requests_per_minute and tokens_per_minute do");
    }
    return wish;
}

}  // namespace gantry::api
