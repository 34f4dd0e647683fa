// What is asked of a launched model besides generating: encoding, sleep, wake, adapters, the end of its work.

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/http/error_response.hpp"
#include "runtime/fleet/launched_model.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace json = boost::json;
using namespace asio::experimental::awaitable_operators;
using Clock = std::chrono::steady_clock;

std::shared_ptr<LaunchedModel> LaunchedModel::use() {
    ++uses_;
    return {this, [self = shared_from_this()](LaunchedModel*) {
                --self->uses_;
                self->unused_.notify();
            }};
}

Status LaunchedModel::check_ability(bool encodes, std::string_view wanted) const {
    if (encodes == status_.encoder.has_value()) {
        return ok();
    }
    std::string can;
    for (const std::string& ability : status_.abilities) {
        can += (can.empty() ? "" : ", ") + ability;
    }
    return Error{Code::kInvalidArgument,
                 "model '" + status_.uid + "' cannot " + std::string(wanted) + "; what it does is: " + can,
                 "launch another model for that, or use the route for what this one does"};
}

asio::awaitable<Result<encoder::EncodeResult>> LaunchedModel::encode(encoder::EncodeRequest request) {
    GANTRY_CO_CHECK_OK(check_ready());
    GANTRY_CO_CHECK_OK(check_ability(true, "make embeddings or scores"));
    const auto self = use();
    const int run = run_number_;
    http::Request message;
    message.method = "POST";
    message.path = message.target = "/encode";
    message.headers.set("Content-Type", "application/json");
    if (!request.traceparent.empty()) {
        message.headers.set("traceparent", request.traceparent);
    }
    message.body = encoder::to_json(request);
    http::Client client = *client_;
    auto response = co_await client.request(std::move(message));
    if (!response) {
        co_return co_await why_gone(run, response.error());
    }
    if (response->status != 200) {
        co_return http::error_from_response(response->status, response->body);
    }
    co_return encoder::encode_result_from_wire(response->body);
}

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
    draining_ = true;
    const auto until = Clock::now() + patience;
    asio::steady_timer patience_end(executor_, until);
    while (uses_ > 0 && !ended_ && !stop_requested_ && Clock::now() < until) {
        co_await (unused_.wait() || stop_signal_.wait() || patience_end.async_wait(asio::use_awaitable));
    }
}

}  // namespace gantry::fleet
