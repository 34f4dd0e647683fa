#include <sys/stat.h>
#include <unistd.h>

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <cstring>
#include <sstream>
#include <system_error>

#include "runtime/plugins/abi_convert.hpp"
#include "runtime/plugins/plugin.hpp"

namespace gantry::plugins {
namespace fs = std::filesystem;
namespace {

constexpr uintmax_t kMaxTomlBytes = 64 * 1024;

/// Nobody but root and this user may be able to change what will run with this user's rights.
Status check_trusted(const fs::path& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) {
        return Error{Code::kNotFound, path.string() + ": " + std::strerror(errno)};
    }
    const bool sticky_folder = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0;
    if ((st.st_mode & S_IWOTH) != 0 && !sticky_folder) {
        return Error{Code::kPermissionDenied, path.string() + " may be written by everybody",
                     "chmod o-w " + path.string()};
    }
    return ok();
}

Status check_owner(const fs::path& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) {
        return Error{Code::kNotFound, path.string() + ": " + std::strerror(errno)};
    }
    if (st.st_uid != 0 && st.st_uid != ::geteuid()) {
        return Error{Code::kPermissionDenied, path.string() + " belongs to user " + std::to_string(st.st_uid) +
                                                  ", who is neither root nor the one that runs this program"};
    }
    return ok();
}

/// The file and its folder belong to us or root; no folder above can be written by everybody.
Status check_path(const fs::path& file) {
    for (const fs::path& path : {file, file.parent_path()}) {
        GANTRY_CHECK_OK(check_owner(path));
    }
    for (fs::path path = file;; path = path.parent_path()) {
        GANTRY_CHECK_OK(check_trusted(path));
        if (path == path.parent_path()) {
            return ok();
        }
    }
}

std::optional<uint32_t> parse_version(std::string_view text) {
    uint32_t parts[2] = {};
    const char* at = text.data();
    const char* end = at + text.size();
    for (int i = 0; i < 2; ++i) {
        const auto [next, error] = std::from_chars(at, end, parts[i]);
        if (error != std::errc{} || parts[i] > 0xffff || (i == 0 && (next == end || *next != '.'))) {
            return std::nullopt;
        }
        at = i == 0 ? next + 1 : next;
    }
    return at == end ? std::optional(GANTRY_MAKE_VERSION(parts[0], parts[1])) : std::nullopt;
}

bool is_id(std::string_view id) {
    return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

Error bad(const fs::path& file, std::string what) {
    return {Code::kInvalidArgument, file.string() + ": " + std::move(what)};
}

/// A text key of [plugin]; nullopt where it is missing or no text.
std::optional<std::string> text_key(const toml::table& table, std::string_view key) {
    return table["plugin"][key].value_exact<std::string>();
}

Status read_versions(const fs::path& toml_path, const toml::table& table, PluginFile& out) {
    const auto min = parse_version(text_key(table, "abi_min").value_or(""));
    const auto max = parse_version(text_key(table, "abi_max").value_or(""));
    if (!min || !max || *min > *max) {
        return bad(toml_path, "abi_min and abi_max must be texts such as \"0.9\", the first not above the second");
    }
    out.abi_min = *min, out.abi_max = *max;
    return ok();
}

Status check_abi(const PluginFile& file) {
    if (file.abi_min > GANTRY_ABI_VERSION || file.abi_max < GANTRY_ABI_VERSION) {
        return Error{Code::kFailedPrecondition,
                     "plugin '" + file.id + "' speaks plugin contract " + version_text(file.abi_min) + " to " +
                         version_text(file.abi_max) + ", this Gantry speaks " + version_text(GANTRY_ABI_VERSION),
                     file.abi_min > GANTRY_ABI_VERSION ? "update Gantry" : "update the plugin"};
    }
    return ok();
}

Status read_plugin(const fs::path& toml_path, PluginFile& out) {
    GANTRY_CHECK_OK(check_path(toml_path));
    std::error_code ec;
    if (fs::file_size(toml_path, ec) > kMaxTomlBytes || ec) {
        return bad(toml_path, "unreadable, or larger than 64 KiB");
    }
    toml::table table;
    try {
        table = toml::parse_file(toml_path.string());
    } catch (const toml::parse_error& e) {
        std::ostringstream where;
        where << "line " << e.source().begin.line << ": " << e.description();
        return bad(toml_path, where.str());
    }
    out.version = text_key(table, "version").value_or("");
    out.description = text_key(table, "description").value_or("");
    out.licence = text_key(table, "licence").value_or("");
    const std::string id = text_key(table, "id").value_or("");
    if (!is_id(id)) {
        return bad(toml_path, "[plugin] id must be 1 to 64 of a-z, 0-9, '-' and '_'");
    }
    out.id = id;
    const fs::path library = text_key(table, "library").value_or("");
    if (library.empty() || library.has_parent_path()) {
        return bad(toml_path, "[plugin] library must name a file beside it");
    }
    GANTRY_CHECK_OK(read_versions(toml_path, table, out));
    out.library = out.folder / library;
    GANTRY_CHECK_OK(check_abi(out));
    GANTRY_CHECK_OK(check_path(out.library));
    // Behind a link there is another folder, which has to be as trustworthy.
    const fs::path target = fs::canonical(out.library, ec);
    return ec ? Status(bad(out.library, ec.message())) : target == out.library ? ok() : check_path(target);
}

void discover_in(const fs::path& directory, std::vector<PluginFile>& out) {
    std::error_code ec;
    for (fs::directory_iterator it(directory, ec), end; !ec && it != end; it.increment(ec)) {
        const fs::path toml_path = it->path() / "plugin.toml";
        std::error_code missing;
        if (!fs::exists(toml_path, missing)) {
            continue;
        }
        PluginFile file;
        file.folder = it->path();
        file.id = file.folder.filename().string();  // until the file says better
        if (auto status = read_plugin(toml_path, file); !status) {
            file.rejected = status.error();
        }
        out.push_back(std::move(file));
    }
}

PluginFile relative_directory(const fs::path& directory) {
    PluginFile file;
    file.id = directory.string();
    file.folder = directory;
    file.rejected = Error{Code::kInvalidArgument, "plugin directory '" + directory.string() + "' is not absolute",
                          "give the whole path, so that the working directory cannot choose what is loaded"};
    return file;
}

/// Of several with one id the first in the order of the directories counts.
void reject_duplicates(std::vector<PluginFile>& files) {
    for (size_t i = 1; i < files.size(); ++i) {
        const PluginFile& before = files[i - 1];
        if (files[i].id == before.id && !files[i].rejected && !before.rejected) {
            files[i].rejected = Error{Code::kAlreadyExists,
                                      "plugin '" + before.id + "' was already found in " + before.folder.string()};
            std::swap(files[i - 1], files[i]);
        }
    }
}

}  // namespace

std::vector<PluginFile> discover(const std::vector<fs::path>& directories) {
    std::vector<PluginFile> out;
    for (const fs::path& directory : directories) {
        if (!directory.is_absolute()) {
            out.push_back(relative_directory(directory));
            continue;
        }
        discover_in(directory.lexically_normal(), out);
    }
    std::ranges::stable_sort(out, {}, &PluginFile::id);
    reject_duplicates(out);
    return out;
}

}  // namespace gantry::plugins
