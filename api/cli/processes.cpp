/// gantry serve, and the two processes that it starts: runner and probe.

#include <unistd.h>

#include <optional>

#include "api/cli/command_list.hpp"
#include "api/cli/settings.hpp"
#include "api/cli/terminal.hpp"
#include "api/dialects/routes.hpp"
#include "api/http/server_app.hpp"
#include "api/http/server_settings.hpp"
#include "base/config.hpp"
#include "base/paths.hpp"
#include "runtime/fleet/managed_fleet.hpp"
#include "runtime/fleet/model_pull.hpp"
#include "runtime/plugins/probe.hpp"
#include "runtime/runner/runner.hpp"

namespace gantry::cli {

Result<config::Config> read_config(const Arguments& args) {
    config::Sources sources;
    if (const auto file = args.value("config")) {
        sources.file = *file;
    } else if (const auto usual = paths::config_dir() / "gantry.toml"; std::filesystem::exists(usual)) {
        sources.file = usual;
    }
    sources.environment = config::gantry_environment();
    for (const auto& [option, key] : {std::pair{"host", "server.host"}, std::pair{"port", "server.port"}}) {
        if (const auto value = args.value(option)) {
            sources.flags.emplace_back(key, *value);
        }
    }
    for (const auto& pair : args.values("set")) {
        const auto eq = pair.find('=');
        if (eq == std::string::npos) {
            return Error{Code::kInvalidArgument, "--set takes KEY=VALUE, not \"" + pair + "\""};
        }
        sources.flags.emplace_back(pair.substr(0, eq), pair.substr(eq + 1));
    }
    return config::Config::load(config::gantry_keys(), sources);
}

int cmd_serve(const Arguments& args) {
    const auto config = read_config(args);
    if (!config) {
        return fail(config.error());
    }
    constexpr long kMaxFd = 1 << 20;
    const auto die_with = args.number("die-with", -1, 0, kMaxFd);
    if (!die_with) {
        return fail(die_with.error());
    }
    const auto puller = std::make_shared<sources::Puller>(api::download_settings(*config));
    api::ServerParts parts;
    parts.puller = puller;
    parts.make_fleet = [puller](const boost::asio::any_io_executor& executor, fleet::FleetOptions options) {
        const fleet::ManagedOptions managed{options.state, options.keep_alive};
        return fleet::make_managed_fleet(executor, fleet::make_local_fleet(executor, std::move(options), puller),
                                         managed);
    };
    parts.routes = dialects::all_routes();
    parts.read_config = [args] { return read_config(args); };
    parts.die_with_fd = static_cast<int>(*die_with);
    auto app = api::ServerApp::create(*config, std::move(parts));
    return app ? (*app)->run() : fail(app.error());
}

int cmd_runner(const Arguments&) { return runner::run_runner(runner::kSpecFd, runner::kStatusFd); }

int cmd_probe(const Arguments&) { return plugins::run_probe(STDIN_FILENO, STDOUT_FILENO); }

}  // namespace gantry::cli
