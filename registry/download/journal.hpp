#pragma once

/// What of a file is on disk already, so that a download goes on after a crash. Lies beside the unfinished file, and
/// never says more than what has been synced.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace gantry::download {

/// A part of a file that comes over one connection, from its begin to its end.
struct Segment {
    uint64_t begin = 0, end = 0;  ///< bytes of the file; `end` is behind the last
    uint64_t done = 0;            ///< bytes from `begin` on that are there
};

struct Journal {
    uint64_t size = 0;
    std::string identity;  ///< checksum or etag: another one is another file
    std::vector<Segment> segments;

    uint64_t done() const;
    /// `size` in at most `parts` segments of at least `least` bytes.
    static Journal fresh(uint64_t size, std::string identity, uint32_t parts, uint64_t least);
    /// kNotFound where there is none, kDataLoss where it is damaged.
    static Result<Journal> read(const std::filesystem::path& path);
    /// To a temporary name, synced, renamed.
    Status write(const std::filesystem::path& path) const;
};

}  // namespace gantry::download
