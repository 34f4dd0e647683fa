#include <algorithm>
#include <charconv>
#include <chrono>

#include "api/dialects/xinference/describe.hpp"
#include "api/dialects/xinference/handlers.hpp"
#include "api/dialects/xinference/launch.hpp"
#include "api/dialects/xinference/registrations.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;
using fleet::ModelStatus;
using fleet::State;

namespace {

constexpr double kMaxDrain = 86400;  ///< seconds

/// A launch that names what there is not is a bad request, not a missing resource: the route exists.
ApiError launch_error(const Error& error) {
    switch (error.code) {
        case Code::kNotFound:
            return ApiError(error, "model_name", 400);
        case Code::kAlreadyExists:
            return ApiError(error, "model_uid", 400);
        case Code::kFailedPrecondition:
        case Code::kUnimplemented:
            return ApiError(error, {}, 400);
        case Code::kCancelled:
            return ApiError(Error(error.code, "Launch cancelled: " + error.message, error.hint));
        default:
            return ApiError(error);
    }
}

/// 503 while a model is on its way, so that clients come back.
std::optional<ApiError> not_ready(const ModelStatus& model) {
    if (is_launching(model.state)) {
        return ApiError(
            Error(Code::kUnavailable,
                  "model '" + model.uid + "' is still loading (" + std::string(fleet::state_name(model.state)) + ")",
                  "GET /v1/models/" + model.uid + "/progress tells how far it is"));
    }
    if (model.state == State::kFailed) {
        const std::string why = model.error ? ": " + model.error->message : std::string();
        return ApiError(Error(Code::kFailedPrecondition, "model '" + model.uid + "' failed to launch" + why,
                              model.error ? model.error->hint : std::string()),
                        {}, 400);
    }
    return std::nullopt;
}

/// `drain_s`: how long what runs may go on before a model is stopped.
api::ApiResult<std::chrono::milliseconds> drain_time(const Exchange& exchange) {
    const auto text = exchange.request.query_value("drain_s");
    if (!text) {
        return std::chrono::milliseconds(0);
    }
    double seconds = -1;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
    if (error != std::errc{} || end != text->data() + text->size() || !(seconds >= 0 && seconds <= kMaxDrain)) {
        return ApiError(Error(Code::kInvalidArgument, "drain_s must be a number of seconds from 0 to 86400, not \"" +
                                                          std::string(*text) + "\""),
                        "drain_s");
    }
    return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

/// The list of models as text, for as long as it holds: clients ask for it often, and it changes seldom.
struct ListText {
    explicit ListText(const Services&) {}
    std::optional<uint64_t> revision;
    std::string body;
};

std::string list_text(Services& services) {
    bj::array data;
    for (const ModelStatus& model : services.fleet.list()) {
        if (is_listed(model.state)) {
            data.emplace_back(describe(model, services.address));
            for (const auto& [name, path] : model.adapters) {
                data.emplace_back(describe_adapter(model, name));
            }
        }
    }
    return bj::serialize(bj::object{{"object", "list"}, {"data", std::move(data)}});
}

}  // namespace

Answer launch_model(Services& services, Exchange& exchange) {
    auto wait = exchange.query_flag("wait_ready", true);
    if (!wait) {
        co_return wait.error();
    }
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    auto launch = decode_launch(*body);
    if (!launch) {
        co_return launch.error();
    }
    exchange.ignored(launch->ignored);
    if (!launch->note.empty()) {
        exchange.note(launch->note);
    }
    if (const Status found = apply_registration(services, launch->request); !found) {
        co_return launch_error(found.error());
    }
    Result<std::string> uid = co_await services.fleet.launch(std::move(launch->request));
    if (!uid) {
        co_return launch_error(uid.error());
    }
    if (*wait) {
        const Status ready = co_await services.fleet.wait_ready(*uid);
        if (!ready) {
            co_return launch_error(ready.error());
        }
    }
    co_return api::json_response(bj::object{{"model_uid", *uid}});
}

Answer list_models(Services& services, Exchange&) {
    auto& kept = services.kept<ListText>();
    const std::optional<uint64_t> revision = services.fleet.revision();
    if (!revision || revision != kept.revision) {
        kept.body = list_text(services);
        kept.revision = revision;
    }
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = kept.body;
    co_return response;
}

Answer describe_model(Services& services, Exchange& exchange) {
    const Result<ModelStatus> model = services.fleet.describe(exchange.param("uid"));
    if (!model) {
        co_return ApiError(model.error(), "model");
    }
    if (auto error = not_ready(*model)) {
        co_return std::move(*error);
    }
    co_return api::json_response(describe(*model, services.address));
}

Answer terminate_model(Services& services, Exchange& exchange) {
    const std::string uid = exchange.param("uid");
    const auto patience = drain_time(exchange);
    if (!patience) {
        co_return patience.error();
    }
    Status stopped = ok();
    if (patience->count() > 0) {
        stopped = co_await services.fleet.drain_and_stop(uid, *patience);
    } else {
        stopped = co_await services.fleet.stop(uid);
    }
    if (!stopped) {
        co_return ApiError(stopped.error(), "model");
    }
    co_return api::json_response(nullptr);
}

Answer abort_request(Services& services, Exchange& exchange) {
    const std::string uid = exchange.param("uid");
    if (!services.fleet.describe(uid)) {
        co_return api::json_response(bj::object{{"msg", "NO_OP"}});
    }
    bj::value body = bj::object{{"id", exchange.param("request_id")}};
    std::string path = "/abort";
    const Result<bj::value> aborted = co_await services.fleet.call(uid, std::move(path), std::move(body));
    if (!aborted && aborted.error().code != Code::kNotFound) {
        co_return ApiError(aborted.error(), "model");
    }
    co_return api::json_response(bj::object{{"msg", aborted ? "DONE" : "NOT_FOUND"}});
}

Answer launch_progress(Services& services, Exchange& exchange) {
    const Result<ModelStatus> model = services.fleet.describe(exchange.param("uid"));
    co_return api::json_response(progress(model ? &*model : nullptr));
}

Answer cancel_launch(Services& services, Exchange& exchange) {
    const std::string uid = exchange.param("uid");
    const Status cancelled = co_await services.fleet.cancel(uid);
    if (!cancelled) {
        co_return ApiError(cancelled.error());
    }
    co_return api::json_response(nullptr);
}

Answer list_instances(Services& services, Exchange& exchange) {
    const auto uid = exchange.request.query_value("model_uid");
    const auto name = exchange.request.query_value("model_name");
    std::vector<ModelStatus> models = services.fleet.list();
    std::sort(models.begin(), models.end(), [](const auto& a, const auto& b) { return a.uid < b.uid; });
    bj::array out;
    for (const ModelStatus& model : models) {
        const bool wanted =
            uid && !uid->empty() ? model.uid == *uid : !name || name->empty() || model.model_name == *name;
        if (wanted) {
            out.emplace_back(instance(model, services.address));
        }
    }
    co_return api::json_response(std::move(out));
}

Answer list_replicas(Services& services, Exchange& exchange) {
    const Result<ModelStatus> model = services.fleet.describe(exchange.param("uid"));
    co_return api::json_response(model ? replicas(*model, services.address) : bj::array());
}

}  // namespace gantry::dialects::xinference
