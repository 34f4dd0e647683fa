#include "registry/convert/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace gantry::registry {
namespace {

namespace fs = std::filesystem;

Error system_error(std::string_view what, const fs::path& path, int number) {
    const Code code = number == ENOSPC || number == EDQUOT  ? Code::kResourceExhausted
                      : number == EACCES || number == EROFS ? Code::kPermissionDenied
                      : number == ENOENT                    ? Code::kNotFound
                                                            : Code::kUnavailable;
    return {code, "cannot " + std::string(what) + " " + path.string() + ": " + std::strerror(number)};
}

Error already_there(const fs::path& path) {
    return {Code::kAlreadyExists, path.string() + " is there already", "give --force to replace it"};
}

}  // namespace

OutputFile::OutputFile(fs::path target, fs::path temporary, int fd, bool overwrite)
    : target_(std::move(target)), temporary_(std::move(temporary)), fd_(fd), overwrite_(overwrite) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)),
      overwrite_(other.overwrite_) {}

Result<OutputFile> OutputFile::create(const fs::path& target, bool overwrite) {
    std::error_code ec;
    if (!overwrite && fs::exists(target, ec)) {
        return already_there(target);
    }
    if (fs::is_directory(target, ec)) {
        return Error{Code::kInvalidArgument, target.string() + " is a folder", "name the file to write"};
    }
    fs::path temporary = target;
    temporary += ".part-" + std::to_string(::getpid());
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return system_error("create", temporary, errno);
    }
    return OutputFile(target, temporary, fd, overwrite);
}

OutputFile::~OutputFile() {
    if (fd_ >= 0) {
        ::close(fd_);
        ::unlink(temporary_.c_str());
    }
}

Status OutputFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return system_error("write", temporary_, errno);
        }
        bytes = bytes.subspan(static_cast<size_t>(count));
    }
    return ok();
}

Status OutputFile::publish() {
    if (::fsync(fd_) != 0) {
        return system_error("sync", temporary_, errno);
    }
    // link() refuses a name that came to be meanwhile, which rename() would replace.
    const int failed =
        overwrite_ ? ::rename(temporary_.c_str(), target_.c_str()) : ::link(temporary_.c_str(), target_.c_str());
    if (failed != 0) {
        return errno == EEXIST ? already_there(target_) : system_error("publish", target_, errno);
    }
    if (!overwrite_) {
        ::unlink(temporary_.c_str());
    }
    ::close(std::exchange(fd_, -1));
    const fs::path folder = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
    const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd >= 0) {
        ::fsync(folder_fd);
        ::close(folder_fd);
    }
    return ok();
}

}  // namespace gantry::registry
