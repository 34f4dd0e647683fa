#include "api/dialects/xinference/registrations.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "base/log.hpp"
#include "base/sqlite/database.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr sqlite::Migration kSchema[] = {
    {1,
     "CREATE TABLE registrations(type TEXT NOT NULL, name TEXT NOT NULL UNIQUE, spec TEXT NOT NULL,"
     " run TEXT NOT NULL)"},  // run: which server it ends with; empty: it stays
};
constexpr std::array<std::string_view, 9> kAbilities{"embed", "generate", "chat",      "tools", "vision",
                                                     "audio", "omni",     "reasoning", "hybrid"};
constexpr std::array<std::string_view, 6> kTypes{"LLM", "embedding", "rerank", "image", "audio", "flexible"};

std::string text_of(const bj::object& object, std::string_view key) {
    const bj::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// A size as text, whether it came as 7, 0.5 or "0_5".
std::string size_of(const bj::object& spec) {
    const bj::value* size = spec.if_contains("model_size_in_billions");
    if (size == nullptr) {
        return {};
    }
    return registry::normalized_size(size->is_string()   ? std::string(size->get_string())
                                     : size->is_number() ? fmt::format("{}", size->to_number<double>())
                                                         : std::string());
}

std::string run_of(const api::Services& services) {
    return std::to_string(services.started.time_since_epoch().count());
}

/// The database with its table there.
Result<sqlite::Database*> table(api::Services& services) {
    if (services.state == nullptr) {
        return Error{Code::kUnimplemented, "this server keeps no registrations"};
    }
    GANTRY_CHECK_OK(services.state->migrate("registrations", kSchema));
    return services.state;
}

Status check_name(const std::string& name) {
    constexpr std::string_view kRefused = "+/?%#&=";
    const bool bad = name.empty() || std::ranges::any_of(name, [&](char c) {
                         return static_cast<unsigned char>(c) <= ' ' || kRefused.find(c) != std::string_view::npos;
                     });
    return bad ? Status(Error{Code::kInvalidArgument,
                              "model_name '" + name + "' must not be empty nor hold blanks or any of + / ? % # & ="})
               : ok();
}

/// Where a spec's files are said to be: an absolute path or file:// URI of something that there is.
Status check_uri(const bj::object& spec) {
    std::string uri = text_of(spec, "model_uri");
    if (uri.empty()) {
        return ok();
    }
    if (uri.starts_with("file://")) {
        uri.erase(0, 7);
    }
    std::error_code ec;
    if (!fs::path(uri).is_absolute() || !fs::exists(uri, ec)) {
        return Error{Code::kInvalidArgument, "model_uri '" + uri + "' must be an absolute path that exists"};
    }
    return ok();
}

Status check_llm(const bj::object& spec) {
    const bj::value* version = spec.if_contains("version");
    if (version == nullptr || *version != 2) {
        return Error{Code::kInvalidArgument, "version is missing: registrations of an LLM have \"version\": 2"};
    }
    for (const char* key : {"model_lang", "model_ability", "model_specs"}) {
        const bj::value* list = spec.if_contains(key);
        if (list == nullptr || !list->is_array() || list->get_array().empty()) {
            return Error{Code::kInvalidArgument, std::string(key) + " must be a list that is not empty"};
        }
    }
    for (const bj::value& ability : spec.at("model_ability").get_array()) {
        if (!ability.is_string() || std::ranges::find(kAbilities, ability.get_string()) == kAbilities.end()) {
            return Error{Code::kInvalidArgument, "model_ability has " + bj::serialize(ability) +
                                                     ", which is none of embed, generate, chat, tools, vision, audio, "
                                                     "omni, reasoning and hybrid"};
        }
        if (text_of(spec, "model_family") == "other" && (ability == "tools" || ability == "vision")) {
            return Error{Code::kInvalidArgument,
                         "a model of the family \"other\" cannot have the ability " + bj::serialize(ability)};
        }
    }
    return ok();
}

Status check(const std::string& type, const bj::object& spec) {
    GANTRY_CHECK_OK(check_name(text_of(spec, "model_name")));
    if (type == "LLM") {
        GANTRY_CHECK_OK(check_llm(spec));
    }
    GANTRY_CHECK_OK(check_uri(spec));
    const bj::value* specs = spec.if_contains("model_specs");
    if (specs == nullptr || specs->is_null()) {
        return ok();
    }
    if (!specs->is_array()) {
        return Error{Code::kInvalidArgument, "model_specs must be a list"};
    }
    for (const bj::value& one : specs->get_array()) {
        if (!one.is_object()) {
            return Error{Code::kInvalidArgument, "model_specs must be a list of objects"};
        }
        if (one.get_object().contains("quantizations")) {
            return Error{
                Code::kInvalidArgument,
                "model_specs has \"quantizations\", which is version 1: give one spec for each \"quantization\""};
        }
        if (type == "LLM" && text_of(one.get_object(), "model_format").empty()) {
            return Error{Code::kInvalidArgument, "model_specs: model_format is missing"};
        }
        GANTRY_CHECK_OK(check_uri(one.get_object()));
    }
    return ok();
}

}  // namespace

