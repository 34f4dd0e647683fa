#pragma once

/// A computed text in a file: its tokens and the KV blocks that hold them, for a later run of the same model.
///
///     "GANTRYKV" | version u32 | block_size u32 | block_bytes u64 | block count u64 | identity length u32 | identity
///     | tokens i32 [blocks x block_size] | blocks [blocks x block_bytes] | checksum u64 over all before it
///
/// Numbers are little-endian. The checksum finds damage, it does not keep out forgery: a file is as trusted as the
/// folder that it lies in. Two models may exchange blocks where their identities are equal (see block_identity in
/// gantry/ext/causal_lm.h).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace gantry::engine {

struct PrefixArchive {
    std::string identity;
    uint32_t block_size = 0;
    uint64_t block_bytes = 0;
    std::vector<int32_t> tokens;    ///< whole blocks of them
    std::vector<std::byte> blocks;  ///< block_bytes for each block_size tokens

    size_t block_count() const { return block_size > 0 ? tokens.size() / block_size : 0; }
};

/// Writes the file anew, by way of a neighbour that takes its name when it is whole. kUnavailable says what failed.
Status write_archive(const PrefixArchive& archive, const std::filesystem::path& path);

/// kNotFound where there is no file; kDataLoss for one that is damaged or no such file, before anything of its size is
/// allocated.
Result<PrefixArchive> read_archive(const std::filesystem::path& path);

}  // namespace gantry::engine
