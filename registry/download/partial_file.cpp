#include "registry/download/partial_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/digest.hpp"

namespace gantry::download {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLeastSegment = uint64_t{16} << 20;  ///< smaller ones cost more in connections than they gain
constexpr size_t kBlock = size_t{4} << 20;

// Not the name that Hugging Face's tools give: theirs grow from the front, and theirs would take ours for whole.
fs::path partial_path(const fs::path& target) { return target.string() + ".gantry-incomplete"; }

std::string amount(uint64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

Error disk_error(const fs::path& path, int why) {
    const bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
    return {full ? Code::kResourceExhausted : Code::kInternal,
            "cannot write " + path.string() + ": " + std::strerror(why),
            full ? "make room; what was downloaded is kept, and the next try goes on with it" : ""};
}

void sync_folder(const fs::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        ::fsync(fd);
        ::close(fd);
    }
}

}  // namespace

fs::path PartialFile::journal_path(const fs::path& target) { return target.string() + ".gantry-journal"; }

PartialFile::PartialFile(const FileTask& task, int fd, Journal journal)
    : task_(task),
      fd_(fd),
      journal_(std::move(journal)),
      done_(std::make_unique<std::atomic<uint64_t>[]>(journal_.segments.size())) {
    for (size_t i = 0; i < journal_.segments.size(); ++i) {
        done_[i] = journal_.segments[i].done;
    }
}

PartialFile::~PartialFile() { ::close(fd_); }

Result<std::unique_ptr<PartialFile>> PartialFile::open(const FileTask& task, uint32_t ranges) {
    const fs::path path = partial_path(task.target);
    std::error_code ec;
    fs::create_directories(task.target.parent_path(), ec);
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return disk_error(path, errno);
    }
    struct stat state {};
    auto old = Journal::read(journal_path(task.target));
    const bool goes_on = old && old->size == task.size && old->identity == task.identity && ::fstat(fd, &state) == 0 &&
                         static_cast<uint64_t>(state.st_size) == task.size;
    auto journal = goes_on ? std::move(*old) : Journal::fresh(task.size, task.identity, ranges, kLeastSegment);
    std::unique_ptr<PartialFile> out(new PartialFile(task, fd, std::move(journal)));
    if (!goes_on) {
        fs::remove(journal_path(task.target), ec);
        const Status reserved = out->reserve();
        if (!reserved) {
            out->discard();
            return reserved.error();
        }
    }
    return out;
}

/// The space is asked for as well as taken, because not all file systems can take it.
Status PartialFile::reserve() const {
    const fs::path path = partial_path(task_.target);
    if (::ftruncate(fd_, 0) != 0) {
        return disk_error(path, errno);
    }
    struct statvfs disk {};
    const uint64_t free = ::fstatvfs(fd_, &disk) == 0 ? static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize : ~0ULL;
    if (free < task_.size) {
        return Error{Code::kResourceExhausted,
                     task_.name + " needs " + amount(task_.size) + ", but " + task_.target.parent_path().string() +
                         " has " + amount(free) + " left",
                     "make room, or let HF_HOME name a folder on another disk"};
    }
    if (::ftruncate(fd_, static_cast<off_t>(task_.size)) != 0) {
        return disk_error(path, errno);
    }
    if (task_.size > 0 && ::fallocate(fd_, 0, 0, static_cast<off_t>(task_.size)) != 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS) {
        return disk_error(path, errno);
    }
    return ok();
}

uint64_t PartialFile::written() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < journal_.segments.size(); ++i) {
        sum += done_[i].load();
    }
    return sum;
}

Status PartialFile::write(size_t index, std::string_view data) {
    const Segment& segment = journal_.segments[index];
    uint64_t at = segment.begin + done_[index].load();
    if (data.size() > segment.end - at) {
        return Error{Code::kDataLoss, task_.name + ": the host sends more than it was asked for"};
    }
    while (!data.empty()) {
        const ssize_t count = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(at));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return disk_error(partial_path(task_.target), count == 0 ? ENOSPC : errno);
        }
        data.remove_prefix(static_cast<size_t>(count));
        at += static_cast<uint64_t>(count);
        done_[index] = at - segment.begin;
    }
    return ok();
}

void PartialFile::join() {
    journal_.segments = {{0, task_.size, 0}};
    done_ = std::make_unique<std::atomic<uint64_t>[]>(1);
}

Status PartialFile::checkpoint() {
    for (size_t i = 0; i < journal_.segments.size(); ++i) {
        journal_.segments[i].done = done_[i].load();
    }
    if (::fdatasync(fd_) != 0) {
        return disk_error(partial_path(task_.target), errno);
    }
    return journal_.write(journal_path(task_.target));
}

Status PartialFile::verify(const std::function<void(uint64_t)>& on_done, const std::stop_token& stop) {
    if (task_.checksum.kind == ChecksumKind::kNone) {
        return ok();
    }
    const bool git = task_.checksum.kind == ChecksumKind::kGitSha1;
    crypto::Digest digest(git ? crypto::Digest::Kind::kSha1 : crypto::Digest::Kind::kSha256);
    if (git) {
        const std::string head = "blob " + std::to_string(task_.size);
        digest.update(std::string_view(head.c_str(), head.size() + 1));
    }
    std::string block(kBlock, '\0');
    for (uint64_t at = 0; at < task_.size;) {
        if (stop.stop_requested()) {
            return Error{Code::kCancelled, "the download was stopped"};
        }
        const ssize_t count = ::pread(fd_, block.data(), block.size(), static_cast<off_t>(at));
        if (count <= 0) {
            return Error{Code::kDataLoss, "cannot read back " + partial_path(task_.target).string()};
        }
        digest.update(std::string_view(block).substr(0, static_cast<size_t>(count)));
        at += static_cast<uint64_t>(count);
        on_done(at);
    }
    const std::string got = digest.hex();
    if (got != task_.checksum.hex) {
        return Error{Code::kDataLoss,
                     task_.name + " is damaged: its checksum is " + got + ", not " + task_.checksum.hex,
                     "a proxy or mirror may have changed it; it was deleted"};
    }
    return ok();
}

Status PartialFile::publish() {
    if (::fsync(fd_) != 0) {
        return disk_error(partial_path(task_.target), errno);
    }
    std::error_code ec;
    fs::rename(partial_path(task_.target), task_.target, ec);
    if (ec) {
        return disk_error(task_.target, ec.value());
    }
    sync_folder(task_.target.parent_path());
    fs::remove(journal_path(task_.target), ec);
    return ok();
}

void PartialFile::discard() {
    std::error_code ec;
    fs::remove(journal_path(task_.target), ec);
    fs::remove(partial_path(task_.target), ec);
}

}  // namespace gantry::download
