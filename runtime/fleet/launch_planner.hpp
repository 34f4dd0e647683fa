#pragma once

/// What a launch needs before its process: the model's files, what the plugins say to them, a place in the memory.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "registry/registry.hpp"
#include "runtime/fleet/fleet.hpp"
#include "runtime/fleet/launched_model.hpp"
#include "runtime/fleet/memory_ledger.hpp"
#include "runtime/fleet/placement.hpp"
#include "runtime/fleet/probe_client.hpp"
#include "runtime/plugins/probe.hpp"

namespace gantry::fleet {

/// A launch's options: those of the scheduler, whose names lose their prefix, and the rest.
struct SplitOptions {
    std::map<std::string, std::string> plugin, scheduling;
};
SplitOptions split_options(const std::map<std::string, std::string>& options);

/// A draft model's file and what the plugins say to it.
struct Draft {
    std::string path;
    std::optional<ProbeReport> report;
};

/// Used on the io thread. Keeps nothing of one launch for another.
class LaunchPlanner {
  public:
    static constexpr uint32_t kMaxSequences = 16;

    /// `options` must outlive it.
    LaunchPlanner(boost::asio::any_io_executor executor, const FleetOptions& options);

    uint32_t threads() const { return threads_; }
    /// The catalog and the files that launches choose from.
    const Result<registry::Registry>& registry() const { return registry_; }
    /// The files that a request means.
    Result<registry::ModelRef> resolve(const LaunchRequest& request) const;
    /// What the plugins are asked without a model.
    plugins::ProbeRequest probe_request() const;
    /// Asks the plugins about a model; kCancelled once `model` is to be stopped.
    boost::asio::awaitable<Result<ProbeReport>> ask(LaunchedModel& model, const LaunchRequest& request,
                                                    const std::filesystem::path& path) const;
    boost::asio::awaitable<Result<Draft>> ask_about_draft(LaunchedModel& model, LaunchRequest request) const;
    /// A place beside what `ledger` holds; with `alone`, as if it held nothing.
    static Result<Placement> find_place(const LaunchRequest& request, const ProbeReport& report,
                                        const std::optional<ProbeReport>& draft, const MemoryLedger& ledger,
                                        bool alone = false);
    /// All of the above, as a dry run. `uid` is what the launch would be called.
    boost::asio::awaitable<Result<LaunchPlan>> plan(std::string uid, LaunchRequest request,
                                                    const MemoryLedger& ledger) const;
    /// See Fleet.
    boost::asio::awaitable<Result<std::vector<EngineFit>>> assess(LaunchRequest request) const;

  private:
    boost::asio::any_io_executor executor_;
    const FleetOptions& options_;
    Result<registry::Registry> registry_;
    uint32_t threads_;
};

}  // namespace gantry::fleet
