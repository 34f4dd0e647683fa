#pragma once

/// Where the program's files are, after the XDG base directory specification. Functions of the environment (tests pass
/// their own) and of where the program lies; only make_private creates anything.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace gantry::paths {

/// Looks up an environment variable; unset and empty are alike.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();

/// $XDG_DATA_HOME/gantry, else ~/.local/share/gantry, else /var/lib/gantry (a service without a home).
std::filesystem::path data_dir(const Environment& environment = process_environment());
/// $XDG_CONFIG_HOME/gantry, else ~/.config/gantry, else /etc/gantry.
std::filesystem::path config_dir(const Environment& environment = process_environment());
/// $XDG_STATE_HOME/gantry, else ~/.local/state/gantry, else /var/lib/gantry: logs and history.
std::filesystem::path state_dir(const Environment& environment = process_environment());
/// $XDG_RUNTIME_DIR/gantry, else /run/gantry where this user may write, else /tmp/gantry-UID.
std::filesystem::path runtime_dir(const Environment& environment = process_environment());

/// The running program's file, from /proc/self/exe.
std::filesystem::path program();
/// share/gantry beside the program's bin: catalog and built-in models.
std::filesystem::path share_dir(const std::filesystem::path& program_file = program());
/// Where plugins are looked for: GANTRY_PATHS_PLUGIN_DIRS (separated by commas), then lib/gantry/plugins beside bin.
std::vector<std::filesystem::path> plugin_dirs(const Environment& environment = process_environment(),
                                               const std::filesystem::path& program_file = program());
/// The user's own catalog entries: GANTRY_PATHS_CATALOG_DIRS, then catalog in config_dir.
std::vector<std::filesystem::path> catalog_dirs(const Environment& environment = process_environment());

/// Makes a folder for this user alone (0700), with its parents. kPermissionDenied names the path; a folder that another
/// user owns is refused.
Status make_private(const std::filesystem::path& folder);

}  // namespace gantry::paths
