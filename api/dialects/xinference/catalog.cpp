#include <algorithm>

#include "api/dialects/xinference/describe.hpp"
#include "api/dialects/xinference/handlers.hpp"
#include "api/dialects/xinference/registrations.hpp"
#include "base/json.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

std::string text_of(const bj::object& object, std::string_view key) {
    const bj::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// Why a plugin cannot be used; empty when it can.
std::string objection(const bj::object& plugin) {
    if (const bj::value* error = plugin.if_contains("error"); error && error->is_object()) {
        return text_of(error->get_object(), "message");
    }
    const bj::value* devices = plugin.if_contains("devices");
    if (!devices || !devices->is_array() || devices->get_array().empty()) {
        const std::string why = text_of(plugin, "why");
        return why.empty() ? "it offers no device on this machine" : why;
    }
    return {};
}

}  // namespace

Answer list_registrations(Services& services, Exchange& exchange) {
    const auto kind = registry::model_kind_from_name(exchange.param("type"));
    if (!kind || registry::model_kind_name(*kind) != exchange.param("type")) {
        co_return ApiError(Error(Code::kInvalidArgument, "Unsupported model type: " + exchange.param("type"),
                                 "LLM, embedding, rerank, image, audio, video or flexible, written just so"));
    }
    auto detailed = exchange.query_flag("detailed", false);
    if (!detailed) {
        co_return detailed.error();
    }
    std::vector<const registry::CatalogEntry*> entries;
    for (const registry::CatalogEntry& entry : services.catalog.entries()) {
        if (entry.kind == *kind) {
            entries.push_back(&entry);
        }
    }
    std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
    bj::array out;
    for (const registry::CatalogEntry* entry : entries) {
        out.emplace_back(registration(*entry, *detailed));
    }
    for (const Registration& own : registrations(services, exchange.param("type"))) {
        out.emplace_back(registration_item(own, *detailed));
    }
    co_return api::json_response(std::move(out));
}

Answer register_model(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    const std::string spec = reader.required_string("model");
    const bool persist = reader.boolean("persist").value_or(false);
    reader.known({"worker_ip"});
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    const Status added = add_registration(services, exchange.param("type"), spec, persist);
    if (!added) {
        co_return ApiError(added.error(), "model", added.error().code == Code::kAlreadyExists ? 400 : 0);
    }
    co_return api::json_response(nullptr);
}

Answer unregister_model(Services& services, Exchange& exchange) {
    const Status removed = remove_registration(services, exchange.param("type"), exchange.param("name"));
    if (!removed) {
        co_return ApiError(removed.error());
    }
    co_return api::json_response(nullptr);
}

Answer get_registration(Services& services, Exchange& exchange) {
    for (const Registration& own : registrations(services, exchange.param("type"))) {
        if (own.name == exchange.param("name")) {
            co_return api::json_response(registration_item(own, true));
        }
    }
    const registry::CatalogEntry* entry = services.catalog.find(exchange.param("name"));
    if (!entry || registry::model_kind_name(entry->kind) != exchange.param("type")) {
        co_return ApiError(Error(Code::kInvalidArgument, "Model " + exchange.param("name") + " not found"));
    }
    co_return api::json_response(registration(*entry, true));
}

Answer query_engines(Services& services, Exchange& exchange) {
    const registry::CatalogEntry* entry = services.catalog.find(exchange.param("name"));
    if (!entry) {
        co_return api::json_response(nullptr);  // upstream's way to say "unknown"
    }
    const bj::object described = registration(*entry, true);
    bj::array forms;
    for (const bj::value& spec : described.at("model_specs").get_array()) {
        const bj::object& s = spec.get_object();
        forms.emplace_back(bj::object{{"model_name", entry->name},
                                      {"model_format", s.at("model_format")},
                                      {"model_size_in_billions", s.at("model_size_in_billions")},
                                      {"quantizations", bj::array{s.at("quantization")}}});
    }
    Result<bj::value> report = co_await services.fleet.backends();
    if (!report) {
        co_return ApiError(report.error());
    }
    bj::object out;
    const bj::value* plugins = report->is_object() ? report->get_object().if_contains("plugins") : nullptr;
    if (plugins && plugins->is_array()) {
        for (const bj::value& plugin : plugins->get_array()) {
            const std::string why = objection(plugin.get_object());
            out[text_of(plugin.get_object(), "id")] = why.empty() ? bj::value(forms) : bj::value(why);
        }
    }
    co_return api::json_response(std::move(out));
}

Answer cached_models(Services& services, Exchange& exchange) {
    const auto wanted = exchange.request.query_value("model_name");
    bj::array all;
    for (const registry::CatalogEntry& entry : services.catalog.entries()) {
        if (wanted && !wanted->empty() && entry.name != *wanted) {
            continue;
        }
        for (const registry::ModelSpec& spec : entry.specs) {
            if (spec.path.empty()) {
                continue;
            }
            for (const std::string& quantization :
                 spec.quantizations.empty() ? std::vector<std::string>{"none"} : spec.quantizations) {
                all.emplace_back(bj::object{
                    {"model_name", entry.name},
                    {"model_size_in_billions", spec.size_in_billions},
                    {"model_format", spec.format == "gguf" ? "ggufv2" : "pytorch"},
                    {"quantization", quantization},
                    {"model_version", entry.name + "--" + spec.size_in_billions + "B--" +
                                          (spec.format == "gguf" ? "ggufv2" : "pytorch") + "--" + quantization},
                    {"path", spec.path},
                    {"real_path", spec.path},
                    {"actor_ip_address", services.address},
                    {"model_type", registry::model_kind_name(entry.kind)}});
            }
        }
    }
    co_return api::json_response(bj::object{{"list", std::move(all)}});
}

Answer cached_files(Services& services, Exchange& exchange) {
    const std::string version(exchange.request.query_value("model_version").value_or(""));
    const registry::CatalogEntry* entry = services.catalog.find(version.substr(0, version.find("--")));
    bj::array paths;
    for (const registry::ModelSpec& spec : entry ? entry->specs : std::vector<registry::ModelSpec>()) {
        if (!spec.path.empty()) {
            paths.emplace_back(spec.path);
        }
    }
    co_return api::json_response(
        bj::object{{"model_version", version}, {"worker_ip", services.address}, {"paths", std::move(paths)}});
}

Answer remove_cached(Services& services, Exchange& exchange) {
    // What came with the program stays. What is not there is as good as removed, as upstream has it.
    const std::string version(exchange.request.query_value("model_version").value_or(""));
    const bool known = services.catalog.find(version.substr(0, version.find("--"))) != nullptr;
    co_return api::json_response(bj::object{{"result", !known}});
}

Answer vllm_models(Services&, Exchange&) {
    co_return api::json_response(bj::object{{"chat", bj::array()}, {"generate", bj::array()}});
}

}  // namespace gantry::dialects::xinference
