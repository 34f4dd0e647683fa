#pragma once

/// Where the program's files are, after the XDG base directory specification. Pure functions of the environment: they
/// create nothing.

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
std::filesystem::path data_dir(const Environment& environment);
/// $XDG_CONFIG_HOME/gantry, else ~/.config/gantry, else /etc/gantry.
std::filesystem::path config_dir(const Environment& environment);
/// $XDG_RUNTIME_DIR/gantry, else /run/gantry where this user may write, else /tmp/gantry-UID.
std::filesystem::path runtime_dir(const Environment& environment);

/// The running program's file and the folders beside it: bin/gantry, lib/gantry/plugins, share/gantry.
struct Program {
    std::filesystem::path file;
    std::filesystem::path plugin_dir;
    std::filesystem::path share_dir;
};
/// From /proc/self/exe.
Result<Program> program();
Program program_at(const std::filesystem::path& file);

/// Makes a folder for this user alone (0700), with its parents. kPermissionDenied names the path; a folder that another
/// user owns is refused.
Status make_private(const std::filesystem::path& folder);

}  // namespace gantry::paths
