#pragma once

/// Listing folders without exceptions.

#include <filesystem>
#include <vector>

namespace gantry::registry {

/// A folder's entries in alphabetical order; empty if it is none or cannot be read.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder);

}  // namespace gantry::registry
