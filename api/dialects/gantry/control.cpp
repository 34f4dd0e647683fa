#include "api/dialects/gantry/control.hpp"

#include <utility>

#include "base/json.hpp"

namespace gantry::dialects::control {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

http::Response state_response(Services& services, const std::string& uid) {
    const auto model = services.fleet.describe(uid);
    const std::string_view state = model ? fleet::state_name(model->state) : "gone";
    return api::json_response(bj::object{{"uid", uid}, {"state", state}});
}

http::Response text_response(std::string text) {
    http::Response out;
    out.status = 200;
    out.headers.set("Content-Type", "text/plain; charset=utf-8");
    out.body = std::move(text);
    return out;
}

/// The model that vLLM's routes mean, which know only one.
api::ApiResult<std::string> only_model(Services& services, const std::optional<std::string>& named) {
    if (named) {
        return *named;
    }
    const auto models = services.fleet.list();
    if (models.size() == 1) {
        return models.front().uid;
    }
    return ApiError(Error(Code::kInvalidArgument,
                          models.empty() ? "no model is launched"
                                         : "several models are launched; say in \"model\" which one is meant"),
                    "model");
}

}  // namespace

Answer sleep(Services& services, Exchange& exchange) {
    const std::string uid = exchange.param("uid");
    const Status done = co_await services.fleet.sleep(uid);
    if (!done) {
        co_return ApiError(done.error(), "model");
    }
    co_return state_response(services, uid);
}

Answer wake(Services& services, Exchange& exchange) {
    const std::string uid = exchange.param("uid");
    const Status done = co_await services.fleet.wake(uid);
    if (!done) {
        co_return ApiError(done.error(), "model");
    }
    co_return state_response(services, uid);
}

Answer abort_request(Services& services, Exchange& exchange) {
    const std::string uid = exchange.param("uid");
    bj::value body = bj::object{{"id", exchange.param("request_id")}};
    std::string path = "/abort";
    const Result<bj::value> answer = co_await services.fleet.call(uid, std::move(path), std::move(body));
    if (!answer) {
        co_return ApiError(answer.error());
    }
    co_return api::json_response(*answer);
}

Answer list_adapters(Services& services, Exchange& exchange) {
    const auto model = services.fleet.describe(exchange.param("uid"));
    if (!model) {
        co_return ApiError(model.error(), "model");
    }
    bj::array all;
    for (const auto& [name, path] : model->adapters) {
        all.emplace_back(bj::object{{"name", name}, {"path", path}, {"model", model->uid + ":" + name}});
    }
    co_return api::json_response(bj::object{{"adapters", std::move(all)}});
}

Answer load_adapter(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    const std::string name = reader.required_string("name");
    const std::string path = reader.required_string("path");
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    const std::string uid = exchange.param("uid");
    const Status loaded = co_await services.fleet.load_adapter(uid, name, path);
    if (!loaded) {
        co_return ApiError(loaded.error());
    }
    co_return api::json_response(bj::object{{"name", name}, {"path", path}, {"model", uid + ":" + name}});
}

Answer drop_adapter(Services& services, Exchange& exchange) {
    const std::string uid = exchange.param("uid");
    const std::string name = exchange.param("name");
    const Status dropped = co_await services.fleet.drop_adapter(uid, name);
    if (!dropped) {
        co_return ApiError(dropped.error());
    }
    co_return api::json_response(bj::object{{"name", name}});
}

Answer load_lora_adapter(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    const std::string name = reader.required_string("lora_name");
    const std::string path = reader.required_string("lora_path");
    const auto model = reader.string("model");
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    const auto uid = only_model(services, model);
    if (!uid) {
        co_return uid.error();
    }
    const Status loaded = co_await services.fleet.load_adapter(*uid, name, path);
    if (!loaded) {
        co_return ApiError(loaded.error());
    }
    co_return text_response("Success: LoRA adapter '" + name + "' added successfully.");
}

Answer unload_lora_adapter(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    std::string name = reader.required_string("lora_name");
    const auto model = reader.string("model");
    reader.known({"lora_int_id"});
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    std::string uid = model.value_or("");
    if (!model) {
        const auto target = services.fleet.route(name);
        if (!target) {
            co_return ApiError(target.error(), "lora_name");
        }
        uid = target->first;
        name = target->second;
    }
    const Status dropped = co_await services.fleet.drop_adapter(uid, name);
    if (!dropped) {
        co_return ApiError(dropped.error(), "lora_name");
    }
    co_return text_response("Success: LoRA adapter '" + name + "' removed successfully.");
}

}  // namespace gantry::dialects::control
