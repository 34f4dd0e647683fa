#include "api/http/model_metrics.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "base/json.hpp"

namespace gantry::api {

namespace asio = boost::asio;
namespace bj = boost::json;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::chrono::seconds kPatience{2};

std::string text(const bj::object& from, std::string_view name) {
    const bj::value* value = from.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

double number(const bj::value* value) { return value && value->is_number() ? value->to_number<double>() : 0; }

/// One family as a runner writes it (runtime/runner/stats_json.hpp).
metrics::Sample sample(const bj::object& family, const metrics::Labels& whose) {
    metrics::Sample out{text(family, "name"), text(family, "help"), text(family, "type"), whose, 0, {}, {}};
    out.value = number(family.if_contains("value"));
    if (out.type == "histogram") {
        out.value = number(family.if_contains("sum"));
        if (const auto* bounds = family.if_contains("bounds"); bounds && bounds->is_array()) {
            for (const bj::value& bound : bounds->get_array()) {
                out.bounds.push_back(number(&bound));
            }
        }
        if (const auto* counts = family.if_contains("counts"); counts && counts->is_array()) {
            for (const bj::value& count : counts->get_array()) {
                out.counts.push_back(static_cast<uint64_t>(number(&count)));
            }
        }
    }
    return out;
}

void take(const bj::value& stats, const metrics::Labels& whose, std::vector<metrics::Sample>& out) {
    const bj::object* object = stats.if_object();
    if (!object) {
        return;
    }
    if (const auto* families = object->if_contains("metrics"); families && families->is_array()) {
        for (const bj::value& family : families->get_array()) {
            if (family.is_object()) {
                out.push_back(sample(family.get_object(), whose));
            }
        }
    }
    if (const auto* plugin = object->if_contains("plugin"); plugin && plugin->is_object()) {
        for (const auto& [name, value] : plugin->get_object()) {
            metrics::Labels labels = whose;
            labels.emplace_back("name", name);
            out.push_back({"gantry_plugin_metric",
                           "Figures that a backend plugin reports, by its own names.",
                           "gauge",
                           std::move(labels),
                           number(&value),
                           {},
                           {}});
        }
    }
}

/// A process to ask, and the labels of what it says.
struct Asked {
    std::string uid;
    metrics::Labels labels;
};

std::vector<Asked> ready_processes(const fleet::Fleet& fleet) {
    std::vector<Asked> out;
    for (const fleet::ModelStatus& model : fleet.list()) {
        if (model.replicas.empty() && model.state == fleet::State::kReady) {
            out.push_back({model.uid, {{"model", model.uid}, {"replica", "0"}}});
        }
        for (const fleet::ReplicaStatus& one : model.replicas) {
            if (one.state == fleet::State::kReady) {
                const std::string number = std::to_string(one.id);
                out.push_back({model.uid + "-rep" + number, {{"model", model.uid}, {"replica", number}}});
            }
        }
    }
    return out;
}

}  // namespace

asio::awaitable<std::vector<metrics::Sample>> model_metrics(fleet::Fleet& fleet) {
    std::vector<metrics::Sample> out;
    asio::steady_timer patience(co_await asio::this_coro::executor, kPatience);
    const std::vector<Asked> processes = ready_processes(fleet);
    for (const Asked& process : processes) {
        bool told = false;
        bj::value nothing;
        if (patience.expiry() > std::chrono::steady_clock::now()) {
            const auto answer = co_await (fleet.call(process.uid, "/stats", std::move(nothing)) ||
                                          patience.async_wait(asio::use_awaitable));
            if (const auto* stats = std::get_if<0>(&answer); stats && *stats) {
                take(**stats, process.labels, out);
                told = true;
            }
        }
        out.push_back({"gantry_model_scraped",
                       "1 where a ready model's process told its metrics in time.",
                       "gauge",
                       process.labels,
                       told ? 1.0 : 0.0,
                       {},
                       {}});
    }
    co_return out;
}

}  // namespace gantry::api
