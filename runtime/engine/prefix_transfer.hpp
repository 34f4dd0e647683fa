#pragma once

/// Cached texts out of a model and back into it, or into another one of the same identity.

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/engine/block_manager.hpp"
#include "runtime/engine/causal_model.hpp"
#include "runtime/engine/prefix_archive.hpp"

namespace gantry::engine {

/// The cached blocks at the beginning of a text. kNotFound where there are none, kUnimplemented where the model's
/// blocks cannot be moved or have no identity. Called between two steps.
Result<PrefixArchive> export_prefix(BlockManager& blocks, CausalModel& model, std::span<const int32_t> tokens,
                                    std::string_view salt);

/// Puts an archive's blocks into the prefix cache, as far as there is room without taking blocks in use; what is there
/// already stays. Returns how many tokens the cache has of it now. kFailedPrecondition where the archive is of another
/// model, kind of KV cache or block size. Called between two steps.
Result<uint32_t> import_prefix(BlockManager& blocks, CausalModel& model, const PrefixArchive& archive,
                               std::string_view salt);

}  // namespace gantry::engine
