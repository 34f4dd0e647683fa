#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <utility>

#include "api/dialects/gantry/lifecycle.hpp"
#include "runtime/fleet/event_log.hpp"

namespace gantry::dialects::lifecycle {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;
using namespace asio::experimental::awaitable_operators;

namespace {

/// How often an answer that goes on looks whether the server is on its way out.
constexpr std::chrono::seconds kLook{1};
/// After so many looks without an event a comment is sent, so that a client that has gone is noticed.
constexpr int kSilentLooks = 15;
constexpr std::chrono::milliseconds kLogPoll{200};
/// Events that are written together, at most.
constexpr size_t kBatch = 64;

asio::awaitable<void> pause_for(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

/// Where a client that comes back goes on: behind the event of its Last-Event-ID ("RUN-NUMBER"), or at the oldest
/// event that is kept where that was another run of the server. A client without one begins with what comes next, or
/// with `since`=all.
uint64_t first_number(const Exchange& exchange, const fleet::EventLog& log) {
    const auto header = exchange.request.headers.find("Last-Event-ID");
    const auto query = exchange.request.query_value("last_event_id");
    if (!header && !query) {
        return exchange.request.query_value("since").value_or("") == "all" ? 0 : log.last();
    }
    const std::string id(header ? *header : *query);
    const size_t dash = id.rfind('-');
    uint64_t number = 0;
    if (dash != std::string::npos && id.substr(0, dash) == log.run()) {
        std::from_chars(id.data() + dash + 1, id.data() + id.size(), number);
    }
    return number;
}

/// The events behind `number`, up to a batch; moves `number`.
std::string render_events(const fleet::EventLog& log, uint64_t& number) {
    std::string out;
    const fleet::FleetEvent* event = log.after(number);
    for (size_t i = 0; event != nullptr && i < kBatch; ++i) {
        if (event->number != number + 1) {
            out += fmt::format("event: lost\ndata: {}\n\n",
                               bj::serialize(bj::object{{"count", event->number - number - 1}}));
        }
        bj::object data = event->data;
        data["time_ms"] = event->time_ms;
        out += fmt::format("id: {}-{}\nevent: {}\ndata: {}\n\n", log.run(), event->number, event->type,
                           bj::serialize(data));
        number = event->number;
        event = log.after(number);
    }
    return out;
}

/// The last `count` of a model's lines.
std::string last_lines(const fleet::ModelStatus& model, uint64_t count) {
    const size_t kept = model.log_tail.size();
    std::string out;
    for (size_t i = kept - static_cast<size_t>(std::min<uint64_t>(count, kept)); i < kept; ++i) {
        out += model.log_tail[i] + '\n';
    }
    return out;
}

}  // namespace

Answer events(Services& services, Exchange& exchange) {
    fleet::EventLog* log = services.fleet.events();
    if (log == nullptr) {
        co_return ApiError(Error(Code::kUnimplemented, "this server keeps no events"));
    }
    const auto follow = exchange.query_flag("follow", true);
    if (!follow) {
        co_return follow.error();
    }
    uint64_t number = first_number(exchange, *log);
    if (!co_await exchange.start(200, "text/event-stream; charset=utf-8")) {
        co_return api::Streamed{};
    }
    int silent = kSilentLooks;  // the first comment at once: headers alone do not reach every client
    while (true) {
        std::string text = render_events(*log, number);
        if (text.empty() && (!*follow || services.draining)) {
            break;
        }
        if (text.empty() && ++silent > kSilentLooks) {
            text = ": waiting\n\n";
        }
        if (!text.empty()) {
            silent = 0;
            if (!co_await exchange.write(std::move(text))) {
                co_return api::Streamed{};
            }
        }
        if (log->after(number) == nullptr && *follow) {
            co_await (log->wait() || pause_for(kLook));
        }
    }
    (void)co_await exchange.finish();
    co_return api::Streamed{};
}

Answer logs(Services& services, Exchange& exchange) {
    const std::string uid = exchange.param("uid");
    auto model = services.fleet.describe(uid);
    if (!model) {
        co_return ApiError(model.error(), "model");
    }
    const auto follow = exchange.query_flag("follow", false);
    if (!follow) {
        co_return follow.error();
    }
    uint64_t tail = 100;
    if (const auto text = exchange.request.query_value("tail")) {
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), tail);
        if (error != std::errc{} || end != text->data() + text->size()) {
            co_return ApiError(Error(Code::kInvalidArgument, "tail must be a whole number of lines"), "tail");
        }
    }
    if (!co_await exchange.start(200, "text/plain; charset=utf-8")) {
        co_return api::Streamed{};
    }
    uint64_t seen = model->log_lines;
    std::string text = last_lines(*model, tail);
    while (true) {
        if (!text.empty()) {
            std::string now = std::exchange(text, std::string());
            if (!co_await exchange.write(std::move(now))) {
                co_return api::Streamed{};
            }
        }
        if (!*follow || services.draining) {
            break;
        }
        co_await pause_for(kLogPoll);
        model = services.fleet.describe(uid);
        if (!model) {
            break;
        }
        // A process that was replaced counts anew.
        const uint64_t fresh = model->log_lines >= seen ? model->log_lines - seen : model->log_lines;
        text = last_lines(*model, fresh);
        seen = model->log_lines;
    }
    (void)co_await exchange.finish();
    co_return api::Streamed{};
}

}  // namespace gantry::dialects::lifecycle
