#pragma once

/// One generation as dialects follow it: begun on the fleet, noted for the access log and for traces, and read event by
/// event with every way to fail told as an error.

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/http/exchange.hpp"
#include "api/http/services.hpp"

namespace gantry::api {

/// What a request is noted by.
struct GenerationName {
    std::string model;      ///< as the client named it
    std::string operation;  ///< "chat" or "text_completion"
    std::string id;         ///< of the answer; the request's in the runner too
};

/// Lives no longer than the exchange. Destroying it cancels the generation.
class GenerationEvents {
  public:
    GenerationEvents(Exchange& exchange, std::unique_ptr<fleet::EventStream> stream)
        : exchange_(&exchange), stream_(std::move(stream)) {}

    /// An event that is good to be sent, or why there is none.
    struct Step {
        explicit Step(Error e) : error(std::move(e)) {}
        explicit Step(engine::Event e) : event(std::move(e)) {}
        std::optional<Error> error;
        engine::Event event;
    };
    /// The next event; an Error event and an end before the Usage are errors alike. Not to be called after the Usage.
    boost::asio::awaitable<Step> next();
    /// Whether next() would give something at once: then it is worth while to write several events together.
    bool ready() const { return stream_->ready(); }

  private:
    Exchange* exchange_;
    std::unique_ptr<fleet::EventStream> stream_;
};

/// Starts a generation on `target`, which Fleet::route() understands; fills the request's id and trace.
boost::asio::awaitable<Result<GenerationEvents>> begin_generation(Services& services, Exchange& exchange,
                                                                  std::string target, GenerationName name,
                                                                  engine::GenerateRequest request);

}  // namespace gantry::api
