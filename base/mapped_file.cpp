#include "base/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gantry {
namespace {

Error os_error(const std::filesystem::path& path, const char* what, int err) {
    Code code = err == ENOENT || err == ENOTDIR ? Code::kNotFound
                : err == EACCES || err == EPERM ? Code::kPermissionDenied
                                                : Code::kInternal;
    return Error{code, "cannot " + std::string(what) + " " + path.string() + ": " + std::strerror(err)};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return os_error(path, "open", errno);
    }
    struct stat st {};
    if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        ::close(fd);
        return Error{Code::kInvalidArgument, path.string() + " is not a regular file"};
    }
    if (st.st_size == 0) {
        ::close(fd);
        return Error{Code::kDataLoss, path.string() + " is empty",
                     "the download may have been cut off; fetch it again"};
    }
    const auto size = static_cast<size_t>(st.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    const int err = errno;
    ::close(fd);
    if (data == MAP_FAILED) {
        return os_error(path, "map", err);
    }
    MappedFile file;
    file.path_ = path;
    file.data_ = static_cast<const std::byte*>(data);
    file.size_ = size;
    return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) {
        ::munmap(const_cast<std::byte*>(data_), size_);
    }
}

namespace {

void advise(const std::byte* data, size_t total, size_t offset, size_t size, int advice) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t begin = offset / page * page;
    if (data == nullptr || offset >= total) {
        return;
    }
    // Advice is a hint: a failure changes speed, not results.
    ::madvise(const_cast<std::byte*>(data) + begin, std::min(size + (offset - begin), total - begin), advice);
}

}  // namespace

void MappedFile::will_need(size_t offset, size_t size) const { advise(data_, size_, offset, size, MADV_WILLNEED); }
void MappedFile::dont_need(size_t offset, size_t size) const { advise(data_, size_, offset, size, MADV_DONTNEED); }

}  // namespace gantry
