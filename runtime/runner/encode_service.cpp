#include "runtime/runner/encode_service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "runtime/runner/generation.hpp"
#include "runtime/runner/stats_json.hpp"

namespace gantry::runner {
namespace asio = boost::asio;
namespace {

/// Below this a request is read and tokenised at once: it takes less time than going to another thread and back.
constexpr size_t kShortBody = 16 * 1024;

/// What the engine's thread gives, on its way to the coroutine that waits.
struct Pending {
    explicit Pending(const asio::any_io_executor& executor) : waker(executor) {}
    Waker waker;
    std::optional<Result<encoder::EncodedRows>> rows;
};

/// Takes back from the engine what the connection no longer waits for.
class CancelGuard {
  public:
    CancelGuard(std::weak_ptr<encoder::EncoderEngine> engine, std::string id, std::shared_ptr<Pending> pending)
        : engine_(std::move(engine)), id_(std::move(id)), pending_(std::move(pending)) {}
    CancelGuard(const CancelGuard&) = delete;
    CancelGuard& operator=(const CancelGuard&) = delete;
    ~CancelGuard() {
        if (const auto engine = engine_.lock(); engine && !pending_->rows) {
            engine->cancel(id_);
        }
    }

  private:
    std::weak_ptr<encoder::EncoderEngine> engine_;
    std::string id_;
    std::shared_ptr<Pending> pending_;
};

Result<TextEncoder::Prepared> parse_and_prepare(const TextEncoder& texts, const std::string& body) {
    GANTRY_TRY(encoder::EncodeRequest request, encoder::encode_request_from_json(body));
    return texts.prepare(std::move(request));
}

}  // namespace

asio::awaitable<EncodeService::Prepared> EncodeService::prepare(const std::string& body, asio::thread_pool& helpers) {
    if (body.size() <= kShortBody) {
        co_return parse_and_prepare(*texts_, body);
    }
    // Everything that the other thread touches is its own or immutable: this coroutine may be gone before it ends.
    co_return co_await asio::co_spawn(
        helpers,
        [](std::shared_ptr<const TextEncoder> texts, std::string own) -> asio::awaitable<Prepared> {
            co_return parse_and_prepare(*texts, own);
        }(texts_, body),
        asio::use_awaitable);
}

asio::awaitable<Status> EncodeService::encode(const http::Request& request, http::Responder& responder,
                                              asio::thread_pool& helpers) {
    Prepared prepared = co_await prepare(request.body, helpers);
    if (!prepared) {
        co_return prepared.error();
    }
    if (engine_ == nullptr) {  // a long text takes time, in which the model may have been stopped
        co_return Error{Code::kUnavailable, "the model is being stopped", "try again"};
    }
    if (prepared->work.id.empty()) {
        prepared->work.id = "local-" + std::to_string(++last_id_);
    }
    const auto pending = std::make_shared<Pending>(executor_);
    encoder::EncodeWork work = std::move(prepared->work);
    const std::string id = work.id;
    encoder::EncodeSink sink = [pending, executor = executor_](Result<encoder::EncodedRows> rows) {
        asio::post(executor, [pending, rows = std::move(rows)]() mutable {
            pending->rows = std::move(rows);
            pending->waker.wake();
        });
    };
    GANTRY_CO_CHECK_OK(engine_->submit(std::move(work), std::move(sink)));
    const CancelGuard guard(engine_, id, pending);
    while (!pending->rows) {
        co_await pending->waker.wait();
    }
    if (!*pending->rows) {
        co_return pending->rows->error();
    }
    const encoder::EncodeResult result = texts_->finish(std::move(*prepared), std::move(**pending->rows));
    http::Response response;
    response.headers.set("Content-Type", "application/x-gantry-rows");
    response.body = encoder::to_wire(result);
    co_return co_await responder.send(std::move(response));
}

boost::json::object EncodeService::stats() const { return stats_json(engine_->stats(), engine_->meter()); }

}  // namespace gantry::runner
