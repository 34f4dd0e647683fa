#include "registry/registry.hpp"

#include <algorithm>
#include <cctype>

#include "base/paths.hpp"
#include "registry/formats/fault.hpp"
#include "registry/formats/folder.hpp"
#include "registry/formats/gguf.hpp"
#include "registry/loaders.hpp"
#include "registry/reference.hpp"

namespace gantry::registry {
namespace {

namespace fs = std::filesystem;

std::string joined(const std::vector<std::string>& parts) {
    std::string out;
    for (const auto& part : parts) {
        out.append(out.empty() ? "" : ", ").append(part);
    }
    return out;
}

/// GGUF files that are models: first parts only, no vision projectors.
std::vector<fs::path> gguf_files(const fs::path& folder) {
    std::vector<fs::path> out;
    for (const auto& path : entries_of(folder)) {
        const std::string name = path.filename().string();
        const auto part = parse_gguf_part_name(name);
        const bool follows = part && part->number != 1;
        if (name.ends_with(".gguf") && !name.starts_with("mmproj") && !follows) {
            out.push_back(path);
        }
    }
    return out;
}

bool has_safetensors(const fs::path& folder) {
    std::error_code ec;
    return fs::exists(folder / "config.json", ec) &&
           std::ranges::any_of(entries_of(folder), [](const auto& path) { return path.extension() == ".safetensors"; });
}

Result<fs::path> pick_gguf(const fs::path& folder, std::vector<fs::path> files, const std::string& quantization) {
    std::vector<std::string> names;
    for (const auto& file : files) {
        names.push_back(file.filename().string());
    }
    if (!quantization.empty()) {
        std::erase_if(files, [&](const fs::path& f) { return !has_word(f.filename().string(), quantization); });
    }
    if (files.size() == 1) {
        return files.front();
    }
    if (files.empty()) {
        return Error{Code::kNotFound, folder.string() + " has no GGUF file of quantization '" + quantization + "'",
                     "it has " + joined(names)};
    }
    return Error{Code::kInvalidArgument, folder.string() + " has several GGUF files: " + joined(names),
                 "name one of them, or give a quantization that only one of them has"};
}

Result<ModelRef> ref_of_path(const fs::path& path, const ResolveOptions& options) {
    ModelRef out;
    std::error_code ec;
    out.path = path;
    if (fs::is_directory(path, ec)) {
        GANTRY_TRY(out.path, model_in_folder(path, options));
    }
    out.name = display_name(out.path);
    const auto extension = out.path.extension();
    if (fs::is_directory(out.path, ec) || extension == ".safetensors") {
        out.format = "safetensors";
    } else {
        out.format = "gguf";
    }
    return out;
}

bool looks_like_path(std::string_view reference) {
    return reference.find('/') != std::string_view::npos || reference.ends_with(".gguf") ||
           reference.ends_with(".safetensors");
}

bool spec_matches(const ModelSpec& spec, const ResolveOptions& options) {
    return (options.format.empty() ? spec.for_any_machine() : spec.format == normalized_format(options.format)) &&
           (options.size_in_billions.empty() ||
            normalized_size(spec.size_in_billions) == normalized_size(options.size_in_billions));
}

std::string spec_text(const ModelSpec& spec) {
    std::string out = spec.format + " " + spec.size_in_billions + "B";
    return spec.quantizations.empty() ? out : out + " (" + joined(spec.quantizations) + ")";
}

Error no_such_spec(const CatalogEntry& entry, const ResolveOptions& options) {
    std::vector<std::string> known, wanted;
    for (const std::string& one : {options.format, options.size_in_billions, options.quantization}) {
        if (!one.empty()) {
            wanted.push_back("'" + one + "'");
        }
    }
    for (const auto& spec : entry.specs) {
        known.push_back(spec_text(spec));
    }
    return Error{Code::kNotFound,
                 "model '" + entry.name + "' has no such format, size and quantization: " + joined(wanted),
                 "there are: " + joined(known)};
}

Error not_here(const CatalogEntry& entry, const ModelSpec& spec, const std::string& quantization) {
    if (!spec.path.empty()) {
        return Error{Code::kFailedPrecondition,
                     "the built-in model '" + entry.name + "' is not installed: " + spec.path +
                         " is missing from the share folder",
                     "install Gantry's models or launch another model by its path"};
    }
    const std::string hub = spec.hubs.contains("huggingface") ? "huggingface" : spec.hubs.begin()->first;
    const std::string repository = spec.repository(hub, quantization);
    const std::string file = spec.file_for(quantization);
    return Error{Code::kFailedPrecondition,
                 "model '" + entry.name + "' (" + spec.format + ", " + spec.size_in_billions +
                     "B) is known, but its files are not on this machine",
                 "download it with gantry pull " + entry.name + " (" + (file.empty() ? "all files" : file) + " of " +
                     repository + " from " + hub + ")"};
}

/// Of several files the one that people want who do not say which.
fs::path preferred_gguf(const fs::path& folder) {
    const auto files = gguf_files(folder);
    for (const std::string& wanted : preferred_quantizations()) {
        const auto found =
            std::ranges::find_if(files, [&](const fs::path& f) { return has_word(f.filename().string(), wanted); });
        if (found != files.end()) {
            return *found;
        }
    }
    return files.empty() ? fs::path() : files.front();
}

/// "0.6", "0_6b", "600m": whether a part behind a colon is a size, and in billions.
std::string size_of_part(std::string_view part) {
    const bool digits = !part.empty() && std::isdigit(static_cast<unsigned char>(part.front())) != 0;
    const char unit = part.empty() ? '\0' : part.back();
    if (digits && (unit == 'b' || unit == 'B')) {
        part.remove_suffix(1);
    }
    const bool number = digits && std::ranges::all_of(part, [](unsigned char c) {
                            return std::isdigit(c) != 0 || c == '.' || c == '_';
                        });
    return number ? normalized_size(part) : std::string();
}

}  // namespace

bool has_word(std::string_view name, std::string_view word) {
    for (size_t at = 0; at + word.size() <= name.size(); ++at) {
        const auto separated = [&](size_t i) {
            return i >= name.size() || std::string_view("-._ ").find(name[i]) != std::string_view::npos;
        };
        const bool starts = at == 0 || std::string_view("-. ").find(name[at - 1]) != std::string_view::npos;
        const bool ends =
            separated(at + word.size()) && (at + word.size() >= name.size() || name[at + word.size()] != '_');
        if (starts && ends && equal_ignoring_case(name.substr(at, word.size()), word)) {
            return true;
        }
    }
    return false;
}

const std::vector<std::string>& preferred_quantizations() {
    static const std::vector<std::string> names{"Q4_K_M", "Q5_K_M", "Q8_0"};
    return names;
}

std::vector<const ModelSpec*> matching_specs(const CatalogEntry& entry, const ResolveOptions& options) {
    std::vector<const ModelSpec*> out;
    for (const ModelSpec& spec : entry.specs) {
        if (spec_matches(spec, options)) {
            out.push_back(&spec);
        }
    }
    return out;
}

std::vector<std::string> wanted_quantizations(const ModelSpec& spec, const std::string& wanted) {
    if (spec.quantizations.empty()) {
        return wanted.empty() || equal_ignoring_case(wanted, "none") ? std::vector<std::string>{""}
                                                                     : std::vector<std::string>{};
    }
    std::vector<std::string> out;
    const std::vector<std::string> preferred =
        wanted.empty() ? preferred_quantizations() : std::vector<std::string>{wanted};
    for (const auto& name : preferred) {
        std::ranges::copy_if(spec.quantizations, std::back_inserter(out),
                             [&](const auto& q) { return equal_ignoring_case(q, name); });
    }
    if (wanted.empty()) {
        std::ranges::copy_if(spec.quantizations, std::back_inserter(out),
                             [&](const auto& q) { return std::ranges::find(out, q) == out.end(); });
    }
    return out;
}

RegistryPaths RegistryPaths::standard(fs::path share) {
    return {std::move(share), HfCache::default_hub(), paths::data_dir() / "downloads"};
}

Result<Registry> Registry::open(RegistryPaths paths) {
    GANTRY_TRY(auto catalog, Catalog::load(paths.share / "catalog"));
    return Registry(std::move(paths), std::move(catalog));
}

std::optional<fs::path> Registry::locate(const ModelSpec& spec, const std::string& quantization) const {
    std::error_code ec;
    if (!spec.path.empty()) {
        const auto path = paths_.share / spec.path;
        return fs::exists(path, ec) ? std::optional(path) : std::nullopt;
    }
    for (const auto& [hub, source] :
         {std::pair("huggingface", Source::kHuggingFace), std::pair("modelscope", Source::kModelScope)}) {
        const std::string repository = spec.repository(hub, quantization);
        if (repository.empty()) {
            continue;
        }
        const HfCache cache(store_of(source, paths_.hf_hub, paths_.downloads));
        const bool named = source == Source::kHuggingFace;  // the revision is one of Hugging Face's repository
        const auto snapshot = cache.snapshot(repository, named ? spec.revision : std::string());
        if (!snapshot) {
            continue;
        }
        const fs::path path = spec.format == "gguf" ? *snapshot / spec.file_for(quantization) : *snapshot;
        if (spec.format == "gguf" ? fs::exists(path, ec) : has_safetensors(path)) {
            return path;
        }
    }
    return std::nullopt;
}

const CatalogEntry* Registry::find_entry(std::string_view reference, ResolveOptions& options) const {
    if (reference.find('/') != std::string_view::npos) {
        return nullptr;
    }
    if (const CatalogEntry* entry = catalog_.find(reference)) {
        return entry;
    }
    const auto colon = reference.find(':');
    const CatalogEntry* entry = catalog_.find(reference.substr(0, colon));
    if (entry == nullptr || colon == std::string_view::npos) {
        return nullptr;
    }
    for (std::string_view rest = reference.substr(colon + 1); !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find(':'));
        const std::string size = size_of_part(part);
        std::string& field = size.empty() ? options.quantization : options.size_in_billions;
        if (field.empty()) {
            field = size.empty() ? std::string(part) : size;
        }
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    }
    return entry;
}

