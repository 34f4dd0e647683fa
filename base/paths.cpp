#include "base/paths.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace gantry::paths {

namespace fs = std::filesystem;

namespace {

/// XDG: a relative path in these variables is to be ignored.
std::optional<fs::path> absolute(const Environment& environment, const char* name) {
    const auto value = environment(name);
    if (value && fs::path(*value).is_absolute()) {
        return fs::path(*value);
    }
    return std::nullopt;
}

fs::path home_based(const Environment& environment, const char* variable, const char* below_home,
                    const char* fallback) {
    if (const auto dir = absolute(environment, variable)) {
        return *dir / "gantry";
    }
    if (const auto home = absolute(environment, "HOME"); home && *home != "/") {
        return *home / below_home / "gantry";
    }
    return fallback;
}

std::vector<fs::path> listed(const Environment& environment, const char* variable) {
    std::vector<fs::path> out;
    std::string rest = environment(variable).value_or("");
    while (!rest.empty()) {
        const std::string item = rest.substr(0, rest.find(','));
        rest.erase(0, item.size() + 1);
        if (!item.empty()) {
            out.emplace_back(item);
        }
    }
    return out;
}

}  // namespace

Environment process_environment() {
    return [](const char* name) -> std::optional<std::string> {
        const char* value = std::getenv(name);
        return value && *value ? std::optional<std::string>(value) : std::nullopt;
    };
}

fs::path data_dir(const Environment& environment) {
    return home_based(environment, "XDG_DATA_HOME", ".local/share", "/var/lib/gantry");
}

fs::path config_dir(const Environment& environment) {
    return home_based(environment, "XDG_CONFIG_HOME", ".config", "/etc/gantry");
}

fs::path state_dir(const Environment& environment) {
    return home_based(environment, "XDG_STATE_HOME", ".local/state", "/var/lib/gantry");
}

fs::path runtime_dir(const Environment& environment) {
    if (const auto dir = absolute(environment, "XDG_RUNTIME_DIR")) {
        return *dir / "gantry";
    }
    if (::access("/run/gantry", W_OK) == 0) {
        return "/run/gantry";
    }
    return std::string("/tmp/gantry-").append(std::to_string(::geteuid()));
}

fs::path program() {
    std::error_code error;
    return fs::read_symlink("/proc/self/exe", error);
}

fs::path share_dir(const fs::path& program_file) { return program_file.parent_path().parent_path() / "share/gantry"; }

std::vector<fs::path> plugin_dirs(const Environment& environment, const fs::path& program_file) {
    std::vector<fs::path> out = listed(environment, "GANTRY_PATHS_PLUGIN_DIRS");
    out.push_back(program_file.parent_path().parent_path() / "lib/gantry/plugins");
    return out;
}

std::vector<fs::path> catalog_dirs(const Environment& environment) {
    std::vector<fs::path> out = listed(environment, "GANTRY_PATHS_CATALOG_DIRS");
    out.push_back(config_dir(environment) / "catalog");
    return out;
}

Status make_private(const fs::path& folder) {
    std::error_code error;
    if (folder.has_parent_path()) {
        fs::create_directories(folder.parent_path(), error);
    }
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        return Error(Code::kPermissionDenied,
                     "cannot create " + folder.string() + ": " + std::string(std::strerror(errno)));
    }
    struct stat info {};
    if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
        return Error(Code::kFailedPrecondition, folder.string() + " is not a folder");
    }
    if (info.st_uid != ::geteuid()) {
        return Error(Code::kPermissionDenied, folder.string() + " belongs to another user",
                     "set XDG_RUNTIME_DIR or XDG_DATA_HOME to a folder of your own");
    }
    if ((info.st_mode & 0077) != 0) {
        ::chmod(folder.c_str(), 0700);
    }
    return ok();
}

}  // namespace gantry::paths
