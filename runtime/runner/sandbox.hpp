#pragma once

/// Takes from this process what serving a model does not need: new privileges, writing files, reading other people's
/// files, the network. What the kernel cannot do is logged and left out.

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace gantry::runner {

struct SandboxReport {
    bool privileges = false;   ///< no_new_privs is set
    bool files = false;        ///< Landlock is in force
    bool network = false;      ///< internet sockets are refused
    std::string text() const;  ///< "no new privileges, files by Landlock, no network"
};

/// Restricts the calling thread and all that it starts from now on. Readable stay `read_paths` (with all below),
/// the system's libraries and its configuration; devices stay usable. In `write_path`, unless empty, files may be made,
/// written and removed as well.
SandboxReport enter_sandbox(const std::vector<std::filesystem::path>& read_paths,
                            const std::filesystem::path& write_path = {});

/// What a model at `path` needs: its folder, and the real places of the files that are links in it (Hugging Face's
/// cache keeps its files elsewhere).
std::vector<std::filesystem::path> model_read_paths(const std::filesystem::path& path);

}  // namespace gantry::runner
