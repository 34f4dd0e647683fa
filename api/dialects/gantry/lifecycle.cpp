#include "api/dialects/gantry/lifecycle.hpp"

#include <charconv>
#include <utility>

#include "api/dialects/xinference/launch.hpp"
#include "base/http/error_response.hpp"
#include "base/json.hpp"
#include "runtime/fleet/launch_codec.hpp"

namespace gantry::dialects::lifecycle {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

/// What a replica gets to end its requests where the caller does not say.
constexpr std::chrono::seconds kDrain{600};
constexpr int64_t kMaxDrain = 86400;

api::ApiResult<std::chrono::milliseconds> drain_time(const Exchange& exchange) {
    const auto text = exchange.request.query_value("drain_s");
    if (!text) {
        return std::chrono::milliseconds(kDrain);
    }
    int64_t seconds = -1;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
    if (error != std::errc{} || end != text->data() + text->size() || seconds < 0 || seconds > kMaxDrain) {
        return ApiError(Error(Code::kInvalidArgument, "drain_s must be a whole number of seconds from 0 to 86400"),
                        "drain_s");
    }
    return std::chrono::milliseconds(std::chrono::seconds(seconds));
}

/// The body as a launch; what has no effect goes into the answer's header.
api::ApiResult<fleet::LaunchRequest> launch_body(Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        return body.error();
    }
    auto launch = xinference::decode_launch(*body);
    if (!launch) {
        return launch.error();
    }
    exchange.ignored(launch->ignored);
    if (!launch->note.empty()) {
        exchange.note(launch->note);
    }
    return std::move(launch->request);
}

bj::value error_json(const std::optional<Error>& error) {
    return error ? bj::value(http::error_object(*error)) : bj::value(nullptr);
}

const bj::array& array_of(const bj::value& value, std::string_view key) {
    static const bj::array kNone;
    const bj::value* found = value.is_object() ? value.get_object().if_contains(key) : nullptr;
    return found && found->is_array() ? found->get_array() : kNone;
}

}  // namespace

bj::object replica_json(const fleet::ReplicaStatus& replica) {
    return bj::object{{"id", replica.id},
                      {"uid", replica.uid},
                      {"state", fleet::state_name(replica.state)},
                      {"stage", replica.stage},
                      {"bytes_done", replica.bytes_done},
                      {"bytes_total", replica.bytes_total},
                      {"pid", replica.pid},
                      {"created", replica.created},
                      {"in_use", replica.in_use},
                      {"error", error_json(replica.error)}};
}

Answer plan(Services& services, Exchange& exchange) {
    auto request = launch_body(exchange);
    if (!request) {
        co_return request.error();
    }
    const Result<fleet::LaunchPlan> planned = co_await services.fleet.plan(std::move(*request));
    if (!planned) {
        co_return ApiError(planned.error());
    }
    const fleet::Ledger memory = services.fleet.ledger();
    co_return api::json_response(
        bj::object{{"uid", planned->uid},
                   {"model_name", planned->model_name},
                   {"model_path", planned->model_path},
                   {"engine", planned->engine},
                   {"context_length", planned->context},
                   {"fits", planned->fits},
                   {"sum", planned->sum},
                   {"host_bytes", planned->host_bytes},
                   {"device_bytes", planned->device_bytes},
                   {"memory", bj::object{{"total", memory.total}, {"reserved", memory.reserved}}},
                   {"evicts", bj::array(planned->evicts.begin(), planned->evicts.end())},
                   {"error", error_json(planned->error)}});
}

Answer desired(Services& services, Exchange&) {
    bj::array all;
    for (const fleet::DesiredLaunch& launch : services.fleet.desired()) {
        const auto model = services.fleet.describe(launch.uid);
        all.emplace_back(bj::object{{"uid", launch.uid},
                                    {"state", model ? fleet::state_name(model->state) : "gone"},
                                    {"parked", launch.parked},
                                    {"failed_restores", launch.attempts},
                                    {"reason", launch.reason},
                                    {"launch", fleet::to_json(launch.request)}});
    }
    co_return api::json_response(bj::object{{"models", std::move(all)}});
}

Answer queue(Services& services, Exchange&) {
    bj::array all;
    for (const fleet::ModelStatus& model : services.fleet.list()) {
        bj::object entry{{"uid", model.uid}, {"state", fleet::state_name(model.state)}, {"in_use", model.in_use}};
        if (model.state == fleet::State::kReady) {
            std::string path = "/stats";
            bj::value nothing = bj::object();
            const Result<bj::value> stats =
                co_await services.fleet.call(model.uid, std::move(path), std::move(nothing));
            for (const char* key : {"running", "waiting"}) {
                const bj::value* number = stats && stats->is_object() ? stats->get_object().if_contains(key) : nullptr;
                entry[key] = number ? *number : bj::value(nullptr);
            }
        }
        all.emplace_back(std::move(entry));
    }
    co_return api::json_response(bj::object{{"models", std::move(all)}});
}

