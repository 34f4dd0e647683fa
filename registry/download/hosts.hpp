#pragma once

/// Which addresses may be asked: the list of hosts, and no plain HTTP but where it is meant.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::download {

struct UrlParts {
    std::string scheme;  ///< "http" or "https"
    std::string host;    ///< lower case
    std::string port;    ///< also where the URL has none

    /// Whether both are one server: what is meant for one of them (a token) may go to the other.
    bool same_origin(const UrlParts& other) const {
        return scheme == other.scheme && host == other.host && port == other.port;
    }
};

/// kInvalidArgument for what is no http or https URL, and for one with a user's name in it.
Result<UrlParts> parse_url(std::string_view url);

/// `location` as a page at `base` means it.
Result<std::string> join_url(const std::string& base, const std::string& location);

/// A path with what is between its slashes percent-encoded.
std::string encode_path(std::string_view path);

/// Whether a URL may be asked. A host is written "name", "*.name" (all below name), or "http://name" where it may be
/// asked without encryption too; this machine itself needs no "http://". kPermissionDenied names the host.
Status check_url(std::string_view url, const std::vector<std::string>& hosts);

}  // namespace gantry::download