std::vector<Registration> registrations(api::Services& services, const std::string& type) {
    std::vector<Registration> out;
    const auto database = table(services);
    if (!database) {
        return out;
    }
    auto query = (*database)->prepare(
        "SELECT type, name, spec FROM registrations WHERE run IN ('', ?1) "
        "AND (?2 = '' OR type = ?2) ORDER BY name COLLATE NOCASE");
    if (query) {
        query->bind_all(std::string_view(run_of(services)), std::string_view(type));
    }
    while (query) {
        const auto row = query->step();
        if (!row || !*row) {
            break;
        }
        boost::system::error_code ec;
        bj::value spec = bj::parse(query->text(2), ec);
        if (!ec && spec.is_object()) {
            out.push_back({query->text(0), query->text(1), std::move(spec.get_object())});
        }
    }
    return out;
}

Status add_registration(api::Services& services, const std::string& type, const std::string& text, bool persist) {
    if (std::ranges::find(kTypes, type) == kTypes.end()) {
        return Error{Code::kInvalidArgument, "Unsupported model type: " + type,
                     "LLM, embedding, rerank, image, audio or flexible, written just so"};
    }
    boost::system::error_code ec;
    const bj::value spec = bj::parse(text, ec);
    if (ec || !spec.is_object()) {
        return Error{Code::kInvalidArgument,
                     "model is not the JSON text of an object" + (ec ? ": " + ec.message() : std::string())};
    }
    GANTRY_CHECK_OK(check(type, spec.get_object()));
    const std::string name = text_of(spec.get_object(), "model_name");
    if (services.catalog.find(name) != nullptr) {
        return Error{Code::kAlreadyExists, "Model name conflicts with existing model " + name};
    }
    GANTRY_TRY(sqlite::Database * database, table(services));
    const std::string run = run_of(services);
    {
        GANTRY_TRY(sqlite::Statement sweep, database->prepare("DELETE FROM registrations WHERE run NOT IN ('', ?)"));
        GANTRY_CHECK_OK(sweep.bind_all(std::string_view(run)).run());
    }
    GANTRY_TRY(sqlite::Statement insert, database->prepare("INSERT INTO registrations VALUES(?, ?, ?, ?)"));
    const Status added =
        insert
            .bind_all(std::string_view(type), std::string_view(name), std::string_view(bj::serialize(spec)),
                      std::string_view(persist ? std::string() : run))
            .run();
    if (!added && added.error().code == Code::kAlreadyExists) {
        return Error{Code::kAlreadyExists, "Model name conflicts with existing model " + name, "unregister it first"};
    }
    return added;
}

Status remove_registration(api::Services& services, const std::string& type, const std::string& name) {
    if (std::ranges::find(kTypes, type) == kTypes.end()) {
        return Error{Code::kInvalidArgument, "Unsupported model type: " + type};
    }
    GANTRY_TRY(sqlite::Database * database, table(services));
    GANTRY_TRY(sqlite::Statement statement, database->prepare("DELETE FROM registrations WHERE type = ? AND name = ?"));
    return statement.bind_all(std::string_view(type), std::string_view(name)).run();
}

Status apply_registration(api::Services& services, fleet::LaunchRequest& request) {
    if (!request.model_path.empty() || request.model.empty()) {
        return ok();
    }
    const auto all = registrations(services);
    const auto found = std::ranges::find(all, request.model, &Registration::name);
    if (found == all.end()) {
        return ok();
    }
    bj::array specs;
    if (const bj::value* given = found->spec.if_contains("model_specs"); given && given->is_array()) {
        specs = given->get_array();
    } else {
        specs.emplace_back(found->spec);
    }
    for (const bj::value& value : specs) {
        const bj::object& spec = value.get_object();
        const std::string quantization = text_of(spec, "quantization");
        const auto fits = [](const std::string& wanted, const std::string& has) {
            return wanted.empty() || has.empty() || registry::equal_ignoring_case(wanted, has);
        };
        if (!fits(registry::normalized_format(request.format),
                  registry::normalized_format(text_of(spec, "model_format"))) ||
            !fits(registry::normalized_size(request.size_in_billions), size_of(spec)) ||
            !fits(request.quantization, quantization)) {
            continue;
        }
        std::string uri = text_of(spec, "model_uri");
        if (uri.starts_with("file://")) {
            uri.erase(0, 7);
        }
        const std::string id = text_of(spec, "model_id");
        if (uri.empty() && id.empty()) {
            continue;
        }
        // The files say what they are; what was asked for has done its work.
        request.size_in_billions.clear();
        request.quantization.clear();
        if (uri.empty()) {
            if (request.uid.empty() && !services.fleet.describe(request.model)) {
                request.uid = request.model;
            }
            request.model = id;
        } else {
            request.model_path = uri;
        }
        return ok();
    }
    return Error{Code::kNotFound,
                 "Model not found, name: " + request.model + ", format: " + request.format +
                     ", size: " + request.size_in_billions + ", quantization: " + request.quantization,
                 "GET /v1/model_registrations/" + found->type + "/" + found->name + " shows its specs"};
}

bj::object registration_item(const Registration& registration, bool detailed) {
    bj::object out;
    if (detailed) {
        out = registration.spec;
    }
    out["model_name"] = registration.name;
    out["is_builtin"] = false;
    if (detailed) {
        out["download_hubs"] = bj::array();
        if (bj::value* specs = out.if_contains("model_specs"); specs && specs->is_array()) {
            for (bj::value& spec : specs->get_array()) {
                spec.get_object()["cache_status"] = !text_of(spec.get_object(), "model_uri").empty();
            }
        }
    }
    return out;
}

}  // namespace gantry::dialects::xinference
