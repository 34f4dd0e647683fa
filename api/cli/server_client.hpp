#pragma once

/// The commands' way to a server: blocking calls over base/http's client, and a server of one's own where none runs.

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/cli/options.hpp"
#include "base/http/tls.hpp"
#include "base/http/types.hpp"
#include "base/result.hpp"

namespace gantry::cli {

/// How a server is reached.
struct ServerAddress {
    http::Endpoint endpoint;
    std::shared_ptr<http::TlsTrust> trust;  ///< null: plain HTTP
};

/// Talks to one server. Not thread-safe; each call runs its own event loop.
class ServerClient {
  public:
    /// `api_key` goes with every call; empty: none.
    explicit ServerClient(ServerAddress address, std::string api_key = {});
    ~ServerClient();

    /// From --server, else GANTRY_SERVER, else 127.0.0.1:9997; the key from --api-key, else GANTRY_API_KEY; whom to
    /// believe where it is https:// from --ca-file, else GANTRY_CA_FILE, else as the machine does.
    static Result<ServerClient> from(const Arguments& args);
    ServerClient(ServerClient&&) noexcept;

    /// One to the same server, for another thread.
    ServerClient another() const;

    const http::Endpoint& endpoint() const;
    bool encrypted() const;

    /// One JSON call. An error answer becomes its Error (message, hint); nobody listening gives kUnavailable that says
    /// how to start a server.
    Result<boost::json::value> call(std::string method, std::string target,
                                    std::optional<boost::json::value> body = std::nullopt);

    /// POSTs and hands over the data of each server-sent event until [DONE]. Ctrl-C stops the answer and gives
    /// kCancelled. `on_data` returning false stops too.
    Status stream(std::string target, const boost::json::value& body,
                  const std::function<bool(std::string_view)>& on_data);

    /// GETs and hands over each line, with its end, as it comes. Ctrl-C stops and gives kCancelled.
    Status read(std::string target, const std::function<void(std::string_view)>& on_line);

    /// Whether a server answers.
    bool alive();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// A server process started by this command.
class OwnServer {
  public:
    /// Starts `gantry serve` for the client's endpoint and waits until it answers. It ends with this object, and when
    /// this process dies, unless `keep`. Errors carry the end of its log.
    static Result<std::unique_ptr<OwnServer>> start(ServerClient& client, bool keep);
    ~OwnServer();

  private:
    OwnServer() = default;
    int pid_ = -1;
    int death_fd_ = -1;
};

/// Launches `model` (unless it runs already under that name) and waits until it is ready, with progress. Returns the
/// uid.
Result<std::string> ensure_launched(ServerClient& client, boost::json::object launch, bool quiet, bool reuse);

}  // namespace gantry::cli
