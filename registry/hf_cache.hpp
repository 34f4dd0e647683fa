#pragma once

/// The folder where Hugging Face's own tools keep downloaded models; files that they fetched are used as they lie.
///
/// HUB/models--ORG--NAME/refs/REVISION holds a commit id, snapshots/COMMIT/ the files as links into blobs/.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::registry {

class HfCache {
  public:
    /// `hub` need not exist; an empty path finds nothing.
    explicit HfCache(std::filesystem::path hub) : hub_(std::move(hub)) {}

    /// $HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub.
    static std::filesystem::path default_hub();

    /// The folder of a repository's files ("org/name") at a revision (branch, tag or commit; empty: main, else the
    /// newest snapshot there is). nullopt if it was never downloaded.
    std::optional<std::filesystem::path> snapshot(std::string_view repository, std::string_view revision = {}) const;

    /// Deletes files of a repository, by their names in all its snapshots, with the blobs that nothing else of it links
    /// to; without `names` the repository's whole folder, as when no file is left. Touches nothing outside that folder.
    /// kNotFound where the repository is not here, kPermissionDenied where something cannot be deleted.
    Status remove(std::string_view repository, const std::vector<std::string>& names = {}) const;

    /// "org/name" of a path inside a snapshot; empty for other paths.
    static std::string repository_of(const std::filesystem::path& path);

    const std::filesystem::path& hub() const { return hub_; }

  private:
    /// The folder that a repository has, whether it exists or not.
    std::filesystem::path root_of(std::string_view repository) const;

    std::filesystem::path hub_;
};

/// "org/name", as hubs name repositories.
bool is_repository_id(std::string_view text);

}  // namespace gantry::registry
