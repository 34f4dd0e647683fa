#pragma once

/// From a file's tensors to canonical ones.

#include "registry/architectures.hpp"

namespace gantry::registry {

/// The file's name of a global module's weight.
std::string global_name(const Architecture& architecture, FileKind kind, std::string_view canonical);

/// Renames, cuts and checks all tensors by the hyperparameters that `out` has; every tensor that the architecture needs
/// must be there. Errors as translate's.
Status translate_tensors(const Architecture& architecture, FileKind kind, std::span<const SourceTensor> tensors,
                         std::string_view file, ModelManifest& out);

}  // namespace gantry::registry
