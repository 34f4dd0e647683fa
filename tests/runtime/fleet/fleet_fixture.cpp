#include "tests/runtime/fleet/fleet_fixture.hpp"

#include <stdlib.h>

#include <exception>
#include <fstream>
#include <iterator>

#include "base/log.hpp"

namespace gantry::fleet::testing {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

FleetTest::FleetTest() {
    log::setup(log::Level::kError, log::Format::kText);
    std::string name = (fs::temp_directory_path() / "gantry-fleet-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
    model_path_ = (dir_ / "tiny.gguf").string();
    fs::copy_file(GANTRY_SOURCE_DIR "/tests/runtime/fixtures/tiny.gguf", model_path_);
    options_.program = GANTRY_BUILD_DIR "/tests/runtime/fleet/fleet_test_runner";
    options_.plugin_dirs = {GANTRY_BUILD_DIR "/lib/gantry/plugins"};
    options_.share_dir = dir_ / "share";
    options_.runtime_dir = dir_ / "run";
    options_.memory_limit = uint64_t{4} << 30;
    options_.threads = 1;
}

FleetTest::~FleetTest() {
    if (fleet_) {
        run(fleet_->stop_all());
    }
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
}

void FleetTest::run(asio::awaitable<void> task) {
    std::exception_ptr thrown;
    bool done = false;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr e) {
        thrown = e;
        done = true;
        io_.stop();
    });
    io_.restart();
    io_.run();
    if (thrown) {
        std::rethrow_exception(thrown);
    }
    ASSERT_TRUE(done);
}

asio::awaitable<void> FleetTest::sleep(std::chrono::milliseconds time) {
    asio::steady_timer timer(io_, time);
    co_await timer.async_wait(asio::use_awaitable);
}

Fleet& FleetTest::fleet() {
    if (!fleet_) {
        fleet_ = make_local_fleet(io_.get_executor(), options_);
    }
    return *fleet_;
}

LaunchRequest FleetTest::request(const std::string& uid, std::map<std::string, std::string> options) const {
    LaunchRequest out;
    out.model = model_path_;
    out.uid = uid;
    out.engine = "null";
    out.options = std::move(options);
    return out;
}

asio::awaitable<void> FleetTest::launch_ready(LaunchRequest what) {
    const auto uid = co_await fleet().launch(std::move(what));
    EXPECT_TRUE(uid) << uid.error().text();
    if (uid) {
        const auto ready = co_await fleet().wait_ready(*uid);
        EXPECT_TRUE(ready) << ready.error().text();
    }
}

asio::awaitable<void> FleetTest::wait_state(std::string uid, State state) {
    for (int i = 0; i < 1000; ++i) {
        const auto status = fleet().describe(uid);
        if (status && status->state == state) {
            co_return;
        }
        co_await sleep(10ms);
    }
    const auto status = fleet().describe(uid);
    ADD_FAILURE() << uid << " never became " << state_name(state) << " but is "
                  << (status ? state_name(status->state) : "gone");
}

void FleetTest::expect_nothing_left() {
    EXPECT_TRUE(children().empty());
    EXPECT_EQ(fleet().ledger().reserved, 0u);
    EXPECT_TRUE(fs::is_empty(options_.runtime_dir));
}

engine::GenerateRequest prompt(const std::string& id, uint32_t max_tokens) {
    engine::GenerateRequest out;
    out.id = id;
    out.input = engine::TextInput{"Hi", true};
    out.max_tokens = max_tokens;
    out.sampling.temperature = 0;
    return out;
}

asio::awaitable<Answer> generate(Fleet& fleet, std::string uid, engine::GenerateRequest request) {
    Answer out;
    auto stream = co_await fleet.generate(std::move(uid), std::move(request));
    if (!stream) {
        out.error = stream.error();
        co_return out;
    }
    while (true) {
        const auto event = co_await (*stream)->next();
        if (!event) {
            out.error = event.error();
            co_return out;
        }
        if (!*event) {
            co_return out;
        }
        if (const auto* delta = std::get_if<engine::Delta>(&**event)) {
            out.text += delta->text;
            out.tokens += delta->ids.size();
        } else if (const auto* finish = std::get_if<engine::Finish>(&**event)) {
            out.finish = finish->reason;
        } else if (const auto* usage = std::get_if<engine::Usage>(&**event)) {
            out.usage = *usage;
        }
    }
}

std::vector<int> children() {
    std::vector<int> out;
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
        std::ifstream file(task.path() / "children");
        out.insert(out.end(), std::istream_iterator<int>(file), {});
    }
    return out;
}

size_t open_descriptors() {
    return static_cast<size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

}  // namespace gantry::fleet::testing
