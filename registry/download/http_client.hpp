#pragma once

/// HTTP for downloads: one thread that owns all transfers of a process (libcurl's multi interface), and so can keep the
/// rate limit and the order of importance among them. No libcurl type appears here.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::download {

struct NetworkSettings {
    bool offline = false;                          ///< nothing is asked, everything gives kFailedPrecondition
    std::vector<std::string> hosts;                ///< which may be asked, redirects included; see check_url()
    std::string ca_file;                           ///< PEM; empty: the system's certificates
    std::string proxy;                             ///< URL; empty: as http_proxy, https_proxy and no_proxy say
    uint64_t bytes_per_second = 0;                 ///< of all transfers together; 0: no limit
    uint32_t ranges = 4;                           ///< parts of one file at once
    std::chrono::seconds connect_timeout{20};      ///< until a host is connected to
    std::chrono::seconds stall_timeout{30};        ///< without a byte
    uint32_t attempts = 6;                         ///< tries without any progress
    std::chrono::milliseconds first_backoff{500};  ///< doubled with each try, up to 30 s
};

struct HttpRequest {
    std::string url;
    std::vector<std::string> headers;  ///< "Name: value"
    std::string token;                 ///< sent as bearer to the URL's own origin, never to where it redirects
    bool head = false;
    std::optional<uint64_t> first{}, last{};  ///< bytes, both inclusive; `first` alone: from there to the end
    int priority = 0;                         ///< greater goes first where the rate is limited
};

struct HttpReply {
    long status = 0;
    std::string url;  ///< that answered in the end
    /// In lower case. Of a redirect only those are kept that a hub tells about a file (x-linked-*, x-repo-commit).
    std::map<std::string, std::string> headers;
    std::string text;  ///< the body's beginning where the status is no success

    std::string header(const std::string& name) const;
    /// Seconds that Retry-After asks to wait for; nullopt where it does not.
    std::optional<uint32_t> retry_after() const;
};

/// Whom an error answer comes from and what it says, as an Error: 401 and 403, 404, 429 and 5xx have codes of their
/// own.
Error reply_error(const HttpReply& reply);

class HttpClient {
  public:
    /// Called on the client's thread with the head and a piece of the body of an answer with a status of success;
    /// false ends the transfer with kCancelled.
    using OnBody = std::function<bool(const HttpReply&, std::string_view)>;
    /// Called once on the client's thread.
    using OnEnd = std::function<void(Result<HttpReply>)>;
    struct Transfer;

    explicit HttpClient(NetworkSettings settings);
    /// Ends all transfers; their OnEnd has been called when it returns.
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// Any thread. kUnavailable: no connection or a broken one; kDeadlineExceeded: it stalled; kPermissionDenied: a
    /// host that may not be asked; kDataLoss: cut short. Each status is a success here.
    std::shared_ptr<Transfer> start(HttpRequest request, OnBody on_body, OnEnd on_end);
    /// Any thread; OnEnd follows with kCancelled, unless the transfer has ended.
    void cancel(const std::shared_ptr<Transfer>& transfer);

    /// Waits for a whole answer; its body is in `text` whatever the status. Tries again as `attempts` says where that
    /// may help. kTooLarge beyond `limit` bytes, kCancelled when stopped.
    Result<HttpReply> get(const HttpRequest& request, std::stop_token stop, size_t limit = size_t{64} << 20);

    const NetworkSettings& settings() const;

  private:
    Result<HttpReply> get_once(const HttpRequest& request, const std::stop_token& stop, size_t limit);

    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Waits before try number `tried` + 1; false when stopped meanwhile.
bool back_off(const NetworkSettings& settings, uint32_t tried, std::optional<uint32_t> retry_after,
              const std::stop_token& stop);

}  // namespace gantry::download
