// Replicas, autostart and the end of the cluster.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>
#include <utility>

#include "api/dialects/xinference/describe.hpp"
#include "api/dialects/xinference/handlers.hpp"
#include "api/dialects/xinference/launch.hpp"
#include "base/json.hpp"
#include "runtime/fleet/event_log.hpp"
#include "runtime/fleet/launch_codec.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

/// What a replica gets to end its requests.
constexpr std::chrono::seconds kDrain{60};
/// Upstream keeps so many events of a model.
constexpr size_t kEvents = 100;

/// What upstream answers with 400 is 400 here too, whatever kind of error it is to the fleet.
ApiError bad_request(const Error& error) {
    const bool theirs =
        error.code == Code::kNotFound || error.code == Code::kFailedPrecondition || error.code == Code::kAlreadyExists;
    return theirs ? ApiError(error, "model", 400) : ApiError(error);
}

/// How many replicas a body asks for; 1 where it says nothing.
api::ApiResult<uint32_t> replica_count(const Exchange& exchange) {
    bj::object body;
    if (!exchange.request.body.empty() && exchange.request.body != "null") {
        auto given = exchange.json_body();
        if (!given) {
            return given.error();
        }
        body = std::move(*given);
    }
    json::Reader reader(body);
    const auto count = reader.integer("replica", 1, 64);
    return reader.status() ? api::ApiResult<uint32_t>(static_cast<uint32_t>(count.value_or(1)))
                           : api::ApiResult<uint32_t>(ApiError::from(reader));
}

/// Secrets that callers put into launches are shown to nobody.
bj::value masked(const std::string& key, const bj::value& value) {
    std::string low = key;
    std::transform(low.begin(), low.end(), low.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    for (const char* word : {"token", "secret", "password", "api_key", "credential"}) {
        if (low.find(word) != std::string::npos && value.is_string()) {
            return "******";
        }
    }
    return value;
}

/// What an entry says beside its launch: whether it is to be started at all. The rest has no effect here.
api::ApiResult<bool> read_entry(const bj::object& entry, std::vector<std::string>& ignored) {
    json::Reader reader(entry);
    const bool enabled = reader.boolean("enabled").value_or(true);
    for (const auto& [name, least] : {std::pair{"priority", std::numeric_limits<int32_t>::min()},
                                      std::pair{"max_retries", 1}, std::pair{"retry_interval_seconds", 1}}) {
        if (reader.integer(name, least, std::numeric_limits<int32_t>::max())) {
            ignored.emplace_back(name);
        }
    }
    return reader.status() ? api::ApiResult<bool>(enabled) : api::ApiResult<bool>(ApiError::from(reader));
}

bj::object autostart_entry(Services& services, const fleet::DesiredLaunch& launch) {
    bj::object shown{{"model_uid", launch.uid}};
    for (const auto& [key, value] : fleet::to_json(launch.request)) {
        const std::string name(key);
        shown[name == "model"      ? "model_name"
              : name == "engine"   ? "model_engine"
              : name == "replicas" ? "replica"
                                   : name] = masked(name, value);
    }
    const auto model = services.fleet.describe(launch.uid);
    return bj::object{
        {"enabled", !launch.parked},
        {"priority", 100},
        {"max_retries", 3},
        {"retry_interval_seconds", 30},
        {"launch", std::move(shown)},
        {"state", bj::object{{"instance_status", model ? bj::value(instance_status(model->state)) : bj::value(nullptr)},
                             {"failed_restores", launch.attempts},
                             {"error", launch.reason.empty() ? bj::value(nullptr) : bj::value(launch.reason)}}}};
}

bj::object autostart_summary_of(Services& services) {
    bj::array all;
    for (const fleet::DesiredLaunch& launch : services.fleet.desired()) {
        if (!launch.parked) {
            all.emplace_back(bj::object{{"enabled", true}, {"model_uid", launch.uid}});
        }
    }
    return bj::object{{"models", std::move(all)}};
}

}  // namespace

Answer add_replica(Services& services, Exchange& exchange) {
    const auto count = replica_count(exchange);
    if (!count) {
        co_return count.error();
    }
    const std::string uid = exchange.param("uid");
    const auto added = co_await services.fleet.add_replicas(uid, *count);
    if (!added) {
        co_return bad_request(added.error());
    }
    bj::array all;
    for (const fleet::ReplicaStatus& one : *added) {
        all.emplace_back(bj::object{{"replica_id", one.id},
                                    {"replica_model_uid", uid + "-rep" + std::to_string(one.id)},
                                    {"worker_address", services.address}});
    }
    if (all.size() == 1) {
        co_return api::json_response(all.front());
    }
    co_return api::json_response(bj::object{{"replica", *count}, {"replicas", std::move(all)}});
}

