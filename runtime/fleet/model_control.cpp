// What is asked of a launched model besides answers: sleep, wake, adapters, the end of its work.

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "runtime/fleet/launched_model.hpp"
#include "runtime/plugins/json.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

namespace {

/// How often a draining model is asked whether it has finished.
constexpr std::chrono::milliseconds kDrainPoll{50};

}  // namespace

asio::awaitable<Status> LaunchedModel::sleep() {
    if (status_.state == State::kAsleep) {
        co_return ok();
    }
    if (status_.state != State::kReady) {
        co_return Error{Code::kFailedPrecondition,
                        "model '" + status_.uid + "' cannot sleep: it is " + std::string(state_name(status_.state))};
    }
    json::value nothing = json::object();
    const auto answer = co_await ask("/sleep", std::move(nothing));
    if (!answer) {
        co_return answer.error();
    }
    // The status comes by another pipe than the answer.
    while (status_.state == State::kReady && !stop_requested_ && !ended_) {
        co_await changed_.wait();
    }
    co_return ok();
}

asio::awaitable<Status> LaunchedModel::wake() {
    if (status_.state == State::kReady) {
        co_return ok();
    }
    if (status_.state != State::kAsleep && !waking_) {
        co_return Error{Code::kFailedPrecondition,
                        "model '" + status_.uid + "' cannot be woken: it is " + std::string(state_name(status_.state))};
    }
    ++waking_;
    json::value nothing = json::object();
    const auto answer = co_await ask("/wake", std::move(nothing));
    --waking_;
    if (!answer) {
        co_return answer.error();
    }
    while (status_.state != State::kReady && !stop_requested_ && !ended_) {
        co_await changed_.wait();
    }
    co_return check_ready();
}

asio::awaitable<Status> LaunchedModel::load_adapter(std::string name, std::string path) {
    json::value body = json::object{{"name", name}, {"path", path}};
    const auto answer = co_await call("/adapters/load", std::move(body));
    if (!answer) {
        co_return answer.error();
    }
    spec_.adapters[name] = path;  // a restarted process is to have it too
    update([&](ModelStatus& s) { s.adapters = spec_.adapters; });
    co_return ok();
}

asio::awaitable<Status> LaunchedModel::drop_adapter(std::string name) {
    GANTRY_CO_CHECK_OK(check_ready());
    spec_.adapters.erase(name);
    update([&](ModelStatus& s) { s.adapters = spec_.adapters; });
    json::value body = json::object{{"name", name}};
    const auto answer = co_await call("/adapters/drop", std::move(body));
    co_return answer ? ok() : Status(answer.error());
}

asio::awaitable<void> LaunchedModel::drain(std::chrono::milliseconds patience) {
    const auto until = Clock::now() + patience;
    const bool ready = static_cast<bool>(check_ready());
    draining_ = true;
    while (ready && !ended_ && !stop_requested_ && Clock::now() < until) {
        json::value nothing = json::object();
        const auto stats = co_await ask("/stats", std::move(nothing));
        if (!stats || plugins::json_number(*stats, "running") + plugins::json_number(*stats, "waiting") == 0) {
            co_return;
        }
        asio::steady_timer timer(executor_, kDrainPoll);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

}  // namespace gantry::fleet
