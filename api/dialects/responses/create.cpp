#include <fmt/core.h>

#include "api/dialects/responses/handlers.hpp"
#include "api/dialects/responses/render.hpp"
#include "api/dialects/responses/store.hpp"
#include "api/http/generation_events.hpp"

namespace gantry::dialects::responses {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Outcome;
using api::Services;

namespace {

/// Events that are ready together are gathered up to so many bytes before they are written.
constexpr size_t kWriteSize = 32 * 1024;

/// A response while it is made: known by its id to those that would cancel it, and kept at its end.
class Making {
  public:
    Making(Store& store, Call call, bj::array previous, std::string id)
        : store_(store), call_(std::move(call)), previous_(std::move(previous)), writer_(call_, std::move(id)) {
        store_.running[writer_.id()] = call_.model;
    }
    Making(const Making&) = delete;
    Making& operator=(const Making&) = delete;
    ~Making() { store_.running.erase(writer_.id()); }

    const Call& call() const { return call_; }
    ResponseWriter& writer() { return writer_; }

    void keep() {
        if (!call_.store) {
            return;
        }
        Stored stored{writer_.object(), call_.input, std::move(previous_)};
        const bj::array output = stored.response.at("output").as_array();
        stored.conversation.insert(stored.conversation.end(), call_.input.begin(), call_.input.end());
        stored.conversation.insert(stored.conversation.end(), output.begin(), output.end());
        store_.put(writer_.id(), std::move(stored));
    }

  private:
    Store& store_;
    Call call_;
    bj::array previous_;
    ResponseWriter writer_;
};

asio::awaitable<Outcome> answer_whole(Exchange& exchange, Making& making, api::GenerationEvents events) {
    std::string nothing;
    while (true) {
        const auto step = co_await events.next();
        if (step.error) {
            co_return ApiError(*step.error);
        }
        if (const auto* usage = std::get_if<engine::Usage>(&step.event)) {
            (void)making.writer().last(*usage);
            making.keep();
            exchange.ignored(making.call().ignored);
            co_return api::json_response(making.writer().object());
        }
        making.writer().take(step.event, nothing);
    }
}

asio::awaitable<Outcome> answer_stream(Exchange& exchange, Making& making, api::GenerationEvents events) {
    std::string pending;
    bool started = false;
    for (bool whole = false; !whole;) {
        const auto step = co_await events.next();
        if (step.error && !started) {
            co_return ApiError(*step.error);
        }
        if (!started) {
            started = true;
            exchange.ignored(making.call().ignored);
            if (!co_await exchange.start(200, "text/event-stream; charset=utf-8")) {
                co_return api::Streamed{};
            }
            pending = making.writer().start();
        }
        if (step.error) {
            pending += making.writer().failed(*step.error);
            whole = true;
        } else if (const auto* usage = std::get_if<engine::Usage>(&step.event)) {
            pending += making.writer().last(*usage);
            making.keep();
            whole = true;
        } else {
            making.writer().take(step.event, pending);
        }
        const bool more = !whole && pending.size() < kWriteSize && events.ready();
        if (!pending.empty() && !more) {
            std::string text = std::exchange(pending, std::string());
            if (!co_await exchange.write(std::move(text))) {
                co_return api::Streamed{};
            }
        }
    }
    (void)co_await exchange.finish();
    co_return api::Streamed{};
}

/// The conversation that a request goes on from; none where it names none.
api::ApiResult<bj::array> previous_items(Store& store, const bj::object& body) {
    const bj::value* id = body.if_contains("previous_response_id");
    if (id == nullptr || id->is_null()) {
        return bj::array();
    }
    const Stored* stored = id->is_string() ? store.find(std::string_view(id->get_string())) : nullptr;
    if (stored == nullptr) {
        return ApiError(Error(Code::kNotFound, "there is no response " + bj::serialize(*id) + " any more, or never was",
                              "send the conversation as items"),
                        "previous_response_id", 400);
    }
    return stored->conversation;
}

}  // namespace

Answer create(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    Store& store = services.kept<Store>();
    auto previous = previous_items(store, *body);
    if (!previous) {
        co_return previous.error();
    }
    auto call = decode_call(*body, *previous);
    if (!call) {
        co_return call.error();
    }
    exchange.request.body.clear();
    exchange.request.body.shrink_to_fit();
    const std::string model = call->model;
    engine::GenerateRequest request = std::move(call->request);
    std::string id = random_id("resp_");
    Making making(store, std::move(*call), std::move(*previous), id);
    api::GenerationName name{model, "chat", std::move(id)};
    auto events = co_await api::begin_generation(services, exchange, model, std::move(name), std::move(request));
    if (!events) {
        co_return ApiError(events.error(), events.error().code == Code::kNotFound ? "model" : "");
    }
    if (making.call().stream) {
        co_return co_await answer_stream(exchange, making, std::move(*events));
    }
    co_return co_await answer_whole(exchange, making, std::move(*events));
}

}  // namespace gantry::dialects::responses
