#pragma once

/// A read-only memory-mapped file.

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/result.hpp"

namespace gantry {

/// Owns one mapping; unmapped on destruction. Immutable, so any thread may read it.
class MappedFile {
  public:
    /// Maps the whole file. Fails with kNotFound, kPermissionDenied, or kDataLoss for an empty file; each names the
    /// path.
    static Result<MappedFile> open(const std::filesystem::path& path);

    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    std::span<const std::byte> bytes() const { return {data_, size_}; }
    const std::filesystem::path& path() const { return path_; }

    /// Tells the kernel that [offset, offset+size) will be read soon.
    void will_need(size_t offset, size_t size) const;
    /// Tells the kernel that these pages may go.
    void dont_need(size_t offset, size_t size) const;

  private:
    MappedFile() = default;
    std::filesystem::path path_;
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace gantry
