#include "registry/sources/publish.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "registry/formats/gguf.hpp"

namespace gantry::sources {
namespace {

namespace fs = std::filesystem;

/// Files without which a folder is no model come last: whoever looks meanwhile sees no half of one.
bool completes(const RemoteFile& file) {
    const std::string name = file.path.substr(file.path.rfind('/') + 1);
    const auto part = registry::parse_gguf_part_name(name);
    return name == "config.json" || (part && part->number == 1);
}

Error failed(const fs::path& path, const std::string& why) {
    return {Code::kPermissionDenied, "cannot write " + path.string() + ": " + why};
}

/// To a name of its own, then in place of what was there.
Status replace(const fs::path& path, const std::function<std::string(const fs::path&)>& make) {
    std::error_code ec;
    fs::create_directories(path.parent_path(), ec);
    const fs::path fresh = path.string() + ".gantry-" + std::to_string(::getpid());
    fs::remove(fresh, ec);
    if (const std::string why = make(fresh); !why.empty()) {
        return failed(path, why);
    }
    fs::rename(fresh, path, ec);
    return ec ? Status(failed(path, ec.message())) : ok();
}

}  // namespace

CacheFolder::CacheFolder(const fs::path& hub, const std::string& repository) {
    const auto slash = repository.find('/');
    const std::string folder = "models--" + repository.substr(0, slash) + "--" + repository.substr(slash + 1);
    root_ = hub / folder;
    locks_ = hub / ".locks" / folder;
}

fs::path CacheFolder::blob(const RemoteFile& file) const { return root_ / "blobs" / file.blob; }
fs::path CacheFolder::lock(const RemoteFile& file) const { return locks_ / (file.blob + ".lock"); }
fs::path CacheFolder::snapshot(const std::string& commit) const { return root_ / "snapshots" / commit; }

bool CacheFolder::has(const std::string& commit, const RemoteFile& file) const {
    std::error_code ec;
    const fs::path path = snapshot(commit) / file.path;
    return fs::is_regular_file(path, ec) && fs::file_size(path, ec) == file.size;
}

Status CacheFolder::publish(const std::string& commit, const std::string& revision,
                            const std::vector<RemoteFile>& files) const {
    std::vector<RemoteFile> order = files;
    std::stable_partition(order.begin(), order.end(), [](const RemoteFile& f) { return !completes(f); });
    for (const RemoteFile& file : order) {
        if (has(commit, file)) {
            continue;
        }
        const fs::path link = snapshot(commit) / file.path;
        const fs::path target = blob(file).lexically_relative(link.parent_path());
        GANTRY_CHECK_OK(replace(link, [&](const fs::path& fresh) {
            std::error_code ec;
            fs::create_symlink(target, fresh, ec);
            return ec ? ec.message() : std::string();
        }));
    }
    if (revision == commit) {
        return ok();  // it needs no other name
    }
    return replace(root_ / "refs" / revision, [&](const fs::path& fresh) {
        std::ofstream out(fresh, std::ios::binary);
        out << commit;
        out.close();
        return out ? std::string() : std::string("the disk may be full");
    });
}

}  // namespace gantry::sources
