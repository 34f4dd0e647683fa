#pragma once

/// A fleet with real processes: the null plugin on a tiny model, in a temporary directory.

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/fleet/fleet.hpp"

namespace gantry::fleet::testing {

namespace asio = boost::asio;

class FleetTest : public ::testing::Test {
  protected:
    FleetTest();
    ~FleetTest() override;

    /// Runs a coroutine to its end on the io context; what it throws is thrown here.
    void run(asio::awaitable<void> task);
    asio::awaitable<void> sleep(std::chrono::milliseconds time);

    /// The fleet, made at first use of `options`.
    Fleet& fleet();

    /// A launch of the tiny model on the null plugin.
    LaunchRequest request(const std::string& uid, std::map<std::string, std::string> options = {}) const;
    /// Launches and waits until it is ready.
    asio::awaitable<void> launch_ready(LaunchRequest what);
    /// Waits until `uid` is in `state`; fails the test after ten seconds.
    asio::awaitable<void> wait_state(std::string uid, State state);

    /// Expects that no process, socket or reservation is left.
    void expect_nothing_left();

    asio::io_context io_{1};
    std::filesystem::path dir_;
    std::string model_path_;
    FleetOptions options_;
    std::unique_ptr<Fleet> fleet_;
};

/// A whole answer, as a client would gather it.
struct Answer {
    std::string text;
    size_t tokens = 0;
    std::optional<engine::FinishReason> finish;
    std::optional<engine::Usage> usage;
    std::optional<Error> error;
};

/// "Hi" with so many tokens to come.
engine::GenerateRequest prompt(const std::string& id, uint32_t max_tokens);

/// Generates and gathers until the end.
asio::awaitable<Answer> generate(Fleet& fleet, std::string uid, engine::GenerateRequest request);

/// Our living children.
std::vector<int> children();
/// Open descriptors of this process.
size_t open_descriptors();

}  // namespace gantry::fleet::testing