Answer devices(Services& services, Exchange&) {
    const Result<bj::value> report = co_await services.fleet.backends();
    if (!report) {
        co_return ApiError(report.error());
    }
    bj::array all;
    for (const bj::value& plugin : array_of(*report, "plugins")) {
        for (const bj::value& device : array_of(plugin, "devices")) {
            if (device.is_object()) {
                bj::object entry = device.get_object();
                entry["plugin"] = plugin.get_object().at("id");
                all.emplace_back(std::move(entry));
            }
        }
    }
    const fleet::Ledger memory = services.fleet.ledger();
    co_return api::json_response(bj::object{
        {"devices", std::move(all)}, {"memory", bj::object{{"total", memory.total}, {"reserved", memory.reserved}}}});
}

Answer touch(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    std::optional<std::chrono::seconds> keep_alive;
    if (const bj::value* given = reader.any("keep_alive")) {
        keep_alive = xinference::read_duration(*given);
        if (!keep_alive) {
            reader.fail("keep_alive", "must be a number of seconds or a text like \"5m\"");
        }
    }
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    const Status touched = services.fleet.touch(exchange.param("uid"), keep_alive);
    if (!touched) {
        co_return ApiError(touched.error(), "model");
    }
    const auto model = services.fleet.describe(exchange.param("uid"));
    co_return api::json_response(bj::object{{"uid", exchange.param("uid")}, {"expires", model ? model->expires : 0}});
}

Answer add_replicas(Services& services, Exchange& exchange) {
    bj::object body;
    if (!exchange.request.body.empty()) {
        auto given = exchange.json_body();
        if (!given) {
            co_return given.error();
        }
        body = std::move(*given);
    }
    json::Reader reader(body);
    const int64_t count = reader.integer("count", 1, 64).value_or(1);
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    const std::string uid = exchange.param("uid");
    const auto added = co_await services.fleet.add_replicas(uid, static_cast<uint32_t>(count));
    if (!added) {
        co_return ApiError(added.error(), "model");
    }
    bj::array all;
    for (const fleet::ReplicaStatus& replica : *added) {
        all.emplace_back(replica_json(replica));
    }
    co_return api::json_response(bj::object{{"replicas", std::move(all)}});
}

Answer remove_replica(Services& services, Exchange& exchange) {
    const std::string& text = exchange.param("id");
    int id = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || end != text.data() + text.size()) {
        co_return ApiError(Error(Code::kInvalidArgument, "a replica's id is a whole number, not \"" + text + "\""),
                           "id");
    }
    const auto patience = drain_time(exchange);
    if (!patience) {
        co_return patience.error();
    }
    const std::string uid = exchange.param("uid");
    const auto left = co_await services.fleet.remove_replica(uid, id, *patience);
    if (!left) {
        co_return ApiError(left.error(), "model");
    }
    co_return api::json_response(bj::object{{"remaining_replicas", *left}});
}

Answer replace(Services& services, Exchange& exchange) {
    const auto patience = drain_time(exchange);
    if (!patience) {
        co_return patience.error();
    }
    auto request = launch_body(exchange);
    if (!request) {
        co_return request.error();
    }
    const std::string uid = exchange.param("uid");
    const Status replaced = co_await services.fleet.replace(uid, std::move(*request), *patience);
    if (!replaced) {
        co_return ApiError(replaced.error());
    }
    co_return api::json_response(bj::object{{"uid", uid}});
}

Answer aliases(Services& services, Exchange&) {
    bj::array all;
    for (const auto& [name, uid] : services.fleet.aliases()) {
        all.emplace_back(bj::object{{"name", name}, {"uid", uid}});
    }
    co_return api::json_response(bj::object{{"aliases", std::move(all)}});
}

Answer set_alias(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    const std::string name = reader.required_string("name");
    const std::string uid = reader.required_string("uid");
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    const Status set = services.fleet.set_alias(name, uid);
    if (!set) {
        co_return ApiError(set.error());
    }
    co_return api::json_response(bj::object{{"name", name}, {"uid", uid}});
}

Answer drop_alias(Services& services, Exchange& exchange) {
    const std::string name = exchange.param("name");
    const Status dropped = services.fleet.drop_alias(name);
    if (!dropped) {
        co_return ApiError(dropped.error());
    }
    co_return api::json_response(bj::object{{"name", name}});
}

}  // namespace gantry::dialects::lifecycle
