// New parameters for a model that runs, and new processes for the server's parts, which has none to restart.

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <utility>

#include "api/dialects/xinference/handlers.hpp"
#include "api/dialects/xinference/launch.hpp"
#include "base/json.hpp"
#include "runtime/fleet/launch_codec.hpp"

namespace gantry::dialects::xinference {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::ApiResult;
using api::Exchange;
using api::Services;
using fleet::LaunchRequest;

namespace {

constexpr double kStandardDrain = 300, kMostDrain = 3600;  ///< seconds

/// What a reload may change, by the launch's names, and how the change gets from one launch into another.
struct Parameter {
    std::string_view name;
    void (*take)(const LaunchRequest& from, LaunchRequest& to);
};

template <auto member>
void take(const LaunchRequest& from, LaunchRequest& to) {
    to.*member = from.*member;
}

/// Those that are given; the others stay.
void take_options(const LaunchRequest& from, LaunchRequest& to) {
    for (const auto& [name, text] : from.options) {
        to.options[name] = text;
    }
}

constexpr std::array kParameters{Parameter{"context_length", take<&LaunchRequest::context>},
                                 Parameter{"n_ctx", take<&LaunchRequest::context>},
                                 Parameter{"max_model_len", take<&LaunchRequest::context>},
                                 Parameter{"max_num_seqs", take<&LaunchRequest::max_sequences>},
                                 Parameter{"n_parallel", take<&LaunchRequest::max_sequences>},
                                 Parameter{"n_threads", take<&LaunchRequest::threads>},
                                 Parameter{"speculative", take<&LaunchRequest::speculative>},
                                 Parameter{"draft_model", take<&LaunchRequest::draft_model>},
                                 Parameter{"draft_tokens", take<&LaunchRequest::draft_tokens>},
                                 Parameter{"tool_parser", take<&LaunchRequest::tool_parser>},
                                 Parameter{"reasoning_parser", take<&LaunchRequest::reasoning_parser>},
                                 Parameter{"keep_alive", take<&LaunchRequest::keep_alive>},
                                 Parameter{"request_limits", take<&LaunchRequest::request_limit>},
                                 Parameter{"wake_on_request", take<&LaunchRequest::wake_on_request>},
                                 Parameter{"kv_cache_dtype", take_options},
                                 Parameter{"engine_options", take_options}};

/// The latest reload of a model.
struct Operation {
    std::string id, uid, status = "reloading", stage = "queued";
    int64_t started = 0;  ///< Unix seconds
    std::string error;
};

struct Reloads {
    explicit Reloads(const Services&) {}
    std::map<std::string, std::shared_ptr<Operation>> by_uid;
};

bj::object shown(const Operation& operation) {
    return bj::object{{"operation_id", operation.id},
                      {"model_uid", operation.uid},
                      {"status", operation.status},
                      {"stage", operation.stage},
                      {"started_at", operation.started},
                      {"weights_reused", false},
                      {"error", operation.error.empty() ? bj::value(nullptr) : bj::value(operation.error)}};
}

/// The launch of a model that a reload may change.
ApiResult<LaunchRequest> current_launch(Services& services, const std::string& uid) {
    const auto model = services.fleet.describe(uid);
    if (!model) {
        return ApiError(model.error(), "model_uid", 400);
    }
    if (model->replicas.size() > 1) {
        return ApiError(Error(Code::kFailedPrecondition, "Parameter reload currently requires one replica"), {}, 400);
    }
    for (fleet::DesiredLaunch& launch : services.fleet.desired()) {
        if (launch.uid == model->uid) {
            return std::move(launch.request);
        }
    }
    return ApiError(Error(Code::kFailedPrecondition, "the launch of '" + uid + "' is not known any more"), {}, 400);
}

ApiResult<LaunchRequest> changed_launch(LaunchRequest launch, const bj::object& config) {
    bj::object body = config;
    body["model_name"] = "-";  // decoding wants one
    for (const auto& [key, value] : config) {
        if (std::ranges::find(kParameters, std::string_view(key), &Parameter::name) == kParameters.end()) {
            std::string known;
            for (const Parameter& parameter : kParameters) {
                known.append(known.empty() ? "" : ", ").append(parameter.name);
            }
            return ApiError(Error(Code::kInvalidArgument, "model_config." + std::string(key) + " cannot be reloaded",
                                  "what can be: " + known),
                            "model_config." + std::string(key), 400);
        }
    }
    auto decoded = decode_launch(body);
    if (!decoded) {
        return decoded.error();
    }
    for (const Parameter& parameter : kParameters) {
        if (config.contains(parameter.name)) {
            parameter.take(decoded->request, launch);
        }
    }
    return launch;
}

asio::awaitable<void> carry_out(Services& services, std::shared_ptr<Operation> operation, LaunchRequest launch,
                                std::chrono::milliseconds drain) {
    operation->stage = "loading";
    const Status replaced = co_await services.fleet.replace(operation->uid, std::move(launch), drain);
    operation->status = replaced ? "ready" : "error";
    operation->stage = operation->status;
    operation->error = replaced ? "" : replaced.error().text();
}

ApiError cannot_relaunch(const char* what) {
    return ApiError(
        Error(Code::kUnimplemented, std::string(what) + " cannot be relaunched by itself: this server is one process",
              "restart it as it was started (systemctl restart gantry); its models come back"),
        {}, 409);
}

}  // namespace

Answer reload_model(Services& services, Exchange& exchange) {
    const auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    const bj::object* config = reader.object("model_config");
    if (config == nullptr) {
        reader.fail("model_config", "is missing; an object with the parameters to change is needed");
    }
    const double drain = reader.number("drain_timeout").value_or(kStandardDrain);
    if (!(drain > 0 && drain <= kMostDrain)) {
        reader.fail("drain_timeout", "must be more than 0 and at most 3600 seconds");
    }
    reader.known({"python_executable"});
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    if (const auto unknown = reader.unknown(); !unknown.empty()) {
        co_return ApiError(Error(Code::kInvalidArgument, "a reload has no field \"" + unknown.front() + "\""),
                           unknown.front());
    }
    const std::string& uid = exchange.param("uid");
    auto launch = current_launch(services, uid);
    if (!launch) {
        co_return launch.error();
    }
    std::shared_ptr<Operation>& latest = services.kept<Reloads>().by_uid[launch->uid];
    if (latest && latest->status == "reloading") {
        co_return ApiError(Error(Code::kFailedPrecondition, "model '" + uid + "' is reloading already"), {}, 409);
    }
    auto changed = changed_launch(*launch, *config);
    if (!changed) {
        co_return changed.error();
    }
    const auto model = services.fleet.describe(uid);
    if (!model || model->state != fleet::State::kReady) {
        co_return ApiError(Error(Code::kUnavailable, "model '" + uid + "' is not ready"));
    }
    latest = std::make_shared<Operation>();
    latest->id = services.new_id();
    latest->uid = launch->uid;
    latest->started =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    http::Response accepted = api::json_response(shown(*latest), 202);
    const auto executor = co_await asio::this_coro::executor;
    const auto patience = std::chrono::milliseconds(static_cast<int64_t>(drain * 1000));
    // Apart from this request: it goes on when the client leaves.
    asio::co_spawn(executor, carry_out(services, latest, std::move(*changed), patience), asio::detached);
    co_return accepted;
}

Answer reload_status(Services& services, Exchange& exchange) {
    const auto launch = current_launch(services, exchange.param("uid"));
    if (!launch) {
        co_return launch.error();
    }
    const auto& all = services.kept<Reloads>().by_uid;
    const auto found = all.find(launch->uid);
    co_return api::json_response(found == all.end() || !found->second ? bj::object{{"status", "idle"}}
                                                                      : shown(*found->second));
}

Answer reload_config(Services& services, Exchange& exchange) {
    const auto launch = current_launch(services, exchange.param("uid"));
    if (!launch) {
        co_return launch.error();
    }
    const auto model = services.fleet.describe(launch->uid);
    bj::object now;
    const bj::object recorded = fleet::to_json(*launch);
    for (const auto& [ours, theirs] :
         {std::pair{"context", "context_length"}, std::pair{"max_sequences", "max_num_seqs"},
          std::pair{"threads", "n_threads"}, std::pair{"speculative", "speculative"},
          std::pair{"draft_model", "draft_model"}, std::pair{"draft_tokens", "draft_tokens"},
          std::pair{"tool_parser", "tool_parser"}, std::pair{"reasoning_parser", "reasoning_parser"},
          std::pair{"keep_alive", "keep_alive"}, std::pair{"request_limit", "request_limits"},
          std::pair{"wake_on_request", "wake_on_request"}, std::pair{"options", "engine_options"}}) {
        const bj::value* value = recorded.if_contains(ours);
        now[theirs] = value ? *value : bj::value(nullptr);
    }
    co_return api::json_response(bj::object{{"engine", model ? model->engine : launch->engine},
                                            {"parameters", std::move(now)},
                                            {"can_upgrade_environment", false}});
}

Answer relaunch_api(Services&, Exchange&) { co_return cannot_relaunch("the API"); }
Answer relaunch_supervisor(Services&, Exchange&) { co_return cannot_relaunch("the supervisor"); }
Answer relaunch_worker(Services&, Exchange&) { co_return cannot_relaunch("a worker"); }

Answer list_relaunches(Services&, Exchange&) { co_return api::json_response(bj::array()); }

Answer get_relaunch(Services&, Exchange& exchange) {
    co_return ApiError(Error(Code::kNotFound, "there is no relaunch '" + exchange.param("operation") + "'"),
                       "operation");
}

}  // namespace gantry::dialects::xinference
