#pragma once

/// One file from the network to its place: in parallel parts, resumable at any moment, checked before it is there.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/download/http_client.hpp"

namespace gantry::download {

enum class ChecksumKind {
    kNone,
    kSha256,   ///< of the file
    kGitSha1,  ///< of "blob SIZE\0" and the file, as git names it
};

struct Checksum {
    ChecksumKind kind = ChecksumKind::kNone;
    std::string hex;  ///< lower case
};

/// One of the places where a file can be had.
struct FileSource {
    std::string url;
    std::string token;  ///< see HttpRequest
};

struct FileTask {
    std::string name;                 ///< for messages
    std::vector<FileSource> sources;  ///< in order of preference, at least one
    uint64_t size = 0;                ///< bytes
    Checksum checksum;
    std::string identity;          ///< a word: the checksum or an etag, for the journal
    std::filesystem::path target;  ///< its unfinished form and the journal lie beside it
    std::filesystem::path lock;
    int priority = 0;
};

enum class FileStage { kWaiting, kDownloading, kVerifying };

struct FileProgress {
    FileStage stage = FileStage::kDownloading;
    uint64_t done = 0, total = 0;  ///< bytes
};

/// Returns when the file is at its target; at once where it is there. Blocks; `on_progress` is called on this thread a
/// few times a second. When stopped (kCancelled) or after an error what came stays, and the next call goes on with it;
/// data that turn out to be wrong are deleted. kResourceExhausted: the disk is full, found before the transfer where
/// that can be told; kDataLoss: the data are not what the checksum says; else the last source's error.
Status download_file(HttpClient& client, const FileTask& task,
                     const std::function<void(const FileProgress&)>& on_progress, const std::stop_token& stop);

}  // namespace gantry::download
