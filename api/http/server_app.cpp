#include "api/http/server_app.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "api/auth/authenticator.hpp"
#include "api/auth/sqlite_key_store.hpp"
#include "api/http/core_routes.hpp"
#include "api/http/downloads.hpp"
#include "api/http/router.hpp"
#include "api/http/server_settings.hpp"
#include "api/http/state_file.hpp"
#include "api/http/telemetry.hpp"
#include "base/http/server.hpp"
#include "base/log.hpp"
#include "base/paths.hpp"
#include "base/version.hpp"

namespace gantry::api {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

/// What the last spans get on the way out.
constexpr std::chrono::seconds kFlushTime{2};

std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

fs::path state_folder(const config::Config& config) {
    const std::string& folder = config.string("paths.state_dir");
    return folder.empty() ? paths::state_dir() : fs::path(folder);
}

/// A server that ends with the program that started it remembers nothing, nor brings models of others back.
StateFile open_state(const config::Config& config, const ServerParts& parts) {
    if (parts.die_with_fd >= 0) {
        return StateFile::forgetful();
    }
    return StateFile::open(state_folder(config));
}

fleet::FleetOptions options_with(const config::Config& config, StateFile& state) {
    fleet::FleetOptions options = fleet_options(config);
    if (state.keeps_launches() && config.boolean("fleet.restore")) {
        options.state = &state.database();
    }
    return options;
}

/// "name=value" each; what has no "=" maps every name.
std::vector<std::pair<std::string, std::string>> pairs_from(const std::vector<std::string>& list) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const std::string& entry : list) {
        const size_t equals = entry.find('=');
        if (equals == std::string::npos) {
            out.emplace_back("*", entry);
        } else {
            out.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
        }
    }
    return out;
}

/// The built-in catalog with the user's own entries behind it; a broken file of the user's costs only itself.
registry::Catalog read_catalog(const fleet::FleetOptions& options) {
    registry::Catalog all;
    std::vector<fs::path> folders{fs::path(options.share_dir) / "catalog"};
    folders.insert(folders.end(), options.catalog_dirs.begin(), options.catalog_dirs.end());
    for (const fs::path& folder : folders) {
        auto part = registry::Catalog::load(folder);
        if (!part) {
            log::error("the catalog in {} cannot be read: {}", folder.string(), part.error().text());
            continue;
        }
        for (const registry::CatalogEntry& entry : part->entries()) {
            if (const auto added = all.add(entry); !added) {
                log::warn("{}", added.error().text());
            }
        }
    }
    return all;
}

/// Where nothing can be written and no keys are, a server works all the same.
Result<std::unique_ptr<KeyStore>> key_store(const fs::path& file) {
    auto store = open_key_store(file);
    std::error_code unknown;
    if (!store && store.error().code == Code::kPermissionDenied && !fs::exists(file, unknown) && !unknown) {
        log::warn("API keys will not outlive this server: {}", store.error().text());
        return std::unique_ptr<KeyStore>(std::make_unique<MemoryKeyStore>());
    }
    return store;
}

}  // namespace

fleet::FleetOptions fleet_options(const config::Config& config) {
    fleet::FleetOptions options;
    options.program = paths::program().string();
    options.share_dir = paths::share_dir().string();
    options.plugin_dirs = config.list("paths.plugin_dirs");
    // The environment's folders are in the configuration already; the program's own come last.
    options.plugin_dirs.push_back((paths::program().parent_path().parent_path() / "lib/gantry/plugins").string());
    options.catalog_dirs = config.list("paths.catalog_dirs");
    options.catalog_dirs.push_back((paths::config_dir() / "catalog").string());
    options.runtime_dir =
        config.string("paths.runtime_dir").empty() ? paths::runtime_dir().string() : config.string("paths.runtime_dir");
    options.memory_limit = static_cast<uint64_t>(config.integer("fleet.memory_limit"));
    options.threads = static_cast<uint32_t>(config.integer("fleet.threads"));
    options.restart_limit = static_cast<int>(config.integer("fleet.restart_limit"));
    options.restart_window = std::chrono::seconds(config.integer("fleet.restart_window_s"));
    options.load_watchdog = std::chrono::seconds(config.integer("fleet.load_timeout_s"));
    options.keep_alive = std::chrono::seconds(config.integer("fleet.keep_alive_s"));
    options.sandbox = config.boolean("fleet.sandbox");
    options.state_dir = (state_folder(config) / "prefixes").string();
    for (const char* name : {"queue_limit", "priority_ageing_s", "swap_mib", "cache_host_mib"}) {
        options.scheduling[name] = std::to_string(config.integer(std::string("scheduler.") + name));
    }
    options.scheduling["share_weights"] = fmt::format("{}", fmt::join(config.list("scheduler.share_weights"), ","));
    options.scheduling["prefix_cache"] = config.boolean("scheduler.prefix_cache") ? "true" : "false";
    return options;
}

