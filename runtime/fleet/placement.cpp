#include "runtime/fleet/placement.hpp"

#include <algorithm>

namespace gantry::fleet {
namespace {

/// Of a device's free memory, what a model may plan with: drivers and libraries take some for themselves.
constexpr double kDeviceShare = 0.92;

/// Why a plugin is out of the question for this model; nullopt where it is not.
std::optional<Error> reason_against(const PluginReport& plugin) {
    if (plugin.error) {
        return plugin.error;
    }
    if (plugin.devices.empty()) {
        return Error{Code::kFailedPrecondition,
                     plugin.why.empty() ? "it offers no device on this machine" : plugin.why};
    }
    if (plugin.cannot) {
        return plugin.cannot;
    }
    if (!plugin.assessment) {
        return Error{Code::kInternal, "it was not asked"};
    }
    return std::nullopt;
}

Result<Placement> place_on(const PluginReport& plugin, const PlacementWish& wish) {
    const plugins::DeviceInfo& device = plugin.devices.front();
    plugins::MemoryWish memory{wish.context, wish.max_sequences, wish.host_free, wish.host_free_text};
    if (!device.unified) {
        memory.available = static_cast<uint64_t>(static_cast<double>(device.memory_free) * kDeviceShare);
        memory.available_text = "on " + device.name + " with " + plugins::bytes_text(device.memory_total);
    }
    GANTRY_TRY(const plugins::MemoryPlan plan, plugins::plan_memory(*plugin.assessment, memory));
    Placement out{plugin.id, plan, plan.total(), 0, std::nullopt};
    if (!device.unified) {
        // What is in place on the device is read through the page cache, which gives way.
        out.device_bytes = plan.total() - plan.process;
        out.host_bytes = plan.process;
    }
    return out;
}

std::string list_ids(const ProbeReport& report) {
    std::string out;
    for (const PluginReport& plugin : report.plugins) {
        out += (out.empty() ? "" : ", ") + plugin.id;
    }
    return out;
}

Result<Placement> place_named(const ProbeReport& report, const PlacementWish& wish) {
    const auto plugin = std::ranges::find(report.plugins, wish.engine, &PluginReport::id);
    if (plugin == report.plugins.end()) {
        return Error{Code::kInvalidArgument, "there is no engine '" + wish.engine + "'",
                     report.plugins.empty() ? "no engines are installed" : "there are: " + list_ids(report)};
    }
    if (const auto against = reason_against(*plugin)) {
        return against->in("engine '" + wish.engine + "' cannot run this model");
    }
    auto placed = place_on(*plugin, wish);
    return placed ? placed : Result<Placement>(placed.error().in("engine '" + wish.engine + "'"));
}

Error none_can(const ProbeReport& report) {
    if (report.plugins.empty()) {
        return {Code::kFailedPrecondition, "no engines are installed", "install a plugin package"};
    }
    // A single reason keeps its code; several have none in common.
    Error out{Code::kFailedPrecondition, "no engine can run this model:"};
    size_t reasons = 0;
    for (const PluginReport& plugin : report.plugins) {
        if (const auto against = reason_against(plugin)) {
            out.message += (reasons++ == 0 ? " " : "; ") + plugin.id + ": " + against->message;
            out.code = reasons == 1 ? against->code : out.code == against->code ? out.code : Code::kFailedPrecondition;
        }
    }
    return out;
}

}  // namespace

Result<Placement> place(const ProbeReport& report, const PlacementWish& wish) {
    if (report.model_error) {
        return *report.model_error;
    }
    if (!wish.engine.empty() && wish.engine != "auto") {
        return place_named(report, wish);
    }
    std::vector<const PluginReport*> able;
    for (const PluginReport& plugin : report.plugins) {
        if (!reason_against(plugin) && plugin.assessment->score >= 0) {
            able.push_back(&plugin);
        }
    }
    if (able.empty()) {
        return none_can(report);
    }
    std::ranges::stable_sort(able, std::ranges::greater{},
                             [](const PluginReport* plugin) { return plugin->assessment->score; });
    std::optional<Error> first;
    for (const PluginReport* plugin : able) {
        auto placed = place_on(*plugin, wish);
        if (placed) {
            return placed;
        }
        first = first ? first : placed.error().in("engine '" + plugin->id + "'");
    }
    return *first;
}

Status place_draft(const ProbeReport& report, PlacementWish wish, Placement& placement) {
    wish.engine = placement.engine;
    wish.context = placement.plan.context;
    const auto plugin = std::ranges::find(report.plugins, wish.engine, &PluginReport::id);
    if (plugin != report.plugins.end() && plugin->assessment) {
        wish.context = std::min(*wish.context, plugin->assessment->max_context);
    }
    wish.host_free -= std::min(wish.host_free, placement.host_bytes);
    const auto placed = place(report, wish);
    if (!placed) {
        return placed.error().in("the draft model");
    }
    const uint64_t process = placed->plan.process;  // it lives in the same one
    placement.draft = placed->plan;
    placement.draft->process = 0;
    placement.host_bytes += placed->host_bytes - process;
    placement.device_bytes += placed->device_bytes;
    return ok();
}

}  // namespace gantry::fleet
