// What happens to runners when the server is killed: nothing of it may be left after two seconds.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "runtime/fleet/child_process.hpp"
#include "tests/runtime/fleet/fleet_fixture.hpp"

namespace gantry::fleet::testing {
namespace {

using Clock = std::chrono::steady_clock;

/// A zombie is gone for our purposes: whoever adopted it has not looked yet.
bool alive(int pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    const size_t name_end = text.rfind(") ");
    return name_end != std::string::npos && text[name_end + 2] != 'Z';
}

TEST_F(FleetTest, NoRunnerOutlivesAKilledServer) {
    for (const char* options : {"step_us=1000", "stall_load=1"}) {
        auto server = ChildProcess::start(
            io_.get_executor(),
            {options_.program, "serve", options_.plugin_dirs.front(), options_.runtime_dir, model_path_, options},
            {{STDOUT_FILENO, PipeDirection::kFromChild}});
        ASSERT_TRUE(server) << server.error().text();
        int runner = 0;
        run([&]() -> asio::awaitable<void> {
            PipeLines lines((*server)->pipe(0));
            const auto line = co_await lines.next();
            runner = line ? std::stoi(*line) : 0;
        }());
        ASSERT_GT(runner, 0);
        ASSERT_TRUE(alive(runner));
        (*server)->kill(SIGKILL);
        const auto until = Clock::now() + std::chrono::seconds(2);
        while (alive(runner) && Clock::now() < until) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        EXPECT_FALSE(alive(runner)) << options;
    }
}

}  // namespace
}  // namespace gantry::fleet::testing
