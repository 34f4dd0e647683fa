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

Answer vllm_models(Services&, Exchange&) {
    co_return api::json_response(bj::object{{"chat", bj::array()}, {"generate", bj::array()}});
}

}  // namespace gantry::dialects::xinference
