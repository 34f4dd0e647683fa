#pragma once

/// The Hugging Face cache's layout, for writing: blobs/ holds data, snapshots/COMMIT/ links to them by the files'
/// names, refs/ the commits that branches and tags stand for.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/sources/listing.hpp"

namespace gantry::sources {

class CacheFolder {
  public:
    CacheFolder(const std::filesystem::path& hub, const std::string& repository);

    std::filesystem::path blob(const RemoteFile& file) const;
    std::filesystem::path lock(const RemoteFile& file) const;
    std::filesystem::path snapshot(const std::string& commit) const;
    /// Whether a snapshot has a file, whoever wrote it.
    bool has(const std::string& commit, const RemoteFile& file) const;

    /// Links files whose blobs are there into a snapshot, those that make it a model last, and lets `revision` stand
    /// for it.
    Status publish(const std::string& commit, const std::string& revision, const std::vector<RemoteFile>& files) const;

  private:
    std::filesystem::path root_, locks_;
};

}  // namespace gantry::sources
