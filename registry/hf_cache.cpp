#include "registry/hf_cache.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>

#include "registry/formats/folder.hpp"
#include "registry/loaders.hpp"

namespace gantry::registry {
namespace {

constexpr std::string_view kRepositoryPrefix = "models--";

std::filesystem::path environment_path(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::filesystem::path() : std::filesystem::path(value);
}

/// The commit that a branch or tag points at.
std::string read_ref(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::string commit;
    in >> commit;
    const bool plain = !commit.empty() && commit.size() <= 64 &&
                       std::ranges::all_of(commit, [](unsigned char c) { return std::isalnum(c) != 0; });
    return plain ? commit : std::string();
}

std::optional<std::filesystem::path> newest_folder(const std::filesystem::path& folder) {
    std::optional<std::filesystem::path> best;
    std::filesystem::file_time_type best_time;
    std::error_code ec;
    for (const auto& entry : entries_of(folder)) {
        const auto time = std::filesystem::last_write_time(entry, ec);
        if (std::filesystem::is_directory(entry, ec) && (!best || time >= best_time)) {
            best = entry;
            best_time = time;
        }
    }
    return best;
}

}  // namespace

bool is_repository_id(std::string_view text) {
    const auto slash = text.find('/');
    const auto plain = [](std::string_view part) {
        return !part.empty() && part[0] != '.' && part[0] != '-' && part.find("--") == std::string_view::npos &&
               std::ranges::all_of(
                   part, [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; });
    };
    return slash != std::string_view::npos && text.size() <= 96 && plain(text.substr(0, slash)) &&
           plain(text.substr(slash + 1));
}

std::filesystem::path HfCache::default_hub() {
    if (auto hub = environment_path("HF_HUB_CACHE"); !hub.empty()) {
        return hub;
    }
    if (const auto home = environment_path("HF_HOME"); !home.empty()) {
        return home / "hub";
    }
    if (const auto cache = environment_path("XDG_CACHE_HOME"); !cache.empty()) {
        return cache / "huggingface" / "hub";
    }
    const auto home = environment_path("HOME");
    return home.empty() ? home : home / ".cache" / "huggingface" / "hub";
}

std::filesystem::path HfCache::root_of(std::string_view repository) const {
    std::string folder(kRepositoryPrefix);
    const auto slash = repository.find('/');
    folder.append(repository.substr(0, slash)).append("--").append(repository.substr(slash + 1));
    return hub_ / folder;
}

std::optional<std::filesystem::path> HfCache::snapshot(std::string_view repository, std::string_view revision) const {
    if (hub_.empty() || !is_repository_id(repository) || revision.find('/') != std::string_view::npos ||
        revision.starts_with(".")) {
        return std::nullopt;
    }
    const auto root = root_of(repository);
    std::error_code ec;
    const std::string commit = read_ref(root / "refs" / (revision.empty() ? "main" : std::string(revision)));
    for (const std::string& name : {commit, std::string(revision)}) {
        if (!name.empty() && std::filesystem::is_directory(root / "snapshots" / name, ec)) {
            return root / "snapshots" / name;
        }
    }
    return revision.empty() ? newest_folder(root / "snapshots") : std::nullopt;
}

Status HfCache::remove(std::string_view repository, const std::vector<std::string>& names) const {
    namespace fs = std::filesystem;
    std::error_code ec;
    // A link in the place of the folder leads elsewhere: that is not ours to delete.
    if (hub_.empty() || !is_repository_id(repository) || fs::is_symlink(root_of(repository), ec) ||
        !fs::is_directory(root_of(repository) / "snapshots", ec)) {
        return Error{Code::kNotFound, "there is no repository '" + std::string(repository) + "' in " + hub_.string()};
    }
    const fs::path root = root_of(repository);
    const auto failed = [&](const std::error_code& why) {
        return Error{Code::kPermissionDenied, "files in " + root.string() + " cannot be deleted: " + why.message()};
    };
    std::vector<fs::path> doomed, kept;
    for (const fs::path& snapshot : entries_of(root / "snapshots")) {
        for (const fs::path& file : entries_of(snapshot)) {
            const bool named = names.empty() || std::ranges::find(names, file.filename().string()) != names.end();
            (named ? doomed : kept).push_back(file);
        }
    }
    const bool model_left = std::ranges::any_of(kept, [&](const fs::path& file) {
        const fs::path kind = file.extension();
        return kind == ".gguf" || kind == ".safetensors" || fs::is_directory(file, ec);
    });
    if (!model_left) {
        fs::remove_all(root, ec);
        return ec ? Status(failed(ec)) : ok();
    }
    const auto blob_of = [](const fs::path& file) {
        std::error_code ignored;
        return fs::is_symlink(file, ignored) ? fs::weakly_canonical(file, ignored) : fs::path();
    };
    std::vector<fs::path> needed;
    std::ranges::transform(kept, std::back_inserter(needed), blob_of);
    const fs::path blobs = fs::weakly_canonical(root / "blobs", ec);
    for (const fs::path& file : doomed) {
        const fs::path blob = blob_of(file);
        if (!fs::remove(file, ec) && ec) {
            return failed(ec);
        }
        const bool ours = !blob.empty() && blob.parent_path() == blobs;
        if (ours && std::ranges::find(needed, blob) == needed.end() && !fs::remove(blob, ec) && ec) {
            return failed(ec);
        }
    }
    return ok();
}

std::string HfCache::repository_of(const std::filesystem::path& path) {
    for (auto part = path; part.has_relative_path(); part = part.parent_path()) {
        const std::string name = part.filename().string();
        const auto middle = name.find("--", kRepositoryPrefix.size());
        if (name.starts_with(kRepositoryPrefix) && middle != std::string::npos) {
            return name.substr(kRepositoryPrefix.size(), middle - kRepositoryPrefix.size()) + "/" +
                   name.substr(middle + 2);
        }
    }
    return {};
}

std::string display_name(const std::filesystem::path& path) {
    const auto parts = parse_gguf_part_name(path.filename().string());
    if (parts) {
        return parts->prefix;
    }
    if (path.extension() == ".gguf") {
        return path.stem().string();
    }
    if (auto repository = HfCache::repository_of(path); !repository.empty()) {
        return repository;
    }
    const auto clean = path.has_filename() ? path : path.parent_path();
    return clean.filename().string();
}

}  // namespace gantry::registry
