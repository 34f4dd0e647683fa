#pragma once

#include <filesystem>
#include <optional>

#include "base/result.hpp"

namespace gantry::download {

/// Holds a lock file (flock, as Hugging Face's tools do): among processes, and among the users of one process.
class FileLock {
  public:
    /// nullopt where somebody else holds it; makes the folder. kPermissionDenied where that cannot be written.
    static Result<std::optional<FileLock>> try_lock(const std::filesystem::path& path);
    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&&) = delete;
    ~FileLock();

  private:
    explicit FileLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace gantry::download
