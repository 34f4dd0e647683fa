// Models whose files are on this machine: those that came with the program, and those in Hugging Face's cache. The
// latter can be deleted.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include "api/dialects/xinference/handlers.hpp"
#include "registry/hf_cache.hpp"
#include "registry/registry.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;
namespace fs = std::filesystem;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

/// One form of a model of the catalog that is here.
struct Cached {
    const registry::CatalogEntry* entry;
    const registry::ModelSpec* spec;
    std::string quantization;        ///< "none" where there is none
    fs::path path;                   ///< a file, or a folder
    std::string repository;          ///< empty: it came with the program
    std::vector<std::string> files;  ///< their names in the repository; empty: all of it

    std::string format() const { return spec->format == "gguf" ? "ggufv2" : "pytorch"; }
    std::string version() const {
        return entry->name + "--" + spec->size_in_billions + "B--" + format() + "--" + quantization;
    }
};

/// All files of a model by the name of its first: "x-00001-of-00003.gguf" has two more.
std::vector<std::string> part_names(const std::string& first) {
    constexpr std::string_view kFirst = "-00001-of-";
    constexpr size_t kDigits = 5;
    const size_t at = first.find(kFirst);
    int count = 0;
    if (at != std::string::npos && first.size() > at + kFirst.size() + kDigits) {
        const char* digits = first.data() + at + kFirst.size();
        std::from_chars(digits, digits + kDigits, count);
    }
    std::vector<std::string> out{first};
    for (int i = 2; i <= count; ++i) {
        std::string name = first;
        out.push_back(name.replace(at + 1, kDigits, fmt::format("{:05}", i)));
    }
    return out;
}

/// The (first) file of a quantisation; empty: it is not here.
std::string file_of(const registry::ModelSpec& spec, const std::string& quantization, const fs::path& folder) {
    if (!spec.file.empty()) {
        return spec.file_for(quantization);
    }
    registry::ResolveOptions how;
    how.quantization = quantization == "none" ? "" : quantization;
    const auto found = registry::model_in_folder(folder, how);
    return found && found->parent_path() == folder ? found->filename().string() : std::string();
}

void add_cached(const registry::CatalogEntry& entry, const registry::ModelSpec& spec, const registry::HfCache& hub,
                std::vector<Cached>& out) {
    const std::vector<std::string> quantizations =
        spec.quantizations.empty() ? std::vector<std::string>{"none"} : spec.quantizations;
    if (!spec.path.empty()) {
        for (const std::string& quantization : quantizations) {
            out.push_back({&entry, &spec, quantization, spec.path, {}, {}});
        }
        return;
    }
    for (const std::string& quantization : quantizations) {
        const std::string repository = spec.repository("huggingface", quantization);
        const auto folder = repository.empty() ? std::nullopt : hub.snapshot(repository, spec.revision);
        if (!folder) {
            continue;
        }
        if (spec.format != "gguf") {
            out.push_back({&entry, &spec, quantization, *folder, repository, {}});
            continue;
        }
        const std::string file = file_of(spec, quantization, *folder);
        std::vector<std::string> files = part_names(file);
        std::error_code ec;
        const bool whole = !file.empty() && std::ranges::all_of(files, [&](const std::string& f) {
            return fs::exists(*folder / f, ec);
        });
        if (whole) {
            const fs::path first = *folder / files.front();
            out.push_back({&entry, &spec, quantization, first, repository, std::move(files)});
        }
    }
}

std::vector<Cached> all_cached(const Services& services) {
    const registry::HfCache hub(registry::HfCache::default_hub());
    std::vector<Cached> out;
    for (const registry::CatalogEntry& entry : services.catalog.entries()) {
        for (const registry::ModelSpec& spec : entry.specs) {
            add_cached(entry, spec, hub, out);
        }
    }
    return out;
}

std::vector<std::string> paths_of(const Cached& cached) {
    if (cached.files.empty()) {
        return {cached.path.string()};
    }
    std::vector<std::string> out;
    for (const std::string& file : cached.files) {
        out.push_back((cached.path.parent_path() / file).string());
    }
    return out;
}