Result<ModelRef> Registry::resolve_download(const Reference& reference, std::string_view text,
                                            const ResolveOptions& options) const {
    const HfCache cache(store_of(reference.source, paths_.hf_hub, paths_.downloads));
    const Error missing{Code::kFailedPrecondition, "the files of '" + printable(text) + "' are not on this machine",
                        "download them: gantry pull " + printable(text)};
    const auto snapshot = cache.snapshot(reference.repository(), reference.revision);
    if (!snapshot) {
        return missing;
    }
    ResolveOptions how = options;
    if (how.quantization.empty()) {
        how.quantization = reference.quantization;
    }
    std::error_code ec;
    fs::path path = *snapshot;
    if (!reference.file.empty()) {
        path /= reference.file;
    } else if (how.quantization.empty() && normalized_format(how.format) != "safetensors" && !has_safetensors(path)) {
        path = preferred_gguf(path);
    }
    if (path.empty() || !fs::exists(path, ec)) {
        return missing;
    }
    auto ref = ref_of_path(path, how);
    if (!ref) {
        return ref.error().code == Code::kNotFound ? Result<ModelRef>(missing) : ref;
    }
    ref->name = text;
    return ref;
}

Result<ModelRef> Registry::resolve_entry(const CatalogEntry& entry, const ResolveOptions& options) const {
    const ModelSpec* first = nullptr;
    std::string first_quantization;
    for (const ModelSpec* spec : matching_specs(entry, options)) {
        for (const auto& quantization : wanted_quantizations(*spec, options.quantization)) {
            if (first == nullptr) {
                first = spec;
                first_quantization = quantization;
            }
            if (const auto path = locate(*spec, quantization)) {
                return ModelRef{entry.name,   entry.kind, *path, spec->format, spec->size_in_billions,
                                quantization, entry};
            }
        }
    }
    return first == nullptr ? no_such_spec(entry, options) : not_here(entry, *first, first_quantization);
}

