#include "api/dialects/routes.hpp"
#include "api/dialects/descriptions.hpp"
#include "api/dialects/openai/call.hpp"
#include "api/dialects/openai/generate.hpp"

namespace gantry::dialects {

namespace asio = boost::asio;
using api::Exchange;
using api::Outcome;
using api::Services;

namespace {

using Decode = api::ApiResult<openai::Call> (*)(const boost::json::object&);

asio::awaitable<Outcome> decode_and_run(Services& services, Exchange& exchange, Decode decode) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    auto call = decode(*body);
    if (!call) {
        co_return call.error();
    }
    exchange.request.body.clear();
    exchange.request.body.shrink_to_fit();
    co_return co_await openai::run_call(services, exchange, std::move(*call));
}

asio::awaitable<Outcome> chat(Services& services, Exchange& exchange) {
    return decode_and_run(services, exchange, openai::decode_chat);
}

asio::awaitable<Outcome> completions(Services& services, Exchange& exchange) {
    return decode_and_run(services, exchange, openai::decode_completion);
}

/// Routes that need a model of a kind that nothing here runs.
template <const char* kind>
asio::awaitable<Outcome> no_model(Services&, Exchange&) {
    co_return api::ApiError(Error(Code::kNotFound, std::string("there is no ") + kind + " model here",
                                  "this version runs models that read and write text"),
                            "model");
}

constexpr char kSpeech[] = "speech";
constexpr char kTranscription[] = "transcription";
constexpr char kImage[] = "image";

constexpr api::Route kRoutes[] = {
    {"POST", "/v1/chat/completions", api::Scope::kInference, chat},
    {"POST", "/v1/completions", api::Scope::kInference, completions},
    {"POST", "/v1/audio/speech", api::Scope::kInference, no_model<kSpeech>, "Refused: there are no such models"},
    {"POST", "/v1/audio/transcriptions", api::Scope::kInference, no_model<kTranscription>, "Refused likewise"},
    {"POST", "/v1/audio/translations", api::Scope::kInference, no_model<kTranscription>, "Refused likewise"},
    {"POST", "/v1/images/generations", api::Scope::kInference, no_model<kImage>, "Refused likewise"},
    {"POST", "/v1/images/edits", api::Scope::kInference, no_model<kImage>, "Refused likewise"},
    {"POST", "/v1/images/variations", api::Scope::kInference, no_model<kImage>, "Refused likewise"},
};

}  // namespace

api::RouteTable openai_routes() { return {kRoutes, openai_description()}; }

}  // namespace gantry::dialects
