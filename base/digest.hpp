#pragma once

/// Checksums of data that comes in pieces, over OpenSSL 3. No OpenSSL type appears here.

#include <memory>
#include <string>
#include <string_view>

namespace gantry::crypto {

class Digest {
  public:
    enum class Kind { kSha1, kSha256 };  ///< SHA-1 only where others chose it: git names its blobs by it

    /// Throws std::runtime_error only where OpenSSL itself fails.
    explicit Digest(Kind kind);
    Digest(Digest&&) noexcept;
    Digest& operator=(Digest&&) noexcept;
    ~Digest();

    void update(std::string_view data);
    /// The checksum in lower-case hexadecimal digits. The object is of no further use.
    std::string hex();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::crypto
