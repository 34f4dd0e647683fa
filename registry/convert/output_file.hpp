#pragma once

/// A file that appears under its name whole or not at all.

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/result.hpp"

namespace gantry::registry {

/// Owns a temporary file beside `target`; destruction removes it unless publish() came first. One thread.
class OutputFile {
  public:
    /// kAlreadyExists where `target` is there and may not be overwritten.
    static Result<OutputFile> create(const std::filesystem::path& target, bool overwrite);
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;
    ~OutputFile();

    Status write(std::span<const std::byte> bytes);
    /// Syncs, renames to the target and syncs the folder.
    Status publish();

  private:
    OutputFile(std::filesystem::path target, std::filesystem::path temporary, int fd, bool overwrite);
    std::filesystem::path target_;
    std::filesystem::path temporary_;
    int fd_;
    bool overwrite_;
};

}  // namespace gantry::registry