/// Members in the order of their making; they go in the reverse one.
struct ServerApp::Impl {
    Impl(const config::Config& c, ServerParts p, std::unique_ptr<Authenticator> a)
        : settings(c),
          parts(std::move(p)),
          state(open_state(c, parts)),
          options(options_with(c, state)),
          catalog(read_catalog(options)),
          fleet(parts.make_fleet(io.get_executor(), options)),
          auth(std::move(a)),
          services(*fleet, metrics, catalog),
          router(services, tables()),
          server(
              io,
              [this](http::Request request, http::Responder& responder) {
                  return router.handle(std::move(request), responder);
              },
              server_limits(c)),
          signals(io),
          lifeline(io) {
        server.set_refusal_form([this](const auto& r, int s, const Error& e) { return router.refusal(r, s, e); });
        services.state = &state.database();
        services.stop = [this] {
            if (!services.draining) {
                begin_stop("asked to over HTTP");
            }
        };
        services.auth = auth.get();
        services.state_dir = state_folder(c).string();
        services.kept<Downloads>().puller = parts.puller;
        take_over(c);
        observe_fleet(services);
    }

    /// Settings that need no more than to be known.
    void take_over(const config::Config& from) {
        services.access_log = from.boolean("log.access");
        services.cors_origins = from.list("server.cors_origins");
        services.anthropic_models = pairs_from(from.list("anthropic.models"));
        drain_timeout = std::chrono::seconds(from.integer("server.drain_timeout_s"));
    }

    std::vector<RouteTable> tables() const {
        std::vector<RouteTable> all = core_routes();
        all.insert(all.end(), parts.routes.begin(), parts.routes.end());
        return all;
    }

    Status listen();
    void wait_for_signal();
    void watch_lifeline();
    void begin_stop(const std::string& why);
    void reload();
    Status apply(const config::Config& fresh);
    void unwind();
    asio::awaitable<void> way_out();

    config::Config settings;  ///< as they hold now
    ServerParts parts;
    asio::io_context io{1};
    StateFile state;
    fleet::FleetOptions options;
    registry::Catalog catalog;
    metrics::Registry metrics;
    std::unique_ptr<fleet::Fleet> fleet;
    std::unique_ptr<Authenticator> auth;
    std::optional<Telemetry> telemetry;
    Services services;
    Router router;
    http::Server server;
    asio::signal_set signals;
    asio::posix::stream_descriptor lifeline;
    std::array<char, 16> lifeline_bytes{};
    std::chrono::milliseconds drain_timeout{};
    bool encrypted = false;
    int exit_code = 0;
};

Status ServerApp::Impl::listen() {
    const config::Config& config = settings;
    const std::string& host = config.string("server.host");
    const bool guarded = auth->required() && auth->has_credentials();
    const bool open_to_all = is_loopback(host) || config.boolean("server.allow_public");
    if (!open_to_all && !guarded) {
        return Error(Code::kPermissionDenied,
                     "the server will not listen on " + host + " (" + config.origin("server.host") +
                         "): other machines could reach it, and it asks nobody for a key",
                     "make a key (gantry keys create NAME --scope admin) or set auth.admin_key; server.allow_public = "
                     "true lets anybody in");
    }
    if (!open_to_all) {
        auth->always();
    }
    GANTRY_TRY(std::shared_ptr<http::TlsContext> tls, server_tls(config));
    if (!tls && !is_loopback(host)) {
        log::warn("what goes to {} is not encrypted: set server.tls_certificate, or put a proxy before it", host);
    }
    encrypted = tls != nullptr;
    server.set_tls(std::move(tls));
    GANTRY_CHECK_OK(server.listen({false, host, static_cast<uint16_t>(config.integer("server.port"))}));
    if (const std::string& path = config.string("server.unix_socket"); !path.empty()) {
        GANTRY_CHECK_OK(server.listen({true, path, 0}));
    }
    services.address = server.endpoints().front().text();
    return ok();
}

void ServerApp::Impl::wait_for_signal() {
    signals.async_wait([this](const boost::system::error_code& error, int number) {
        if (error) {
            return;
        }
        if (number == SIGHUP) {
            reload();
        } else {
            begin_stop(number == SIGINT ? "SIGINT" : "SIGTERM");
        }
        wait_for_signal();
    });
}

void ServerApp::Impl::watch_lifeline() {
    lifeline.async_read_some(asio::buffer(lifeline_bytes), [this](const boost::system::error_code& error, size_t) {
        if (!error) {
            watch_lifeline();
        } else if (error != asio::error::operation_aborted) {
            begin_stop("the program that started it has ended");
        }
    });
}

void ServerApp::Impl::begin_stop(const std::string& why) {
    if (services.draining) {
        log::warn("stopping at once: {}", why);
        exit_code = 1;
        io.stop();
        return;
    }
    services.draining = true;
    log::info("stopping: {}", why);
    asio::co_spawn(io, way_out(), asio::detached);
}