Answer remove_replica(Services& services, Exchange& exchange) {
    const std::string& text = exchange.param("replica_id");
    int id = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || end != text.data() + text.size()) {
        co_return ApiError(Error(Code::kInvalidArgument, "replica_id must be an integer, not \"" + text + "\""),
                           "replica_id", 422);
    }
    const std::string uid = exchange.param("uid");
    const auto left = co_await services.fleet.remove_replica(uid, id, kDrain);
    if (!left) {
        co_return bad_request(left.error());
    }
    co_return api::json_response(bj::object{{"remaining_replicas", *left}});
}

Answer model_events(Services& services, Exchange& exchange) {
    bj::array out;
    const fleet::EventLog* log = services.fleet.events();
    const std::string& uid = exchange.param("uid");
    if (log != nullptr) {
        for (const fleet::FleetEvent& event : log->all()) {
            const bj::value* about = event.data.if_contains("uid");
            if (about == nullptr || !about->is_string() || about->get_string() != uid) {
                continue;
            }
            const bool bad = event.type == "failed" || event.type == "parked" || event.data.contains("error");
            out.emplace_back(bj::object{{"event_type", bad ? "ERROR" : "INFO"},
                                        {"event_ts", event.time_ms / 1000},
                                        {"event_content", event.type == "launched"  ? "Launch model"
                                                          : event.type == "stopped" ? "Terminate model"
                                                                                    : bj::serialize(event.data)}});
        }
    }
    if (out.size() > kEvents) {
        out.erase(out.begin(), out.end() - static_cast<ptrdiff_t>(kEvents));
    }
    co_return api::json_response(std::move(out));
}

Answer autostart_list(Services& services, Exchange&) {
    bj::array all;
    for (const fleet::DesiredLaunch& launch : services.fleet.desired()) {
        all.emplace_back(autostart_entry(services, launch));
    }
    co_return api::json_response(bj::object{{"models", std::move(all)}});
}

Answer autostart_summary(Services& services, Exchange&) {
    co_return api::json_response(autostart_summary_of(services));
}

Answer autostart_upsert(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    // An entry has the launch in a field of its own; a launch may also come as it is.
    const bj::value* inner = body->if_contains("launch");
    if (inner == nullptr && !body->contains("model_name")) {
        co_return ApiError(Error(Code::kInvalidArgument, "needs \"launch\", an object with \"model_name\""), "launch");
    }
    if (inner != nullptr && !inner->is_object()) {
        co_return ApiError(Error(Code::kInvalidArgument, "must be an object"), "launch");
    }
    std::vector<std::string> ignored;
    const auto enabled = read_entry(*body, ignored);
    if (!enabled) {
        co_return enabled.error();
    }
    auto launch = decode_launch(inner != nullptr ? inner->get_object() : *body);
    if (!launch) {
        co_return launch.error();
    }
    ignored.insert(ignored.end(), launch->ignored.begin(), launch->ignored.end());
    exchange.ignored(ignored);
    if (!*enabled) {
        co_return ApiError(Error(Code::kInvalidArgument, "is false: launches that are not to be started are not kept",
                                 "DELETE /v1/autostart/models/{uid} removes one"),
                           "enabled");
    }
    const Result<std::string> uid = services.fleet.remember(std::move(launch->request));
    if (!uid) {
        co_return bad_request(uid.error());
    }
    for (const fleet::DesiredLaunch& kept : services.fleet.desired()) {
        if (kept.uid == *uid) {
            co_return api::json_response(autostart_entry(services, kept));
        }
    }
    co_return ApiError(Error(Code::kFailedPrecondition, "this server does not record launches",
                             "it was started for one command, or with fleet.restore = false"),
                       {}, 400);
}

Answer autostart_remove(Services& services, Exchange& exchange) {
    const Status removed = services.fleet.unremember(exchange.param("uid"));
    if (!removed) {
        co_return ApiError(removed.error());
    }
    co_return api::json_response(autostart_summary_of(services));
}

Answer abort_cluster(Services& services, Exchange&) {
    // The answer goes out first: the way out waits for what runs.
    if (!services.stop) {
        co_return ApiError(Error(Code::kUnimplemented, "this server cannot be stopped by a call"));
    }
    services.stop();
    co_return api::json_response(bj::object{{"result", true}});
}

}  // namespace gantry::dialects::xinference
