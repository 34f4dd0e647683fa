#include "registry/download/hosts.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "base/http/types.hpp"

namespace gantry::download {
namespace {

struct FreeUrl {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
        return {};
    }
    const std::unique_ptr<char, void (*)(void*)> owned(text, curl_free);
    return text;
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

bool is_loopback(std::string_view host) { return host == "localhost" || host == "[::1]" || host.starts_with("127."); }

bool names(std::string_view pattern, std::string_view host) {
    if (pattern.starts_with("*.")) {
        return host.size() >= pattern.size() && host.ends_with(pattern.substr(1));
    }
    return host == pattern;
}

}  // namespace

Result<UrlParts> parse_url(std::string_view text) {
    const Error bad{Code::kInvalidArgument, "\"" + std::string(text.substr(0, 200)) + "\" is no http or https URL"};
    const Url url(curl_url());
    if (!url || curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK) {
        return bad;
    }
    UrlParts parts;
    parts.scheme = part_of(url.get(), CURLUPART_SCHEME);
    parts.host = lower(part_of(url.get(), CURLUPART_HOST));
    parts.port = part_of(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
    const bool web = parts.scheme == "http" || parts.scheme == "https";
    if (!web || parts.host.empty() || !part_of(url.get(), CURLUPART_USER).empty()) {
        return bad;
    }
    return parts;
}

Result<std::string> join_url(const std::string& base, const std::string& location) {
    const Url url(curl_url());
    if (!url || curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
        curl_url_set(url.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) {
        return Error{Code::kUnavailable, base + " redirects to what is no URL"};
    }
    return part_of(url.get(), CURLUPART_URL);
}

std::string encode_path(std::string_view path) {
    std::string out;
    while (true) {
        const size_t slash = path.find('/');
        out += http::percent_encode(path.substr(0, slash));
        if (slash == std::string_view::npos) {
            return out;
        }
        out += '/';
        path.remove_prefix(slash + 1);
    }
}

Status check_url(std::string_view text, const std::vector<std::string>& hosts) {
    GANTRY_TRY(const UrlParts url, parse_url(text));
    constexpr std::string_view kPlain = "http://";
    bool known = false;
    bool plain = is_loopback(url.host);
    for (std::string_view pattern : hosts) {
        const bool allows_plain = pattern.starts_with(kPlain);
        pattern.remove_prefix(allows_plain ? kPlain.size() : 0);
        const bool fits = names(lower(std::string(pattern)), url.host);
        known |= fits;
        plain |= fits && allows_plain;
    }
    if (!known) {
        return Error{Code::kPermissionDenied, "downloads may not reach the host " + url.host,
                     "add it to registry.hosts if you trust it"};
    }
    if (url.scheme == "http" && !plain) {
        return Error{Code::kPermissionDenied, "downloads from " + url.host + " must be encrypted (https)",
                     "\"http://" + url.host + "\" in registry.hosts lets it be asked without"};
    }
    return ok();
}

}  // namespace gantry::download
