#include "registry/download/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gantry::download {

Result<std::optional<FileLock>> FileLock::try_lock(const std::filesystem::path& path) {
    std::error_code ec;
    std::filesystem::create_directories(path.parent_path(), ec);
    while (true) {
        FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        if (lock.fd_ < 0) {
            return Error{Code::kPermissionDenied, "cannot write " + path.string() + ": " + std::strerror(errno)};
        }
        if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
            return std::optional<FileLock>();
        }
        // Some tools delete the file when they are done with it: a lock on what has no name any more keeps nobody out.
        struct stat mine {
        }, named{};
        if (::fstat(lock.fd_, &mine) == 0 && ::stat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino &&
            mine.st_dev == named.st_dev) {
            return std::optional<FileLock>(std::move(lock));
        }
    }
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock::~FileLock() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

}  // namespace gantry::download
