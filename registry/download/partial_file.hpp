#pragma once

/// The unfinished form of a file with its journal.

#include <atomic>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <vector>

#include "registry/download/file_download.hpp"
#include "registry/download/journal.hpp"

namespace gantry::download {

/// Used by one thread, but for what write() says.
class PartialFile {
  public:
    /// Opens what an earlier call left, or begins anew; reserves the space. kResourceExhausted where there is none.
    static Result<std::unique_ptr<PartialFile>> open(const FileTask& task, uint32_t ranges);
    ~PartialFile();
    PartialFile(const PartialFile&) = delete;
    PartialFile& operator=(const PartialFile&) = delete;

    const std::vector<Segment>& segments() const { return journal_.segments; }
    /// Bytes that are written, of all segments or of one.
    uint64_t written() const;
    uint64_t written(size_t segment) const { return done_[segment].load(); }
    /// Any thread: puts data behind what segment `index` has. kDataLoss where that is more than it may hold.
    Status write(size_t index, std::string_view data);
    /// Forgets what a segment has.
    void restart(size_t segment) { done_[segment] = 0; }
    /// Makes one segment of all, with nothing in it: for servers that give whole files only.
    void join();

    /// Syncs, then notes what is there.
    Status checkpoint();
    /// Compares with the checksum; kDataLoss, kCancelled. `on_done` gets the bytes that are looked at.
    Status verify(const std::function<void(uint64_t)>& on_done, const std::stop_token& stop);
    /// Gives the file its name.
    Status publish();
    /// Deletes it.
    void discard();

    /// Where the journal of a target lies.
    static std::filesystem::path journal_path(const std::filesystem::path& target);

  private:
    PartialFile(const FileTask& task, int fd, Journal journal);
    Status reserve() const;

    const FileTask& task_;
    int fd_;
    Journal journal_;
    std::unique_ptr<std::atomic<uint64_t>[]> done_;
};

}  // namespace gantry::download
