#include "api/dialects/routes.hpp"
#include "api/dialects/descriptions.hpp"
#include "api/dialects/gantry/control.hpp"
#include "api/dialects/gantry/lifecycle.hpp"
#include "api/http/services.hpp"
#include "base/http/error_response.hpp"

namespace gantry::dialects {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Outcome;
using api::Services;

namespace {

bj::object adapters_json(const fleet::ModelStatus& model) {
    bj::object out;
    for (const auto& [name, path] : model.adapters) {
        out[name] = path;
    }
    return out;
}

bj::array strings(const std::vector<std::string>& list) { return bj::array(list.begin(), list.end()); }

bj::array replicas_json(const fleet::ModelStatus& model) {
    bj::array out;
    for (const fleet::ReplicaStatus& replica : model.replicas) {
        out.emplace_back(lifecycle::replica_json(replica));
    }
    return out;
}

bj::object status_json(const fleet::ModelStatus& model) {
    return bj::object{{"uid", model.uid},
                      {"model_name", model.model_name},
                      {"model_path", model.model_path},
                      {"state", fleet::state_name(model.state)},
                      {"stage", model.stage},
                      {"bytes_done", model.bytes_done},
                      {"bytes_total", model.bytes_total},
                      {"error", model.error ? bj::value(http::error_object(*model.error)) : bj::value(nullptr)},
                      {"engine", model.engine},
                      {"plan", model.plan},
                      {"architecture", model.architecture},
                      {"format", model.format},
                      {"quantization", model.quantization},
                      {"abilities", strings(model.abilities)},
                      {"parameter_count", model.parameter_count},
                      {"context_length", model.context_length},
                      {"memory_bytes", model.memory_bytes},
                      {"created", model.created},
                      {"ready_since", model.ready_since == 0 ? bj::value(nullptr) : bj::value(model.ready_since)},
                      {"adapters", adapters_json(model)},
                      {"pid", model.pid},
                      {"restarts", model.restarts},
                      {"keep_alive_s", model.keep_alive ? bj::value(model.keep_alive->count()) : bj::value(nullptr)},
                      {"on_demand", model.on_demand},
                      {"pinned", model.pinned},
                      {"parked", model.parked},
                      {"in_use", model.in_use},
                      {"last_used", model.last_used == 0 ? bj::value(nullptr) : bj::value(model.last_used)},
                      {"expires", model.expires == 0 ? bj::value(nullptr) : bj::value(model.expires)},
                      {"replicas", replicas_json(model)},
                      {"log_tail", strings(model.log_tail)}};
}

asio::awaitable<Outcome> backends(Services& services, Exchange&) {
    Result<bj::value> report = co_await services.fleet.backends();
    if (!report) {
        co_return ApiError(report.error());
    }
    co_return api::json_response(*report);
}

asio::awaitable<Outcome> models(Services& services, Exchange&) {
    bj::array all;
    for (const fleet::ModelStatus& model : services.fleet.list()) {
        all.emplace_back(status_json(model));
    }
    const fleet::Ledger ledger = services.fleet.ledger();
    co_return api::json_response(bj::object{
        {"models", std::move(all)}, {"memory", bj::object{{"total", ledger.total}, {"reserved", ledger.reserved}}}});
}

asio::awaitable<Outcome> model(Services& services, Exchange& exchange) {
    const Result<fleet::ModelStatus> found = services.fleet.describe(exchange.param("uid"));
    if (!found) {
        co_return ApiError(found.error());
    }
    bj::object out = status_json(*found);
    out["chat_template"] = found->chat_template;
    out["tool_parser"] = found->tool_parser;
    out["reasoning_tag"] = found->reasoning_tag;
    if (found->encoder) {
        const fleet::EncoderStatus& encoder = *found->encoder;
        out["encoder"] = bj::object{{"width", encoder.width},
                                    {"dimensions", bj::array(encoder.dimensions.begin(), encoder.dimensions.end())},
                                    {"labels", strings(encoder.labels)},
                                    {"prompts", strings(encoder.prompts)}};
    }
    co_return api::json_response(std::move(out));
}

/// Hands a call to the model's own process; its routes have the names of ours.
asio::awaitable<Outcome> pass_on(Services& services, Exchange& exchange, std::string path, bj::object body) {
    Result<bj::value> answer = co_await services.fleet.call(exchange.param("uid"), std::move(path), std::move(body));
    if (!answer) {
        co_return ApiError(answer.error());
    }
    co_return api::json_response(*answer);
}

template <const char* path>
asio::awaitable<Outcome> pass_body(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    std::string target = path;
    co_return co_await pass_on(services, exchange, std::move(target), std::move(*body));
}

constexpr char kTokenize[] = "/tokenize";
constexpr char kDetokenize[] = "/detokenize";
constexpr char kTemplate[] = "/template";
constexpr char kSavePrefix[] = "/prefix/save";
constexpr char kRestorePrefix[] = "/prefix/restore";

asio::awaitable<Outcome> stats(Services& services, Exchange& exchange) {
    std::string target = "/stats";
    bj::object nothing;
    co_return co_await pass_on(services, exchange, std::move(target), std::move(nothing));
}

using api::Scope;

constexpr api::Route kRoutes[] = {
    {"GET", "/gantry/v1/backends", Scope::kRead, backends},
    {"GET", "/gantry/v1/models", Scope::kRead, models},
    {"GET", "/gantry/v1/models/{uid}", Scope::kRead, model},
    {"GET", "/gantry/v1/models/{uid}/stats", Scope::kInference, stats},
    {"POST", "/gantry/v1/models/{uid}/sleep", Scope::kLaunch, control::sleep},
    {"POST", "/gantry/v1/models/{uid}/wake", Scope::kLaunch, control::wake},
    {"POST", "/gantry/v1/models/{uid}/requests/{request_id}/abort", Scope::kInference, control::abort_request},
    {"GET", "/gantry/v1/models/{uid}/adapters", Scope::kRead, control::list_adapters},
    {"POST", "/gantry/v1/models/{uid}/adapters", Scope::kLaunch, control::load_adapter},
    {"DELETE", "/gantry/v1/models/{uid}/adapters/{name}", Scope::kLaunch, control::drop_adapter},
    {"POST", "/gantry/v1/launch/plan", Scope::kRead, lifecycle::plan},
    {"GET", "/gantry/v1/events", Scope::kRead, lifecycle::events},
    {"GET", "/gantry/v1/desired", Scope::kRead, lifecycle::desired},
    {"GET", "/gantry/v1/queue", Scope::kRead, lifecycle::queue},
    {"GET", "/gantry/v1/devices", Scope::kRead, lifecycle::devices},
    {"GET", "/gantry/v1/models/{uid}/logs", Scope::kLaunch, lifecycle::logs},
    {"POST", "/gantry/v1/models/{uid}/touch", Scope::kInference, lifecycle::touch},
    {"POST", "/gantry/v1/models/{uid}/replicas", Scope::kLaunch, lifecycle::add_replicas},
    {"DELETE", "/gantry/v1/models/{uid}/replicas/{id}", Scope::kLaunch, lifecycle::remove_replica},
    {"POST", "/gantry/v1/models/{uid}/replace", Scope::kLaunch, lifecycle::replace},
    {"GET", "/gantry/v1/aliases", Scope::kRead, lifecycle::aliases},
    {"POST", "/gantry/v1/aliases", Scope::kLaunch, lifecycle::set_alias},
    {"DELETE", "/gantry/v1/aliases/{name}", Scope::kLaunch, lifecycle::drop_alias},
    {"POST", "/v1/load_lora_adapter", Scope::kLaunch, control::load_lora_adapter},
    {"POST", "/v1/unload_lora_adapter", Scope::kLaunch, control::unload_lora_adapter},
    {"POST", "/gantry/v1/models/{uid}/tokenize", Scope::kInference, pass_body<kTokenize>},
    {"POST", "/gantry/v1/models/{uid}/detokenize", Scope::kInference, pass_body<kDetokenize>},
    {"POST", "/gantry/v1/models/{uid}/template", Scope::kInference, pass_body<kTemplate>},
    {"POST", "/gantry/v1/models/{uid}/prefix/save", Scope::kLaunch, pass_body<kSavePrefix>},
    {"POST", "/gantry/v1/models/{uid}/prefix/restore", Scope::kLaunch, pass_body<kRestorePrefix>},
};

}  // namespace

api::RouteTable gantry_routes() { return {kRoutes, gantry_description()}; }

}  // namespace gantry::dialects
