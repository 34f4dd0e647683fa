#include "api/http/core_routes.hpp"

#include <map>
#include <set>

#include "api/http/auth_routes.hpp"
#include "api/http/model_metrics.hpp"
#include "api/http/openapi.hpp"
#include "api/http/services.hpp"
#include "base/version.hpp"

namespace gantry::api {

namespace asio = boost::asio;
namespace bj = boost::json;

namespace {

asio::awaitable<Outcome> healthz(Services&, Exchange&) { co_return json_response(bj::object{{"status", "ok"}}); }

asio::awaitable<Outcome> readyz(Services& services, Exchange&) {
    if (services.draining) {
        co_return ApiError(Error(Code::kUnavailable, "the server is stopping"));
    }
    co_return json_response(bj::object{{"status", "ready"}});
}

asio::awaitable<Outcome> version(Services&, Exchange&) {
    co_return json_response(bj::object{{"version", kVersion}, {"plugin_abi", kPluginAbi}});
}

asio::awaitable<Outcome> metrics_text(Services& services, Exchange& exchange) {
    const auto accept = exchange.request.headers.find("Accept").value_or("");
    const auto format = accept.find("openmetrics") == std::string_view::npos ? metrics::TextFormat::kPrometheus
                                                                             : metrics::TextFormat::kOpenMetrics;
    http::Response response;
    response.headers.set("Content-Type", metrics::content_type(format));
    const std::vector<metrics::Sample> of_models = co_await model_metrics(services.fleet);
    response.body = services.metrics.render(format, of_models);
    co_return response;
}

asio::awaitable<Outcome> openapi(Services& services, Exchange&) {
    co_return json_response(openapi_document(*services.routes));
}

constexpr Route kRoutes[] = {
    {"GET", "/openapi.json", Scope::kPublic, openapi, "This API as an OpenAPI 3.1 document"},
    {"GET", "/healthz", Scope::kPublic, healthz, "Whether the process lives"},
    {"GET", "/readyz", Scope::kPublic, readyz, "Whether the server takes requests"},
    {"GET", "/version", Scope::kPublic, version, "Versions of the server and of its plugin interface"},
    {"GET", "/metrics", Scope::kRead, metrics_text, "Metrics for Prometheus"},
};

}  // namespace

std::vector<RouteTable> core_routes() { return {{kRoutes, core_description()}, {auth_routes(), core_description()}}; }

void observe_fleet(Services& services) {
    // Gauges of models that are gone are forgotten, or their last values would be reported for ever.
    auto shown = std::make_shared<std::set<std::string>>();
    services.metrics.on_collect([&services, shown] {
        metrics::Registry& registry = services.metrics;
        std::map<std::string, int> states;
        std::set<std::string> now;
        for (const fleet::ModelStatus& model : services.fleet.list()) {
            ++states[std::string(fleet::state_name(model.state))];
            const metrics::Labels labels{{"model", model.uid}};
            registry.gauge("gantry_model_memory_bytes", "Memory reserved for a model.", labels)
                .set(static_cast<double>(model.memory_bytes));
            registry.gauge("gantry_model_restarts", "Restarts of a model's process since its launch.", labels)
                .set(model.restarts);
            registry.gauge("gantry_model_ready", "1 while a model answers.", labels)
                .set(model.state == fleet::State::kReady ? 1 : 0);
            now.insert(model.uid);
        }
        for (const std::string& uid : *shown) {
            if (!now.contains(uid)) {
                for (const char* name : {"gantry_model_memory_bytes", "gantry_model_restarts", "gantry_model_ready"}) {
                    registry.remove(name, {{"model", uid}});
                }
            }
        }
        *shown = std::move(now);
        for (const char* state :
             {"resolving", "placing", "starting", "loading", "warming", "ready", "stopping", "restarting", "failed"}) {
            registry.gauge("gantry_models", "Launched models by state.", {{"state", state}}).set(states[state]);
        }
        const fleet::Ledger ledger = services.fleet.ledger();
        registry.gauge("gantry_memory_total_bytes", "Memory that models may use together.")
            .set(static_cast<double>(ledger.total));
        registry.gauge("gantry_memory_reserved_bytes", "Memory reserved for launched models.")
            .set(static_cast<double>(ledger.reserved));
    });
}

}  // namespace gantry::api
