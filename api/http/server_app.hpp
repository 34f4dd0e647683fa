#pragma once

/// The server as a whole: configuration → fleet → routes → sockets, and the way out on SIGTERM. `gantry serve` is
///
///     auto app = api::ServerApp::create(config, {fleet::make_local_fleet, dialects::all_routes()});
///     return app ? (*app)->run() : fail(app.error());

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "api/http/route.hpp"
#include "base/config.hpp"
#include "base/http/types.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::sources {
class Puller;
}

namespace gantry::api {

/// The parts that the server is made of; this folder knows neither the dialects nor how a fleet is made.
struct ServerParts {
    std::function<std::unique_ptr<fleet::Fleet>(boost::asio::any_io_executor, fleet::FleetOptions)> make_fleet;
    std::vector<RouteTable> routes;
    std::shared_ptr<sources::Puller> puller;              ///< for requests that download; null: they cannot
    std::function<Result<config::Config>()> read_config;  ///< for SIGHUP; empty: it is not heeded
    int die_with_fd = -1;                                 ///< the server ends when this descriptor's other end closes
};

/// What the configuration says about the fleet, with paths filled in.
fleet::FleetOptions fleet_options(const config::Config& config);

class ServerApp {
  public:
    /// Sets up the log, reads the keys and the catalog, and listens. A host that is no loopback address is refused
    /// unless callers must show a key, or server.allow_public is set.
    static Result<std::unique_ptr<ServerApp>> create(const config::Config& config, ServerParts parts);
    ~ServerApp();

    /// Where it listens; with port 0, the port that the system chose.
    std::vector<http::Endpoint> endpoints() const;

    /// Serves until SIGTERM, SIGINT, stop() or the end of die_with_fd; then finishes what runs
    /// (server.drain_timeout_s), stops all models and returns 0. A second signal ends it at once, with 1.
    int run();
    /// Begins the way out; any thread.
    void stop();
    /// What SIGHUP does; any thread. Reads the configuration anew and takes over what can change while the server runs:
    /// keys and users, limits, pages, the log's level, the certificate. Where anything of it is wrong the log says so
    /// and all stays as it is; settings that wait for the next start are named there too.
    void reload();

  private:
    struct Impl;
    explicit ServerApp(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::api
