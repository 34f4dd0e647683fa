#include "runtime/fleet/event_stream.hpp"

#include <utility>

#include "runtime/fleet/launched_model.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace {

using Next = Result<std::optional<engine::Event>>;

/// An event may be an Error too, so that which side of the result is meant has to be said.
Next failure(Error error) { return Next(boost::system::in_place_error, std::move(error)); }

class LineStream final : public EventStream {
  public:
    LineStream(std::unique_ptr<http::ResponseStream> response, std::unique_ptr<EventChannel::Inbox> inbox,
               std::shared_ptr<LaunchedModel> model, int run)
        : response_(std::move(response)),
          inbox_(std::move(inbox)),
          body_(*response_),
          model_(std::move(model)),
          run_(run) {}

    asio::awaitable<Next> next() override {
        if (usage_seen_) {
            co_return Next(boost::system::in_place_value);
        }
        auto line = co_await next_line();
        if (!line) {
            Error error = line.error();
            if (error.code == Code::kUnavailable) {
                error = co_await model_->why_gone(run_, error);
            }
            co_return failure(std::move(error));
        }
        auto event = engine::event_from_json(*line);
        if (!event) {
            co_return failure(co_await model_->why_gone(run_, event.error()));
        }
        usage_seen_ = std::holds_alternative<engine::Usage>(*event);
        if (usage_seen_) {
            // Callers stop here. The body's end, which is on its way, frees the connection for the next request.
            (void)co_await body_.next();
        }
        if (const auto* error = std::get_if<Error>(&*event)) {
            // An engine that is shut down gives this; what happened to the model says more.
            const bool model_gone = error->code == Code::kUnavailable;
            if (model_gone) {
                co_return failure(co_await model_->why_gone(run_, *error));
            }
            co_return failure(*error);
        }
        co_return Next(boost::system::in_place_value, std::move(*event));
    }

    bool ready() const override { return !usage_seen_ && (inbox_ ? inbox_->ready() : body_.ready()); }

  private:
    asio::awaitable<Result<std::string>> next_line() {
        if (inbox_) {
            co_return co_await inbox_->next();
        }
        auto line = co_await body_.next();
        if (!line) {
            co_return std::move(line.error());
        }
        if (!*line) {
            co_return Error{Code::kUnavailable, "the answer ended too early"};
        }
        co_return std::move(**line);
    }

    std::unique_ptr<http::ResponseStream> response_;
    std::unique_ptr<EventChannel::Inbox> inbox_;  ///< null: the lines are in the body
    http::LineReader body_;
    std::shared_ptr<LaunchedModel> model_;
    int run_;
    bool usage_seen_ = false;
};

}  // namespace

std::unique_ptr<EventStream> make_event_stream(std::unique_ptr<http::ResponseStream> response,
                                               std::unique_ptr<EventChannel::Inbox> inbox,
                                               std::shared_ptr<LaunchedModel> model, int run) {
    return std::make_unique<LineStream>(std::move(response), std::move(inbox), std::move(model), run);
}

}  // namespace gantry::fleet
