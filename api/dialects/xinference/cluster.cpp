#include <unistd.h>

#include <chrono>
#include <fstream>

#include "api/dialects/xinference/describe.hpp"
#include "api/dialects/xinference/handlers.hpp"
#include "base/version.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;
using api::Exchange;
using api::Services;

namespace {

struct Machine {
    int64_t cores = 0;
    double load = 0;  ///< of all cores together, 0 to 1
    uint64_t memory_total = 0, memory_available = 0;
};

Machine look_at_machine() {
    Machine machine;
    machine.cores = ::sysconf(_SC_NPROCESSORS_ONLN);
    double load = 0;
    if (std::ifstream("/proc/loadavg") >> load && machine.cores > 0) {
        machine.load = std::min(1.0, load / static_cast<double>(machine.cores));
    }
    std::ifstream memory("/proc/meminfo");
    std::string name, unit;
    for (uint64_t kib = 0; memory >> name >> kib; std::getline(memory, unit)) {
        if (name == "MemTotal:") {
            machine.memory_total = kib * 1024;
        } else if (name == "MemAvailable:") {
            machine.memory_available = kib * 1024;
        }
    }
    return machine;
}

bj::object node(std::string_view type, const Services& services, const Machine& machine, bool detailed) {
    bj::object out{{"node_type", type}, {"ip_address", services.address}, {"gpu_count", 0}, {"gpu_vram_total", 0}};
    if (detailed) {
        out["cpu_available"] = static_cast<double>(machine.cores) * (1 - machine.load);
        out["cpu_count"] = machine.cores;
        out["mem_used"] = machine.memory_total - machine.memory_available;
        out["mem_available"] = machine.memory_available;
        out["mem_total"] = machine.memory_total;
        out["gpu_utilization"] = 0;
        out["gpu_vram_available"] = 0;
    }
    return out;
}

/// How many devices of the probed backends are GPUs.
int64_t count_gpus(const bj::value& report) {
    int64_t count = 0;
    const bj::value* plugins = report.is_object() ? report.get_object().if_contains("plugins") : nullptr;
    if (!plugins || !plugins->is_array()) {
        return 0;
    }
    for (const bj::value& plugin : plugins->get_array()) {
        int64_t here = 0;
        const bj::value* devices = plugin.is_object() ? plugin.get_object().if_contains("devices") : nullptr;
        if (devices && devices->is_array()) {
            for (const bj::value& device : devices->get_array()) {
                const bj::value* kind = device.is_object() ? device.get_object().if_contains("kind") : nullptr;
                here += kind && kind->is_string() && *kind == "gpu" ? 1 : 0;
            }
        }
        count = std::max(count, here);  // two plugins may offer the same cards
    }
    return count;
}

}  // namespace

Answer address(Services& services, Exchange&) { co_return api::json_response(bj::value(services.address)); }

Answer cluster_version(Services&, Exchange&) {
    co_return api::json_response(bj::object{{"version", kVersion}, {"full-revisionid", nullptr}});
}

Answer cluster_info(Services& services, Exchange& exchange) {
    auto detailed = exchange.query_flag("detailed", false);
    if (!detailed) {
        co_return detailed.error();
    }
    const Machine machine = look_at_machine();
    bj::array nodes;
    nodes.emplace_back(node("Supervisor", services, machine, *detailed));
    nodes.emplace_back(node("Worker", services, machine, *detailed));
    co_return api::json_response(std::move(nodes));
}

Answer cluster_devices(Services& services, Exchange&) {
    Result<bj::value> report = co_await services.fleet.backends();
    if (!report) {
        co_return api::ApiError(report.error());
    }
    co_return api::json_response(bj::value(count_gpus(*report)));
}

Answer server_status(Services& services, Exchange&) {
    const Machine machine = look_at_machine();
    const auto uptime = std::chrono::steady_clock::now() - services.started;
    bj::object cpu{{"usage", machine.load},
                   {"total", machine.cores},
                   {"memory_used", machine.memory_total - machine.memory_available},
                   {"memory_available", machine.memory_available},
                   {"memory_total", machine.memory_total}};
    const int64_t now =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    bj::object worker{
        {"update_time", now}, {"failure_remaining_count", 0}, {"status", bj::object{{"cpu", std::move(cpu)}}}};
    bj::object workers;
    workers[services.address] = std::move(worker);
    co_return api::json_response(bj::object{
        {"uptime", std::chrono::duration_cast<std::chrono::seconds>(uptime).count()}, {"workers", std::move(workers)}});
}

Answer workers(Services& services, Exchange&) {
    bj::object models;
    for (const fleet::ModelStatus& model : services.fleet.list()) {
        if (is_listed(model.state)) {
            for (const bj::value& one : replicas(model, services.address)) {
                models[one.at("replica_model_uid").get_string()] = describe(model, services.address);
            }
        }
    }
    bj::array out;
    out.emplace_back(bj::object{{"work-ip", services.address}, {"models", std::move(models)}});
    co_return api::json_response(std::move(out));
}

Answer supervisor(Services& services, Exchange&) {
    co_return api::json_response(bj::object{{"supervisor_ip", services.address}});
}

}  // namespace gantry::dialects::xinference
