/// gantry keys

#include <ctime>
#include <filesystem>
#include <iostream>

#include "api/auth/authenticator.hpp"
#include "api/auth/key_json.hpp"
#include "api/auth/sqlite_key_store.hpp"
#include "api/cli/command_list.hpp"
#include "api/cli/server_client.hpp"
#include "api/cli/terminal.hpp"
#include "base/http/types.hpp"
#include "base/paths.hpp"

namespace gantry::cli {
namespace {

namespace bj = boost::json;

/// "90m", "12h", "30d" in seconds.
Result<int64_t> parse_duration(const std::string& text) {
    const Error bad{Code::kInvalidArgument, "\"" + text + "\" is no time", "write it like 90m, 12h or 30d"};
    constexpr int64_t kMost = 36500;
    int64_t number = 0;
    size_t at = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && number <= kMost * 24 * 60; ++at) {
        number = number * 10 + (text[at] - '0');
    }
    if (at == 0 || at + 1 != text.size() || number == 0) {
        return bad;
    }
    switch (text[at]) {
        case 'm':
            return number * 60;
        case 'h':
            return number * 3600;
        case 'd':
            return number <= kMost ? Result<int64_t>(number * 86400) : bad;
        default:
            return bad;
    }
}

/// The body of POST /gantry/v1/keys.
Result<bj::object> wish_of(const Arguments& args) {
    bj::object out{{"name", args.operands[1]}, {"scope", args.value("scope").value_or("inference")}};
    if (const auto models = args.values("model"); !models.empty()) {
        out["models"] = bj::array(models.begin(), models.end());
    }
    if (const auto life = args.value("expires-in")) {
        GANTRY_TRY(const int64_t seconds, parse_duration(*life));
        out["expires_in"] = seconds;
    }
    for (const auto& [option, field] : {std::pair{"requests-per-minute", "requests_per_minute"},
                                        std::pair{"tokens-per-minute", "tokens_per_minute"}}) {
        if (args.has(option)) {
            GANTRY_TRY(const long n, args.number(option, 0, 1, UINT32_MAX));
            out[field] = n;
        }
    }
    return out;
}

/// The keys where no server runs: the database itself.
Result<api::KeyRing> own_ring(const Arguments& args) {
    config::Sources sources;
    if (const auto file = args.value("config")) {
        sources.file = *file;
    } else if (const auto usual = paths::config_dir() / "gantry.toml"; std::filesystem::exists(usual)) {
        sources.file = usual;
    }
    sources.environment = config::gantry_environment();
    GANTRY_TRY(const config::Config config, config::Config::load(config::gantry_keys(), sources));
    GANTRY_TRY(auto store, api::open_key_store(api::key_file(config)));
    return api::KeyRing::open(std::move(store));
}

/// Asks the server; where none answers, and none was named, does the same with the database.
Result<bj::value> ask(const Arguments& args, std::string method, std::string target,
                      std::optional<bj::value> body = std::nullopt) {
    GANTRY_TRY(ServerClient client, ServerClient::from(args));
    auto answer = client.call(method, target, body);
    if (answer || answer.error().code != Code::kUnavailable || args.has("server") || client.alive()) {
        return answer;
    }
    GANTRY_TRY(api::KeyRing ring, own_ring(args));
    if (method == "POST") {
        gantry::json::Reader reader(body->as_object());
        api::ApiKey wish = api::read_key_wish(reader, api::unix_now());
        GANTRY_CHECK_OK(reader.status());
        GANTRY_TRY(const api::NewKey made, ring.create(std::move(wish), api::unix_now()));
        bj::object out = api::key_json(made.key);
        out["key"] = made.secret;
        return out;
    }
    if (method == "DELETE") {
        GANTRY_CHECK_OK(ring.revoke(args.operands[1]));
        return bj::object{{"deleted", true}};
    }
    bj::array all;
    for (const api::ApiKey& key : ring.list()) {
        all.emplace_back(api::key_json(key));
    }
    return bj::object{{"data", std::move(all)}};
}

std::string text_of(const bj::value& value) {
    if (value.is_string()) {
        return bj::value_to<std::string>(value);
    }
    return value.is_null() ? "-" : bj::serialize(value);
}

std::string date_of(const bj::value& seconds) {
    if (!seconds.is_number()) {
        return "never";
    }
    const auto time = seconds.to_number<std::time_t>();
    std::tm tm{};
    gmtime_r(&time, &tm);
    char buffer[32];
    return {buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M", &tm)};
}

void print_keys(const bj::array& keys) {
    std::vector<std::vector<std::string>> rows{{"ID", "NAME", "SCOPE", "MODELS", "CREATED", "EXPIRES"}};
    for (const bj::value& key : keys) {
        std::string models;
        for (const bj::value& model : key.at("models").as_array()) {
            models += (models.empty() ? "" : ",") + text_of(model);
        }
        rows.push_back({text_of(key.at("id")), text_of(key.at("name")), text_of(key.at("scope")),
                        models.empty() ? "all" : models, date_of(key.at("created")), date_of(key.at("expires"))});
    }
    std::cout << table(rows);
}

int create(const Arguments& args) {
    const auto wish = wish_of(args);
    if (!wish) {
        return fail(wish.error());
    }
    const auto made = ask(args, "POST", "/gantry/v1/keys", *wish);
    if (!made) {
        return fail(made.error());
    }
    std::cout << (args.has("json") ? bj::serialize(*made) : text_of(made->at("key"))) << "\n";
    if (!args.has("json") && !args.has("quiet")) {
        std::cerr << "This is " << text_of(made->at("id"))
                  << ". Keep the key: it is not shown again. Send it as \"Authorization: Bearer KEY\", or set "
                     "GANTRY_API_KEY for this command.\n";
    }
    return 0;
}

int list(const Arguments& args) {
    const auto answer = ask(args, "GET", "/gantry/v1/keys");
    if (!answer) {
        return fail(answer.error());
    }
    if (args.has("json")) {
        std::cout << bj::serialize(*answer) << "\n";
    } else {
        print_keys(answer->at("data").as_array());
    }
    return 0;
}

int revoke(const Arguments& args) {
    const auto gone = ask(args, "DELETE", "/gantry/v1/keys/" + http::percent_encode(args.operands[1]));
    if (!gone) {
        return fail(gone.error());
    }
    if (!args.has("quiet")) {
        std::cout << "revoked " << args.operands[1] << "\n";
    }
    return 0;
}

int hash_password() {
    std::string password;
    if (!std::getline(std::cin, password) || password.empty()) {
        return fail({Code::kInvalidArgument, "standard input holds no password",
                     "for instance: read -rs P; printf %s \"$P\" | gantry keys hash-password"});
    }
    std::cout << api::hashed_password(password) << "\n";
    return 0;
}

}  // namespace

int cmd_keys(const Arguments& args) {
    constexpr int kUsage = 2;
    const std::string& action = args.operands[0];
    const bool named = args.operands.size() == 2;
    if (action == "hash-password" && !named) {
        return hash_password();
    }
    if (action == "list" && !named) {
        return list(args);
    }
    if (action == "create" && named) {
        return create(args);
    }
    if (action == "revoke" && named) {
        return revoke(args);
    }
    fail({Code::kInvalidArgument, "gantry keys takes: create NAME, list, revoke ID or hash-password"});
    return kUsage;
}

}  // namespace gantry::cli