/// Whether a launch that is to be there names the files beside those of its model.
bool needs(const fleet::LaunchRequest& launch, const Cached& cached) {
    const auto means = [&](const std::string& name) {
        return name == cached.entry->name || name == cached.repository ||
               registry::HfCache::repository_of(name) == cached.repository;
    };
    return means(launch.draft_model) ||
           std::ranges::any_of(launch.adapters, [&](const auto& adapter) { return means(adapter.second); });
}

/// The model that needs these files, now or when it is asked for; empty: none.
std::string user_of(const Services& services, const Cached& cached) {
    for (const fleet::DesiredLaunch& launch : services.fleet.desired()) {
        if (needs(launch.request, cached)) {
            return launch.uid;
        }
    }
    for (const fleet::ModelStatus& model : services.fleet.list()) {
        const fs::path path = model.model_path;
        const bool same_place = registry::HfCache::repository_of(path) == cached.repository &&
                                (cached.files.empty() || path.filename() == cached.path.filename());
        const bool of_name =
            path.empty() && (model.model_name == cached.entry->name || model.model_name == cached.repository);
        if (model.state != fleet::State::kFailed && (same_place || of_name)) {
            return model.uid;
        }
    }
    return {};
}

}  // namespace

Answer cached_models(Services& services, Exchange& exchange) {
    const auto wanted = exchange.request.query_value("model_name");
    std::vector<Cached> found = all_cached(services);
    std::ranges::stable_sort(found, {}, [](const Cached& cached) { return cached.entry->name; });
    bj::array all;
    for (const Cached& cached : found) {
        if (wanted && !wanted->empty() && cached.entry->name != *wanted) {
            continue;
        }
        std::error_code ec;
        const fs::path real = fs::weakly_canonical(cached.path, ec);
        all.emplace_back(bj::object{{"model_name", cached.entry->name},
                                    {"model_size_in_billions", cached.spec->size_in_billions},
                                    {"model_format", cached.format()},
                                    {"quantization", cached.quantization},
                                    {"model_version", cached.version()},
                                    {"path", cached.path.string()},
                                    {"real_path", cached.repository.empty() ? cached.path.string() : real.string()},
                                    {"actor_ip_address", services.address},
                                    {"model_type", registry::model_kind_name(cached.entry->kind)}});
    }
    co_return api::json_response(bj::object{{"list", std::move(all)}});
}

Answer cached_files(Services& services, Exchange& exchange) {
    const std::string version(exchange.request.query_value("model_version").value_or(""));
    bj::array paths;
    for (const Cached& cached : all_cached(services)) {
        if (cached.version() == version) {
            for (std::string& path : paths_of(cached)) {
                paths.emplace_back(std::move(path));
            }
        }
    }
    co_return api::json_response(
        bj::object{{"model_version", version}, {"worker_ip", services.address}, {"paths", std::move(paths)}});
}

Answer remove_cached(Services& services, Exchange& exchange) {
    const std::string version(exchange.request.query_value("model_version").value_or(""));
    const std::vector<Cached> all = all_cached(services);
    const auto found = std::ranges::find_if(all, [&](const Cached& cached) { return cached.version() == version; });
    if (found == all.end()) {
        co_return api::json_response(bj::object{{"result", true}});  // as good as removed, as upstream has it
    }
    if (found->repository.empty()) {
        exchange.note("what came with the program stays");
        co_return api::json_response(bj::object{{"result", false}});
    }
    if (const std::string uid = user_of(services, *found); !uid.empty()) {
        co_return ApiError(Error(Code::kFailedPrecondition,
                                 "the files of " + version + " are in use by the model '" + uid + "'", "stop it first"),
                           "model_version", 409);
    }
    const Status removed = registry::HfCache(registry::HfCache::default_hub()).remove(found->repository, found->files);
    if (!removed) {
        co_return ApiError(removed.error(), "model_version");
    }
    co_return api::json_response(bj::object{{"result", true}});
}

}  // namespace gantry::dialects::xinference