asio::awaitable<void> ServerApp::Impl::way_out() {
    co_await server.drain(drain_timeout);
    if (telemetry) {
        co_await telemetry->flush(kFlushTime);
    }
    co_await fleet->stop_all();
    io.stop();
}

/// All or nothing: what can fail comes first.
Status ServerApp::Impl::apply(const config::Config& fresh) {
    GANTRY_TRY(const log::Level level, log::level_from_name(fresh.string("log.level")));
    GANTRY_TRY(std::shared_ptr<http::TlsContext> tls, server_tls(fresh));
    if ((tls != nullptr) != encrypted) {
        return Error(Code::kFailedPrecondition, "TLS can be begun or ended only at the next start");
    }
    GANTRY_TRY(AuthOptions options, auth_options(fresh));
    GANTRY_CHECK_OK(auth->reconfigure(std::move(options)));
    log::setup(level, settings.string("log.format") == "json" ? log::Format::kJson : log::Format::kText);
    server.set_tls(std::move(tls));
    server.set_limits(server_limits(fresh));
    take_over(fresh);
    return ok();
}

void ServerApp::Impl::reload() {
    if (!parts.read_config) {
        return;
    }
    auto fresh = parts.read_config();
    if (!fresh) {
        log::error("the configuration stays as it is: {}", fresh.error().text());
        return;
    }
    if (const auto applied = apply(*fresh); !applied) {
        log::error("the configuration stays as it is: {}", applied.error().text());
        return;
    }
    for (const std::string& key : fresh->changed(settings)) {
        if (reloadable(key)) {
            log::info("{} has a new value", key);
        } else {
            log::warn("{} has a new value, which takes effect at the next start", key);
        }
    }
    settings = std::move(*fresh);
    log::info("the configuration has been read anew");
}

/// Lets what still waits end while the objects that it refers to exist.
void ServerApp::Impl::unwind() {
    constexpr int kRounds = 200;
    server.stop();
    io.restart();
    for (int i = 0; i < kRounds && server.connections() > 0; ++i) {
        io.run_one_for(std::chrono::milliseconds(10));
    }
}

ServerApp::ServerApp(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ServerApp::~ServerApp() = default;

Result<std::unique_ptr<ServerApp>> ServerApp::create(const config::Config& config, ServerParts parts) {
    GANTRY_TRY(const log::Level level, log::level_from_name(config.string("log.level")));
    log::setup(level, config.string("log.format") == "json" ? log::Format::kJson : log::Format::kText);
    for (const std::string& warning : config.warnings()) {
        log::warn("{}", warning);
    }
    GANTRY_TRY(std::optional<TelemetryOptions> telemetry, telemetry_options(config, environment));
    GANTRY_TRY(AuthOptions auth, auth_options(config));
    GANTRY_TRY(std::unique_ptr<KeyStore> keys, key_store(key_file(config)));
    GANTRY_TRY(auto authenticator, Authenticator::create(std::move(auth), std::move(keys)));
    auto impl = std::make_unique<Impl>(config, std::move(parts), std::move(authenticator));
    if (telemetry) {
        log::info("traces go to http://{}{}", telemetry->collector.text(), telemetry->path);
        impl->telemetry.emplace(impl->io.get_executor(), std::move(*telemetry), impl->metrics);
        impl->services.telemetry = &*impl->telemetry;
    }
    GANTRY_CHECK_OK(impl->listen());
    return std::unique_ptr<ServerApp>(new ServerApp(std::move(impl)));
}

std::vector<http::Endpoint> ServerApp::endpoints() const { return impl_->server.endpoints(); }

int ServerApp::run() {
    std::signal(SIGPIPE, SIG_IGN);
    impl_->signals.add(SIGINT);
    impl_->signals.add(SIGTERM);
    if (impl_->parts.read_config) {
        impl_->signals.add(SIGHUP);
    }
    impl_->wait_for_signal();
    if (impl_->parts.die_with_fd >= 0) {
        ::fcntl(impl_->parts.die_with_fd, F_SETFD, FD_CLOEXEC);
        impl_->lifeline.assign(impl_->parts.die_with_fd);
        impl_->watch_lifeline();
    }
    impl_->server.start();
    for (const http::Endpoint& endpoint : endpoints()) {
        const char* scheme = endpoint.unix_socket ? "" : impl_->encrypted ? "https://" : "http://";
        log::info("gantry {} listens on {}{}", kVersion, scheme, endpoint.text());
    }
    impl_->io.run();
    impl_->unwind();
    log::info("stopped");
    return impl_->exit_code;
}

void ServerApp::stop() {
    asio::post(impl_->io, [this] { impl_->begin_stop("asked to"); });
}

void ServerApp::reload() {
    asio::post(impl_->io, [this] { impl_->reload(); });
}

}  // namespace gantry::api
