#include "runtime/fleet/event_stream.hpp"

#include <utility>

#include "runtime/fleet/launched_model.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace {

using Next = Result<std::optional<engine::Event>>;

/// An event may be an Error too, so that which side of the result is meant has to be said.
Next failure(Error error) { return Next(boost::system::in_place_error, std::move(error)); }

class NdjsonStream final : public EventStream {
  public:
    NdjsonStream(std::unique_ptr<http::ResponseStream> response, std::shared_ptr<LaunchedModel> model, int run)
        : response_(std::move(response)), lines_(*response_), model_(std::move(model)), run_(run) {}

    asio::awaitable<Next> next() override {
        if (usage_seen_) {
            co_return Next(boost::system::in_place_value);
        }
        auto line = co_await lines_.next();
        if (!line || !*line) {
            const Error broken =
                line ? Error{Code::kUnavailable, "the answer ended too early"} : std::move(line.error());
            co_return failure(co_await model_->why_gone(run_, broken));
        }
        auto event = engine::event_from_json(**line);
        if (!event) {
            co_return failure(co_await model_->why_gone(run_, event.error()));
        }
        usage_seen_ = std::holds_alternative<engine::Usage>(*event);
        if (usage_seen_) {
            // Callers stop here. The body's end, which is on its way, frees the connection for the next request.
            (void)co_await lines_.next();
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

    bool ready() const override { return !usage_seen_ && lines_.ready(); }

  private:
    std::unique_ptr<http::ResponseStream> response_;
    http::LineReader lines_;
    std::shared_ptr<LaunchedModel> model_;
    int run_;
    bool usage_seen_ = false;
};

}  // namespace

std::unique_ptr<EventStream> make_event_stream(std::unique_ptr<http::ResponseStream> response,
                                               std::shared_ptr<LaunchedModel> model, int run) {
    return std::make_unique<NdjsonStream>(std::move(response), std::move(model), run);
}

}  // namespace gantry::fleet
