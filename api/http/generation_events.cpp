#include "api/http/generation_events.hpp"

#include <chrono>

namespace gantry::api {

namespace asio = boost::asio;

asio::awaitable<GenerationEvents::Step> GenerationEvents::next() {
    Result<std::optional<engine::Event>> event = co_await stream_->next();
    if (!event) {
        co_return Step(event.error());
    }
    if (!*event) {
        co_return Step(Error(Code::kUnavailable, "the model ended its answer before it was whole", "try again"));
    }
    engine::Event& found = **event;
    if (const auto* error = std::get_if<Error>(&found)) {
        co_return Step(*error);
    }
    if (const auto* finish = std::get_if<engine::Finish>(&found)) {
        exchange_->generation->finish_reasons.emplace_back(engine::finish_name(finish->reason));
    } else if (const auto* usage = std::get_if<engine::Usage>(&found)) {
        exchange_->generation->usage = *usage;
        exchange_->generation->end = std::chrono::system_clock::now();
    }
    co_return Step(std::move(found));
}

asio::awaitable<Result<GenerationEvents>> begin_generation(Services& services, Exchange& exchange, std::string target,
                                                           GenerationName name, engine::GenerateRequest request) {
    GenerationRecord& record = exchange.generation.emplace();
    record.model = std::move(name.model);
    record.operation = std::move(name.operation);
    record.response_id = name.id;
    record.sampling = request.sampling;
    record.max_tokens = request.max_tokens;
    record.begin = std::chrono::system_clock::now();
    request.id = std::move(name.id);
    request.traceparent = exchange.trace.text();
    auto stream = co_await services.fleet.generate(std::move(target), std::move(request));
    if (!stream) {
        co_return stream.error();
    }
    co_return GenerationEvents(exchange, std::move(*stream));
}

}  // namespace gantry::api
