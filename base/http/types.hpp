#pragma once

/// Requests and responses as the rest of the program sees them; no Beast type appears outside base/http/*.cpp.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace gantry::http {

/// Header fields in order; names compare without case.
class Headers {
  public:
    void set(std::string_view name, std::string_view value);  ///< replaces
    void add(std::string_view name, std::string_view value);
    std::optional<std::string_view> find(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
    std::string method = "GET";
    std::string target;                                      ///< as sent: path and query
    std::string path;                                        ///< percent-decoded
    std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in order
    Headers headers;
    std::string body;
    std::string peer;  ///< "127.0.0.1:50412" or "unix"

    std::optional<std::string_view> query_value(std::string_view name) const;
};

struct Response {
    int status = 200;
    Headers headers;
    std::string body;
};

/// Where a server listens or a client connects: "unix:/run/x.sock" or "host:port".
struct Endpoint {
    bool unix_socket = false;
    std::string host;  ///< the path, for Unix sockets
    uint16_t port = 0;
    std::string text() const;
    /// The inverse of text(); "[::1]:80" for IPv6. kInvalidArgument names what is wrong.
    static Result<Endpoint> parse(std::string_view text);
};

/// Decodes %XX (and, in a query, '+'); nullopt for a broken escape or a NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

/// Encodes everything but unreserved characters, for use as one path segment or query value.
std::string percent_encode(std::string_view text);

/// The path as a target has it: not decoded, without a proxy's "http://host", query and fragment.
std::string_view raw_path(std::string_view target);

/// Fills path and query from target; kInvalidArgument for a broken escape, a NUL or what is not UTF-8.
/// (Names of models and the like, which answers repeat as JSON.)
Status split_target(Request& request);

struct ServerLimits {
    size_t max_header_bytes = 64 * 1024;
    size_t max_body_bytes = 32 * 1024 * 1024;
    std::chrono::milliseconds header_timeout{30'000};  ///< from the first byte; also for a new connection's silence
    std::chrono::milliseconds body_timeout{120'000};
    std::chrono::milliseconds idle_timeout{75'000};   ///< between requests on a kept-alive connection
    std::chrono::milliseconds write_timeout{60'000};  ///< one write to a client that does not read
    size_t max_connections = 20'000;
};

}  // namespace gantry::http
