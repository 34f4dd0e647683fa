// The parts of the gantry command that a fleet starts, for tests that need real processes, and a server that can be
// killed.

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <iostream>
#include <string>
#include <string_view>

#include "runtime/fleet/fleet.hpp"
#include "runtime/plugins/probe.hpp"
#include "runtime/runner/runner.hpp"

namespace {

namespace asio = boost::asio;

/// Launches one model on the null plugin, prints its process's number as soon as there is one, and never ends.
asio::awaitable<void> serve(gantry::fleet::Fleet& fleet, gantry::fleet::LaunchRequest request) {
    const auto uid = co_await fleet.launch(std::move(request));
    if (!uid) {
        std::cerr << uid.error().text() << std::endl;
        co_return;
    }
    asio::steady_timer timer(co_await asio::this_coro::executor);
    bool told = false;
    while (true) {
        const auto status = fleet.describe(*uid);
        if (!told && status && status->pid != 0 && status->state != gantry::fleet::State::kStarting) {
            std::cout << status->pid << std::endl;
            told = true;
        }
        timer.expires_after(std::chrono::milliseconds(5));
        co_await timer.async_wait(asio::use_awaitable);
    }
}

/// serve PLUGIN_DIR RUNTIME_DIR MODEL KEY=VALUE
int run_server(char** arguments) {
    asio::io_context io(1);
    gantry::fleet::FleetOptions options;
    options.program = "/proc/self/exe";
    options.plugin_dirs = {arguments[0]};
    options.runtime_dir = arguments[1];
    options.share_dir = options.runtime_dir;
    gantry::fleet::LaunchRequest request;
    request.model = arguments[2];
    request.engine = "null";
    const std::string option = arguments[3];
    const size_t equals = option.find('=');
    request.options[option.substr(0, equals)] = option.substr(equals + 1);
    const auto fleet = gantry::fleet::make_local_fleet(io.get_executor(), options);
    asio::co_spawn(io, serve(*fleet, request), [](std::exception_ptr) {});
    io.run();
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view command = argc > 1 ? argv[1] : "";
    if (command == "runner") {
        return gantry::runner::run_runner(gantry::runner::kSpecFd, gantry::runner::kStatusFd);
    }
    if (command == "probe") {
        return gantry::plugins::run_probe(STDIN_FILENO, STDOUT_FILENO);
    }
    if (command == "serve" && argc == 6) {
        return run_server(argv + 2);
    }
    std::cerr << "usage: fleet_test_runner runner | probe | serve PLUGIN_DIR RUNTIME_DIR MODEL KEY=VALUE\n";
    return 2;
}
