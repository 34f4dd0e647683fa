#pragma once

/// Gets models that are not on this machine: from a name to files in the cache that Hugging Face's tools share.

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/registry.hpp"
#include "registry/sources/select.hpp"
#include "registry/sources/settings.hpp"

namespace gantry::sources {

struct PullRequest {
    std::string model;                 ///< as people name it; see registry/reference.hpp
    registry::ResolveOptions options;  ///< what they say besides
    uint64_t memory = 0;               ///< bytes that models may use, for the choice; 0: unknown
    int priority = 0;                  ///< greater goes first
};

struct PullProgress {
    std::string stage;                       ///< "resolve", "wait", "download", "verify", "publish"
    std::string file, digest;                ///< that is worked on; the digest is empty where there is none
    uint64_t file_done = 0, file_total = 0;  ///< bytes of it
    uint64_t done = 0, total = 0;            ///< bytes of all files
};

struct Pulled {
    std::filesystem::path path;  ///< for registry::load_manifest
    std::string why;             ///< which files were chosen and why; empty where nothing had to be chosen
    uint64_t bytes = 0;
};

/// Any thread; calls run side by side.
class Puller {
  public:
    explicit Puller(Settings settings);
    ~Puller();

    /// Whether there is a way to download such a model: a source in its name, a catalog entry with a hub, or
    /// "org/name", which is taken for Hugging Face's.
    static bool can_pull(const registry::Registry& registry, const PullRequest& request);

    /// Blocks until the files are there; at once where they are. Errors are those of list_files(), select_files() and
    /// download::download_file(); what came before an error stays, and the next call goes on with it. `on_progress` is
    /// called on this thread.
    Result<Pulled> pull(const registry::Registry& registry, const PullRequest& request,
                        const std::function<void(const PullProgress&)>& on_progress, std::stop_token stop);

    const Settings& settings() const { return settings_; }

  private:
    Settings settings_;
    std::unique_ptr<download::HttpClient> client_;
};

}  // namespace gantry::sources
