#pragma once

/// What a hub says that a repository holds. One function a hub; the rest is the same for all.

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/download/file_download.hpp"
#include "registry/reference.hpp"
#include "registry/sources/settings.hpp"

namespace gantry::sources {

struct RemoteFile {
    std::string path;  ///< in the repository; safe to use below a folder
    uint64_t size = 0;
    download::Checksum checksum;
    std::string blob;  ///< the name of its data in a cache: the hub's etag
    std::vector<download::FileSource> sources;
};

struct Listing {
    std::string commit;  ///< a name for exactly these files
    std::vector<RemoteFile> files;
};

/// The files of a repository (or tag, or the one file of a URL). Blocks. kNotFound, kUnauthenticated and
/// kPermissionDenied as the hub says; kDataLoss for what cannot be understood.
Result<Listing> list_files(download::HttpClient& client, const Settings& settings, const registry::Reference& reference,
                           const std::stop_token& stop);

// One a hub, for list_files().
Result<Listing> list_hugging_face(download::HttpClient& client, const Settings& settings,
                                  const registry::Reference& reference, const std::stop_token& stop);
Result<Listing> list_model_scope(download::HttpClient& client, const Settings& settings,
                                 const registry::Reference& reference, const std::stop_token& stop);
Result<Listing> list_ollama(download::HttpClient& client, const Settings& settings,
                            const registry::Reference& reference, const std::stop_token& stop);
Result<Listing> list_url(download::HttpClient& client, const registry::Reference& reference,
                         const std::stop_token& stop);

/// Whether `text` is so many hexadecimal digits, in lower case.
bool is_hex(std::string_view text, size_t digits);

}  // namespace gantry::sources
