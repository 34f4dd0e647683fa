// The runner's routes that change its model: adapters, abort, sleep and wake.

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "runtime/plugins/json.hpp"
#include "runtime/runner/adapters.hpp"
#include "runtime/runner/service.hpp"

namespace gantry::runner {
namespace asio = boost::asio;
namespace json = boost::json;
using plugins::json_text;
namespace {

constexpr std::array<std::string_view, 6> kControls = {"/adapters", "/adapters/load", "/adapters/drop",
                                                       "/abort",    "/sleep",         "/wake"};

/// As many prompts as a completion may have.
constexpr int kMaxPrompts = 128;

/// An answer that comes from another thread.
struct Awaited {
    explicit Awaited(const asio::any_io_executor& executor) : timer(executor, asio::steady_timer::time_point::max()) {}
    asio::steady_timer timer;
    std::optional<Status> answer;
};

}  // namespace

bool is_control(std::string_view path) { return std::ranges::find(kControls, path) != kControls.end(); }

asio::awaitable<Status> Service::wait_for(std::function<void(std::function<void(Status)>)> start) {
    const auto awaited = std::make_shared<Awaited>(executor_);
    std::function<void(Status)> done = [awaited, executor = executor_](Status status) {
        asio::post(executor, [awaited, status = std::move(status)] {
            awaited->answer = status;
            awaited->timer.cancel();
        });
    };
    start(std::move(done));
    while (!awaited->answer) {
        boost::system::error_code ec;
        co_await awaited->timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
    co_return *awaited->answer;
}

asio::awaitable<Result<json::object>> Service::control(const http::Request& request) {
    if (request.path == "/wake") {
        co_return co_await wake();
    }
    if (request.path == "/sleep" && asleep_) {
        co_return json::object{{"state", "asleep"}};
    }
    GANTRY_CO_CHECK_OK(check_ready());
    if (request.path == "/sleep") {
        co_return sleep();
    }
    GANTRY_CO_CHECK_OK(check_generates());
    GANTRY_CO_TRY(const json::object body, json_body(request));
    if (request.path == "/adapters/load") {
        co_return co_await load_adapter(body);
    }
    if (request.path == "/adapters/drop") {
        co_return co_await drop_adapter(body);
    }
    if (request.path == "/abort") {
        co_return abort(body);
    }
    json::array all;
    for (const auto& [name, path] : adapters_) {
        all.emplace_back(json::object{{"name", name}, {"path", path}});
    }
    co_return json::object{{"adapters", std::move(all)}};
}

asio::awaitable<Result<json::object>> Service::load_adapter(const json::object& body) {
    const std::string name = json_text(body, "name");
    const std::string path = json_text(body, "path");
    if (name.empty() || path.empty()) {
        co_return Error{Code::kInvalidArgument, "an adapter needs a 'name' and a 'path'"};
    }
    GANTRY_CO_TRY(engine::Engine::AdapterLoad load, open_adapter(path));
    const std::shared_ptr<engine::Engine> engine = engine_;
    std::function<void(std::function<void(Status)>)> start = [&](std::function<void(Status)> done) {
        engine->load_adapter(name, std::move(load), std::move(done));
    };
    const Status loaded = co_await wait_for(std::move(start));
    if (!loaded) {
        co_return loaded.error().in("adapter '" + name + "'");
    }
    adapters_[name] = path;
    log::info("adapter '{}' is loaded from {}", name, path);
    co_return json::object{{"name", name}, {"path", path}};
}

asio::awaitable<Result<json::object>> Service::drop_adapter(const json::object& body) {
    const std::string name = json_text(body, "name");
    const std::shared_ptr<engine::Engine> engine = engine_;
    adapters_.erase(name);
    std::function<void(std::function<void(Status)>)> start = [&](std::function<void(Status)> done) {
        engine->drop_adapter(name, std::move(done));
    };
    GANTRY_CO_CHECK_OK(co_await wait_for(std::move(start)));
    co_return json::object{{"name", name}};
}

Result<json::object> Service::abort(const json::object& body) {
    const std::string id = json_text(body, "id");
    if (id.empty()) {
        return Error{Code::kInvalidArgument, "an abort needs the request's 'id'"};
    }
    bool aborted = engine_->cancel(id);
    // A completion of several prompts is one request a prompt, with numbers behind the id.
    for (int i = 0; i < kMaxPrompts; ++i) {
        aborted = engine_->cancel(id + "-" + std::to_string(i)) || aborted;
    }
    if (!aborted) {
        return Error{Code::kNotFound, "no request '" + id + "' is being answered", "it may have ended"};
    }
    return json::object{{"id", id}, {"aborted", true}};
}

/// Requests that run get kUnavailable; weights and KV memory are given back, the mapped file stays in the page cache.
Result<json::object> Service::sleep() {
    asleep_ = true;
    engine_.reset();
    close_encoder();
    backend_.reset();
    on_sleep_();
    log::info("the model sleeps");
    return json::object{{"state", "asleep"}};
}

asio::awaitable<Result<json::object>> Service::wake() {
    if (asleep_) {
        GANTRY_CO_CHECK_OK(co_await wait_for(wake_));
    }
    GANTRY_CO_CHECK_OK(check_ready());
    co_return json::object{{"state", "ready"}};
}

}  // namespace gantry::runner
