/// gantry launch, ps, stop, sleep, wake

#include <filesystem>
#include <iostream>

#include "api/cli/command_list.hpp"
#include "api/cli/server_client.hpp"
#include "api/cli/terminal.hpp"
#include "base/http/types.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& object, std::string_view key) {
    const auto* v = object.as_object().if_contains(key);
    return v != nullptr && v->is_string() ? json::value_to<std::string>(*v) : std::string();
}

uint64_t number_of(const json::value& object, std::string_view key) {
    const auto* v = object.as_object().if_contains(key);
    return v != nullptr && v->is_number() ? v->to_number<uint64_t>() : 0;
}

int show_plan(ServerClient& client, json::object launch, bool as_json) {
    const auto plan = client.call("POST", "/gantry/v1/launch/plan", std::move(launch));
    if (!plan) {
        return fail(plan.error());
    }
    if (as_json) {
        std::cout << json::serialize(*plan) << "\n";
        return 0;
    }
    std::cout << text_of(*plan, "uid") << ": " << text_of(*plan, "model_path") << "\n";
    if (const std::string engine = text_of(*plan, "engine"); !engine.empty()) {
        std::cout << "engine " << engine << ", " << number_of(*plan, "context_length") << " tokens of context\n"
                  << text_of(*plan, "sum") << "\n";
    }
    const json::value& error = plan->at("error");
    std::cout << (plan->at("fits").as_bool() ? "It fits." : "It does not fit.") << "\n";
    for (const auto& victim : plan->at("evicts").as_array()) {
        std::cout << "Would be stopped for it: " << json::value_to<std::string>(victim) << "\n";
    }
    if (error.is_object()) {
        std::cout << text_of(error, "message") << "\n";
    }
    return plan->at("fits").as_bool() || !plan->at("evicts").as_array().empty() ? 0 : 1;
}

}  // namespace

int cmd_launch(const Arguments& args) {
    auto client = ServerClient::from(args);
    if (!client) {
        return fail(client.error());
    }
    json::object launch{{"model_name", args.operands[0]}, {"model_engine", args.value("engine").value_or("auto")}};
    if (const auto uid = args.value("uid")) {
        launch["model_uid"] = *uid;
    }
    if (const auto q = args.value("quantization")) {
        launch["quantization"] = *q;
    }
    if (const auto source = args.value("speculative")) {
        launch["speculative"] = *source;
    }
    if (const auto draft = args.value("draft-model")) {
        launch["draft_model"] = *draft;
    }
    for (const auto& [option, field] :
         {std::pair{"context", "context_length"}, std::pair{"max-sequences", "max_num_seqs"},
          std::pair{"threads", "n_threads"}, std::pair{"draft-tokens", "draft_tokens"}}) {
        if (args.has(option)) {
            const auto n = args.number(option, 0, 1, 1L << 30);
            if (!n) {
                return fail(n.error());
            }
            launch[field] = *n;
        }
    }
    if (const auto pairs = args.values("option"); !pairs.empty()) {
        json::object options;
        for (const auto& pair : pairs) {
            const auto eq = pair.find('=');
            if (eq == std::string::npos) {
                return fail({Code::kInvalidArgument, "--option takes KEY=VALUE, not \"" + pair + "\""});
            }
            options[pair.substr(0, eq)] = pair.substr(eq + 1);
        }
        launch["engine_options"] = std::move(options);
    }
    if (const auto pairs = args.values("adapter"); !pairs.empty()) {
        json::array adapters;
        for (const auto& pair : pairs) {
            const auto eq = pair.find('=');
            if (eq == std::string::npos) {
                return fail({Code::kInvalidArgument, "--adapter takes NAME=PATH, not \"" + pair + "\""});
            }
            // The server may run in another folder.
            const auto path = std::filesystem::absolute(pair.substr(eq + 1));
            adapters.emplace_back(json::object{{"name", pair.substr(0, eq)}, {"path", path.string()}});
        }
        launch["lora_modules"] = std::move(adapters);
    }
    if (const auto dirs = args.values("adapter-dir"); !dirs.empty()) {
        json::array all;
        for (const auto& dir : dirs) {
            all.emplace_back(std::filesystem::absolute(dir).string());
        }
        launch["adapter_dirs"] = std::move(all);
    }
    if (args.has("wake-on-request")) {
        launch["wake_on_request"] = true;
    }
    for (const auto& [option, field] :
         {std::pair{"on-demand", "on_demand"}, std::pair{"pin", "pinned"}, std::pair{"evict", "evict"}}) {
        if (args.has(option)) {
            launch[field] = true;
        }
    }
    if (const auto time = args.value("keep-alive")) {
        launch["keep_alive"] = *time;
    }
    if (args.has("replicas")) {
        const auto count = args.number("replicas", 1, 1, 64);
        if (!count) {
            return fail(count.error());
        }
        launch["replica"] = *count;
    }
    if (args.has("dry-run")) {
        return show_plan(*client, std::move(launch), args.has("json"));
    }
    if (args.has("no-wait")) {
        const auto accepted = client->call("POST", "/v1/models?wait_ready=false", std::move(launch));
        if (!accepted) {
            return fail(accepted.error());
        }
        std::cout << (args.has("json") ? json::serialize(*accepted) : text_of(*accepted, "model_uid")) << "\n";
        return 0;
    }
    const auto uid = ensure_launched(*client, std::move(launch), args.has("quiet"), false);
    if (!uid) {
        return fail(uid.error());
    }
    std::cout << (args.has("json") ? json::serialize(json::object{{"model_uid", *uid}}) : *uid) << "\n";
    return 0;
}

