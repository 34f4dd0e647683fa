#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "api/dialects/ollama/handlers.hpp"
#include "api/dialects/ollama/targets.hpp"
#include "base/paths.hpp"
#include "base/version.hpp"

namespace gantry::dialects::ollama {

namespace bj = boost::json;
namespace fs = std::filesystem;
using api::ApiError;
using api::Exchange;
using api::Services;
using fleet::ModelStatus;

namespace {

/// The version of Ollama's interface that this is like: clients refuse what is older than they know.
constexpr std::string_view kLikeOllama = "0.12.6";
/// What Ollama says of a model that stays for ever.
constexpr std::string_view kNever = "2318-12-31T23:59:59Z";

/// "494.03M", "7.6B".
std::string parameter_size(uint64_t count) {
    const auto value = static_cast<double>(count);
    if (count >= 1'000'000'000) {
        return fmt::format("{:.1f}B", value / 1e9);
    }
    return count >= 1'000'000 ? fmt::format("{:.2f}M", value / 1e6) : fmt::format("{:.2f}K", value / 1e3);
}

/// Names here have no digest of their files' bytes; this one is stable for a file and its length.
std::string digest_of(std::string_view path, uint64_t size) {
    uint64_t hash = 0xcbf29ce484222325ULL ^ size;
    std::string out;
    for (int part = 0; part < 4; ++part) {
        for (const char c : path) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        }
        out += fmt::format("{:016x}", hash);
    }
    return out;
}

std::string tagged(const std::string& name) { return name.find(':') == std::string::npos ? name + ":latest" : name; }

bj::object details(const std::string& format, const std::string& family, const std::string& size,
                   const std::string& quantization) {
    return bj::object{{"parent_model", ""},     {"format", format},
                      {"family", family},       {"families", family.empty() ? bj::array() : bj::array{family}},
                      {"parameter_size", size}, {"quantization_level", quantization}};
}

bj::object details_of(const ModelStatus& model) {
    return details(model.format, model.architecture, parameter_size(model.parameter_count), model.quantization);
}

/// Bytes and age of a file, or of what is in a folder.
struct OnDisk {
    uint64_t bytes = 0;
    std::chrono::system_clock::time_point modified;
};

OnDisk on_disk(const fs::path& path) {
    OnDisk out;
    std::error_code error;
    const auto age = fs::last_write_time(path, error);
    if (!error) {
        out.modified =
            std::chrono::time_point_cast<std::chrono::system_clock::duration>(std::chrono::file_clock::to_sys(age));
    }
    if (!fs::is_directory(path, error)) {
        const auto size = fs::file_size(path, error);
        out.bytes = error ? 0 : size;
        return out;
    }
    for (const auto& entry : fs::directory_iterator(path, error)) {
        const auto size = entry.is_regular_file(error) ? entry.file_size(error) : 0;
        out.bytes += error ? 0 : size;
    }
    return out;
}

bj::object listed(const std::string& name, const std::string& path, bj::object detail) {
    const OnDisk files = on_disk(path);
    return bj::object{{"name", tagged(name)},
                      {"model", tagged(name)},
                      {"modified_at", time_text(files.modified)},
                      {"size", files.bytes},
                      {"digest", digest_of(path, files.bytes)},
                      {"details", std::move(detail)}};
}

bool is_chat_model(const registry::CatalogEntry& entry) {
    return entry.kind == registry::ModelKind::kLlm || entry.kind == registry::ModelKind::kEmbedding;
}

/// The parameters of a catalog's spec in Ollama's form: "0.5" becomes "0.5B".
std::string catalog_size(const std::string& billions) {
    char* end = nullptr;
    const double value = std::strtod(registry::normalized_size(billions).c_str(), &end);
    return value > 0 ? parameter_size(static_cast<uint64_t>(std::llround(value * 1e9))) : std::string();
}

/// The models whose files came with the program.
bj::array built_in(const Services& services) {
    bj::array out;
    for (const registry::CatalogEntry& entry : services.catalog.entries()) {
        const auto spec = std::find_if(entry.specs.begin(), entry.specs.end(),
                                       [](const registry::ModelSpec& s) { return !s.path.empty(); });
        if (!is_chat_model(entry) || spec == entry.specs.end() || services.fleet.describe(entry.name)) {
            continue;
        }
        const std::string path = (paths::share_dir() / spec->path).string();
        out.emplace_back(listed(entry.name, path, details(spec->format, "", catalog_size(spec->size_in_billions), "")));
    }
    return out;
}

bj::array capabilities(const ModelStatus& model) {
    const auto can = [&](std::string_view what) {
        return std::find(model.abilities.begin(), model.abilities.end(), what) != model.abilities.end();
    };
    if (can("embed")) {
        return {"embedding"};
    }
    bj::array out{"completion"};
    if (!model.tool_parser.empty() && model.tool_parser != "none") {
        out.emplace_back("tools");
    }
    if (!model.reasoning_tag.empty()) {
        out.emplace_back("thinking");
    }
    return out;
}

bj::array capabilities(const registry::CatalogEntry& entry) {
    if (entry.kind == registry::ModelKind::kEmbedding) {
        return {"embedding"};
    }
    bj::array out{"completion"};
    for (const std::string& ability : entry.abilities) {
        if (ability == "tools" || ability == "reasoning") {
            out.emplace_back(ability == "tools" ? "tools" : "thinking");
        }
    }
    return out;
}

bj::object shown(const std::string& from, const std::string& licence, const std::string& chat_template,
                 bj::object detail, bj::object info, bj::array abilities, const OnDisk& files) {
    return bj::object{{"license", licence},
                      {"modelfile", fmt::format("# Written by Gantry.\nFROM {}\n", from)},
                      {"parameters", ""},
                      {"template", chat_template},
                      {"details", std::move(detail)},
                      {"model_info", std::move(info)},
                      {"capabilities", std::move(abilities)},
                      {"modified_at", time_text(files.modified)}};
}

bj::object show_launched(const ModelStatus& model) {
    bj::object info{{"general.architecture", model.architecture},
                    {"general.basename", model.model_name},
                    {"general.parameter_count", model.parameter_count},
                    {model.architecture + ".context_length", model.context_length}};
    return shown(model.model_name, "", model.chat_template, details_of(model), std::move(info), capabilities(model),
                 on_disk(model.model_path));
}

bj::object show_entry(const registry::CatalogEntry& entry, const Target& target) {
    const registry::ModelSpec* spec = entry.specs.empty() ? nullptr : &entry.specs.front();
    for (const registry::ModelSpec& candidate : entry.specs) {
        if (registry::normalized_size(candidate.size_in_billions) == target.launch->size_in_billions) {
            spec = &candidate;
            break;
        }
    }
    bj::object detail =
        details(spec != nullptr ? spec->format : "", "", spec != nullptr ? catalog_size(spec->size_in_billions) : "",
                target.launch->quantization);
    const OnDisk files = spec != nullptr && !spec->path.empty() ? on_disk(paths::share_dir() / spec->path) : OnDisk();
    bj::object info{{"general.basename", entry.name}, {"general.context_length", entry.context_length}};
    return shown(entry.name, entry.licence, "", std::move(detail), std::move(info), capabilities(entry), files);
}

/// What a created model has of its own.
void add_derived(const Derived& derived, bj::object& out) {
    out["modelfile"] = derived.modelfile();
    out["parameters"] = derived.parameter_text();
    out["modified_at"] = time_text(std::chrono::system_clock::from_time_t(derived.modified));
    out.at("details").as_object()["parent_model"] = derived.from;
    const std::pair<std::string_view, std::string> texts[] = {
        {"system", derived.system}, {"template", derived.own_template}, {"license", derived.licence}};
    for (const auto& [name, text] : texts) {
        if (!text.empty()) {
            out[name] = text;
        }
    }
    if (!derived.messages.empty()) {
        out["messages"] = derived.messages;
    }
}

bj::array created(Services& services) {
    bj::array out;
    for (const auto& [name, derived] : services.kept<Library>().derived()) {
        const auto target = find_target(services, name);
        const auto model = target ? services.fleet.describe(target->uid) : Result<ModelStatus>(Error());
        bj::object detail = model ? details_of(*model) : details("gguf", "", "", "");
        detail["parent_model"] = derived.from;
        bj::object entry = listed(name, model ? model->model_path : derived.from, std::move(detail));
        entry["modified_at"] = time_text(std::chrono::system_clock::from_time_t(derived.modified));
        entry["digest"] = digest_of(derived.modelfile(), 0);
        out.emplace_back(std::move(entry));
    }
    return out;
}

}  // namespace

