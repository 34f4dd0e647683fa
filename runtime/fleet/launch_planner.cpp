#include "runtime/fleet/launch_planner.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <utility>

#include "base/log.hpp"
#include "runtime/fleet/machine.hpp"
#include "runtime/fleet/model_pull.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace asio::experimental::awaitable_operators;
namespace {

/// As runners take them; assessments have to be made with the same limits.
constexpr uint32_t kStepTokens = 512;

}  // namespace

Result<registry::Registry> open_registry(const FleetOptions& options) {
    GANTRY_TRY(registry::Registry registry,
               registry::Registry::open(registry::RegistryPaths::standard(options.share_dir)));
    for (const std::string& dir : options.catalog_dirs) {
        GANTRY_TRY(const registry::Catalog own, registry::Catalog::load(dir));
        for (registry::CatalogEntry entry : own.entries()) {
            entry.built_in = false;
            GANTRY_CHECK_OK(registry.catalog().add(std::move(entry)));
        }
    }
    return registry;
}

SplitOptions split_options(const std::map<std::string, std::string>& options) {
    constexpr std::string_view kPrefix = "scheduler.";
    SplitOptions out;
    for (const auto& [name, text] : options) {
        const bool ours = name.starts_with(kPrefix);
        (ours ? out.scheduling : out.plugin)[ours ? name.substr(kPrefix.size()) : name] = text;
    }
    return out;
}

LaunchPlanner::LaunchPlanner(asio::any_io_executor executor, const FleetOptions& options)
    : executor_(std::move(executor)),
      options_(options),
      registry_(open_registry(options)),
      threads_(options.threads != 0 ? options.threads : usable_cores()) {
    if (!registry_) {
        log::error("the model catalog cannot be read: {}", registry_.error().text());
    }
}

Result<registry::ModelRef> LaunchPlanner::resolve(const LaunchRequest& request) const {
    if (!registry_) {
        return registry_.error();
    }
    registry::ResolveOptions how;
    how.format = request.format;
    how.size_in_billions = request.size_in_billions;
    how.quantization = request.quantization;
    if (request.model_path.empty()) {
        return registry_->resolve(request.model, how);
    }
    std::error_code ec;
    const fs::path path = fs::absolute(request.model_path, ec);
    GANTRY_TRY(registry::ModelRef ref, registry_->resolve(path.string(), how));
    if (!request.model.empty()) {
        ref.name = request.model;
    }
    return ref;
}

plugins::ProbeRequest LaunchPlanner::probe_request() const {
    plugins::ProbeRequest probe;
    for (const std::string& dir : options_.plugin_dirs) {
        std::error_code ec;
        probe.plugin_dirs.push_back(fs::absolute(dir, ec));
    }
    probe.threads = threads_;
    return probe;
}

asio::awaitable<Result<ProbeReport>> LaunchPlanner::ask(LaunchedModel& model, const LaunchRequest& request,
                                                        const fs::path& path) const {
    plugins::ProbeRequest probe = probe_request();
    probe.model_path = path;
    probe.threads = request.threads.value_or(threads_);
    probe.spec.max_context = request.context.value_or(0);
    probe.spec.max_sequences = request.max_sequences.value_or(kMaxSequences);
    probe.spec.max_step_tokens = std::max(kStepTokens, probe.spec.max_sequences);
    probe.spec.max_logit_rows = runner::logit_rows(probe.spec.max_sequences, request.speculative);
    probe.spec.options = split_options(request.options).plugin;
    const Error cancelled{Code::kCancelled, "the launch was cancelled"};
    if (model.stop_requested()) {
        co_return cancelled;
    }
    auto result =
        co_await (run_probe_process(executor_, options_.program, std::move(probe)) || model.wait_stop_request());
    if (result.index() == 1 || model.stop_requested()) {
        co_return cancelled;
    }
    auto& answer = std::get<0>(result);
    if (!answer) {
        co_return answer.error();
    }
    co_return read_report(*answer);
}

