#pragma once

/// The one place that maps plugins' code into this process.

#include <gantry/backend.h>

#include <filesystem>

#include "base/result.hpp"

namespace gantry::plugins {

/// Maps a plugin (RTLD_NOW | RTLD_LOCAL) for the life of the process and returns its entry. `path` must be absolute.
/// kNotFound, kFailedPrecondition with the dynamic loader's own words, or where the entry symbol is missing.
Result<gantry_backend_entry_fn> open_plugin_library(const std::filesystem::path& path);

}  // namespace gantry::plugins
