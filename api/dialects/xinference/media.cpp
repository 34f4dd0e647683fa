// Routes for models of kinds that nothing here runs, and for what only they have.

#include <fmt/core.h>

#include "api/dialects/xinference/handlers.hpp"

namespace gantry::dialects::xinference {

using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

ApiError no_model(std::string_view kind) {
    return ApiError(Error(Code::kNotFound, fmt::format("there is no model of the type \"{}\" here", kind),
                          "this version runs models that read and write text"),
                    "model");
}

}  // namespace

Answer audio_model(Services&, Exchange&) { co_return no_model("audio"); }
Answer image_model(Services&, Exchange&) { co_return no_model("image"); }
Answer video_model(Services&, Exchange&) { co_return no_model("video"); }
Answer world_model(Services&, Exchange&) { co_return no_model("world"); }
Answer flexible_model(Services&, Exchange&) { co_return no_model("flexible"); }

/// Only pictures and videos tell how far they are.
Answer request_progress(Services&, Exchange& exchange) {
    co_return ApiError(Error(Code::kInvalidArgument,
                             fmt::format("there is no request '{}' that tells its progress", exchange.param("id")),
                             "stream an answer to see it come"),
                       "request_id");
}

}  // namespace gantry::dialects::xinference