int cmd_ps(const Arguments& args) {
    auto client = ServerClient::from(args);
    if (!client) {
        return fail(client.error());
    }
    const auto answer = client->call("GET", "/gantry/v1/models");
    if (!answer) {
        return fail(answer.error());
    }
    if (args.has("json")) {
        std::cout << json::serialize(*answer) << "\n";
        return 0;
    }
    const auto& models = answer->at("models").as_array();
    if (args.has("quiet")) {
        for (const auto& m : models) {
            std::cout << text_of(m, "uid") << "\n";
        }
        return 0;
    }
    std::vector<std::vector<std::string>> rows{{"NAME", "STATE", "ENGINE", "TYPE", "CONTEXT", "MEMORY", "MODEL"}};
    for (const auto& m : models) {
        std::string state = text_of(m, "state");
        if (const auto total = number_of(m, "bytes_total"); state == "loading" && total > 0) {
            state += " " + std::to_string(number_of(m, "bytes_done") * 100 / total) + " %";
        }
        rows.push_back({text_of(m, "uid"), state, text_of(m, "engine"), text_of(m, "quantization"),
                        std::to_string(number_of(m, "context_length")), human_bytes(number_of(m, "memory_bytes")),
                        text_of(m, "model_name")});
    }
    std::cout << table(rows);
    return 0;
}

int cmd_stop(const Arguments& args) {
    auto client = ServerClient::from(args);
    if (!client) {
        return fail(client.error());
    }
    std::vector<std::string> uids = args.operands;
    if (args.has("all")) {
        const auto answer = client->call("GET", "/gantry/v1/models");
        if (!answer) {
            return fail(answer.error());
        }
        for (const auto& m : answer->at("models").as_array()) {
            uids.push_back(text_of(m, "uid"));
        }
    } else if (uids.empty()) {
        fail({Code::kInvalidArgument, "gantry stop needs the name of a model, or --all", "gantry ps lists them"});
        return 2;
    }
    std::string query;
    if (args.has("drain")) {
        const auto seconds = args.number("drain", 0, 0, 86400);
        if (!seconds) {
            return fail(seconds.error());
        }
        query = "?drain_s=" + std::to_string(*seconds);
    }
    int code = 0;
    for (const auto& uid : uids) {
        if (const auto gone = client->call("DELETE", "/v1/models/" + http::percent_encode(uid) + query); !gone) {
            code = fail(gone.error());
        } else if (!args.has("quiet")) {
            std::cout << "stopped " << uid << "\n";
        }
    }
    return code;
}

namespace {

int change_state(const Arguments& args, const std::string& what) {
    auto client = ServerClient::from(args);
    if (!client) {
        return fail(client.error());
    }
    const auto answer =
        client->call("POST", "/gantry/v1/models/" + http::percent_encode(args.operands[0]) + "/" + what);
    if (!answer) {
        return fail(answer.error());
    }
    if (!args.has("quiet")) {
        std::cout << args.operands[0] << " is " << text_of(*answer, "state") << "\n";
    }
    return 0;
}

}  // namespace

int cmd_logs(const Arguments& args) {
    auto client = ServerClient::from(args);
    if (!client) {
        return fail(client.error());
    }
    const auto tail = args.number("tail", 100, 0, 100);
    if (!tail) {
        return fail(tail.error());
    }
    const std::string target = "/gantry/v1/models/" + http::percent_encode(args.operands[0]) +
                               "/logs?tail=" + std::to_string(*tail) + (args.has("follow") ? "&follow=true" : "");
    const Status read = client->read(target, [](std::string_view text) { std::cout << text << std::flush; });
    return read || read.error().code == Code::kCancelled ? 0 : fail(read.error());
}

int cmd_events(const Arguments& args) {
    auto client = ServerClient::from(args);
    if (!client) {
        return fail(client.error());
    }
    const std::string target = std::string("/gantry/v1/events") + (args.has("all") ? "?since=all" : "?") +
                               (args.has("no-follow") ? "&follow=false" : "");
    const Status read = client->read(target, [](std::string_view text) { std::cout << text << std::flush; });
    return read || read.error().code == Code::kCancelled ? 0 : fail(read.error());
}

int cmd_sleep(const Arguments& args) { return change_state(args, "sleep"); }
int cmd_wake(const Arguments& args) { return change_state(args, "wake"); }

}  // namespace gantry::cli