asio::awaitable<Result<Draft>> LaunchPlanner::ask_about_draft(LaunchedModel& model, LaunchRequest request) const {
    request.model = std::exchange(request.draft_model, "");
    request.model_path.clear();
    request.context.reset();
    request.format.clear();
    request.size_in_billions.clear();
    request.quantization.clear();
    GANTRY_CO_TRY(const registry::ModelRef ref, resolve(request));
    Draft draft;
    draft.path = ref.path.string();
    GANTRY_CO_TRY(draft.report, co_await ask(model, request, ref.path));
    co_return draft;
}

Result<Placement> LaunchPlanner::find_place(const LaunchRequest& request, const ProbeReport& report,
                                            const std::optional<ProbeReport>& draft, const MemoryLedger& ledger,
                                            bool alone) {
    PlacementWish wish;
    wish.engine = request.engine;
    wish.context = request.context;
    wish.max_sequences = request.max_sequences.value_or(kMaxSequences);
    wish.host_free = alone ? ledger.total() : ledger.free();
    wish.host_free_text = ledger.text();
    GANTRY_TRY(Placement placement, place(report, wish));
    if (draft) {
        GANTRY_CHECK_OK(place_draft(*draft, wish, placement));
    }
    return placement;
}

asio::awaitable<Result<LaunchPlan>> LaunchPlanner::plan(std::string uid, LaunchRequest request,
                                                        const MemoryLedger& ledger) const {
    LaunchPlan out;
    out.uid = uid;
    out.model_name = request.model;
    const auto refused = [&](Error error) {
        out.error = std::move(error);
        return out;
    };
    auto resolved = resolve(request);
    if (!resolved) {
        co_return refused(resolved.error());
    }
    out.model_name = resolved->name;
    out.model_path = resolved->path.string();
    const auto asker = std::make_shared<LaunchedModel>(executor_, uid);  // it is never stopped
    auto report = co_await ask(*asker, request, resolved->path);
    if (!report) {
        co_return refused(report.error());
    }
    Draft draft;
    if (!request.draft_model.empty()) {
        auto asked = co_await ask_about_draft(*asker, request);
        if (!asked) {
            co_return refused(asked.error().in("the draft model"));
        }
        draft = std::move(*asked);
    }
    auto placed = find_place(request, *report, draft.report, ledger);
    out.fits = placed.has_value();
    if (!placed) {
        out.error = placed.error();
        // How much it would take is worth knowing even so.
        placed = find_place(request, *report, draft.report, ledger, true);
    }
    if (placed) {
        out.engine = placed->engine;
        out.sum = placed->plan.sum();
        out.host_bytes = placed->host_bytes;
        out.device_bytes = placed->device_bytes;
        out.context = placed->plan.context;
    }
    co_return out;
}

asio::awaitable<Result<std::vector<EngineFit>>> LaunchPlanner::assess(LaunchRequest request) const {
    GANTRY_CO_TRY(const registry::ModelRef ref, resolve(request));
    const auto asker = std::make_shared<LaunchedModel>(executor_, request.model);  // it is never stopped
    GANTRY_CO_TRY(const ProbeReport report, co_await ask(*asker, request, ref.path));
    if (report.model_error) {
        co_return *report.model_error;
    }
    std::vector<EngineFit> out;
    for (const PluginReport& plugin : report.plugins) {
        EngineFit fit;
        fit.engine = plugin.id;
        fit.cannot = plugin.error ? plugin.error : plugin.cannot;
        if (!fit.cannot && plugin.devices.empty()) {
            const std::string why = plugin.why.empty() ? "it offers no device on this machine" : plugin.why;
            fit.cannot = Error{Code::kUnavailable, why};
        }
        out.push_back(std::move(fit));
    }
    co_return out;
}

}  // namespace gantry::fleet