Answer list_models(Services& services, Exchange&) {
    bj::array models;
    for (const ModelStatus& model : services.fleet.list()) {
        if (model.state != fleet::State::kFailed) {
            models.emplace_back(listed(model.uid, model.model_path, details_of(model)));
        }
    }
    for (bj::array more : {built_in(services), created(services)}) {
        models.insert(models.end(), more.begin(), more.end());
    }
    co_return api::json_response(bj::object{{"models", std::move(models)}});
}

Answer list_running(Services& services, Exchange&) {
    bj::array models;
    for (const ModelStatus& model : services.fleet.list()) {
        if (model.state != fleet::State::kReady) {
            continue;
        }
        bj::object entry = listed(model.uid, model.model_path, details_of(model));
        entry.erase("modified_at");
        entry["size"] = model.memory_bytes;
        entry["size_vram"] = 0;
        entry["context_length"] = model.context_length;
        entry["expires_at"] =
            model.expires > 0 ? time_text(std::chrono::system_clock::from_time_t(model.expires)) : std::string(kNever);
        models.emplace_back(std::move(entry));
    }
    co_return api::json_response(bj::object{{"models", std::move(models)}});
}

Answer show_model(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    const auto name = model_name(*body);
    if (!name) {
        co_return name.error();
    }
    const auto target = find_target(services, *name);
    if (!target) {
        co_return target.error();
    }
    bj::object out;
    if (const auto model = services.fleet.describe(target->uid)) {
        out = show_launched(*model);
    } else if (const registry::CatalogEntry* entry = services.catalog.find(target->launch->model)) {
        out = show_entry(*entry, *target);
    } else {
        out = shown(target->launch->model, "", "", details("", "", "", ""), {}, {"completion"},
                    on_disk(target->launch->model));
    }
    if (const Derived* derived = services.kept<Library>().find(short_name(*name))) {
        add_derived(*derived, out);
    }
    co_return api::json_response(std::move(out));
}

Answer version(Services&, Exchange&) {
    co_return api::json_response(bj::object{{"version", kLikeOllama}, {"gantry", kVersion}});
}

/// What Ollama says here, and what clients look for to see whether it runs.
Answer root(Services&, Exchange&) {
    http::Response response;
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.body = "Ollama is running";
    co_return response;
}

}  // namespace gantry::dialects::ollama
