#pragma once

/// Keys in a SQLite file of their own, STATE_DIR/keys.db.

#include <filesystem>
#include <memory>

#include "api/auth/key_ring.hpp"
#include "base/config.hpp"

namespace gantry::api {

/// Opens or makes the file. A damaged one is an error, not a fresh start: a server that forgets its keys would let
/// everybody in.
Result<std::unique_ptr<KeyStore>> open_key_store(const std::filesystem::path& file);

/// Where a server with this configuration keeps its keys.
std::filesystem::path key_file(const config::Config& config);

}  // namespace gantry::api