Result<ModelRef> Registry::resolve(std::string_view reference, const ResolveOptions& options) const {
    if (reference.empty()) {
        return Error{Code::kInvalidArgument, "the model's name is empty"};
    }
    GANTRY_TRY(const Reference parsed, parse_reference(reference));
    if (!store_of(parsed.source, paths_.hf_hub, paths_.downloads).empty()) {
        return resolve_download(parsed, reference, options);
    }
    if (parsed.source != Source::kFile && !looks_like_path(reference)) {
        ResolveOptions how = options;
        if (const auto* entry = find_entry(reference, how)) {
            return resolve_entry(*entry, how);
        }
    }
    std::error_code ec;
    const fs::path path(parsed.name);
    if (fs::exists(path, ec)) {
        return ref_of_path(path, options);
    }
    if (is_repository_id(reference)) {
        if (const auto snapshot = hf_cache_.snapshot(reference)) {
            GANTRY_TRY(auto ref, ref_of_path(*snapshot, options));
            ref.name = reference;
            return ref;
        }
    }
    const auto near = catalog_.nearest(reference);
    std::string hint = near.empty() ? "" : "did you mean " + joined(near) + "?";
    if (hint.empty()) {
        hint =
            "give a catalog name, the path of a GGUF file or model folder, or a Hugging Face id that is in the cache";
    }
    return Error{
        Code::kNotFound,
        (looks_like_path(reference) ? "no such file or model: '" : "unknown model '") + printable(reference) + "'",
        std::move(hint)};
}

Result<fs::path> model_in_folder(const fs::path& folder, const ResolveOptions& options) {
    const auto format = normalized_format(options.format);
    auto ggufs = gguf_files(folder);
    const bool safetensors = has_safetensors(folder);
    const bool want_gguf = format == "gguf" || !options.quantization.empty();
    if (safetensors && format != "gguf" && (ggufs.empty() || !want_gguf)) {
        return folder;
    }
    if (!ggufs.empty() && format != "safetensors") {
        return pick_gguf(folder, std::move(ggufs), options.quantization);
    }
    return Error{Code::kNotFound, folder.string() + " holds no model" + (format.empty() ? "" : " in format " + format),
                 "a model folder has a .gguf file, or config.json with .safetensors files"};
}

Result<ModelManifest> load_manifest(const fs::path& path) {
    std::error_code ec;
    const auto status = fs::status(path, ec);
    if (!fs::exists(status)) {
        return Error{Code::kNotFound, path.string() + " does not exist"};
    }
    // Libraries below may throw (memory, file systems); callers get values.
    try {
        if (fs::is_directory(status)) {
            GANTRY_TRY(const auto picked, model_in_folder(path, {}));
            return picked == path ? manifest_from_folder(path) : load_manifest(picked);
        }
        if (path.extension() == ".safetensors") {
            return manifest_from_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
        }
        GANTRY_TRY(auto model, open_gguf(path));
        return manifest_from_gguf(std::move(model));
    } catch (const std::exception& e) {
        return Error{Code::kInternal, "cannot read " + path.string() + ": " + e.what()};
    }
}

}  // namespace gantry::registry
