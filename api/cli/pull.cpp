/// gantry pull: downloads a model, without a server.

#include <fmt/format.h>

#include <chrono>
#include <iostream>

#include "api/cli/command_list.hpp"
#include "api/cli/settings.hpp"
#include "api/cli/stop_on_signal.hpp"
#include "api/cli/terminal.hpp"
#include "api/http/server_app.hpp"
#include "api/http/server_settings.hpp"
#include "registry/sources/puller.hpp"
#include "runtime/fleet/machine.hpp"
#include "runtime/fleet/model_pull.hpp"

namespace gantry::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string time_text(double seconds) {
    const auto whole = static_cast<uint64_t>(seconds);
    return whole >= 3600 ? fmt::format("{} h {} min", whole / 3600, whole / 60 % 60)
           : whole >= 60 ? fmt::format("{} min {} s", whole / 60, whole % 60)
                         : fmt::format("{} s", whole);
}

/// "download model.gguf  12.3 MiB/s  3 min 2 s left", the rate over the last seconds.
class PullLine {
  public:
    explicit PullLine(bool quiet) : line_(quiet) {}

    void show(const sources::PullProgress& progress) {
        const auto now = Clock::now();
        if (progress.stage != stage_ || now - since_ > std::chrono::seconds(2)) {
            if (progress.stage == stage_ && progress.done >= from_) {
                const double seconds = std::chrono::duration<double>(now - since_).count();
                rate_ = static_cast<double>(progress.done - from_) / seconds;
            }
            stage_ = progress.stage;
            since_ = now;
            from_ = progress.done;
        }
        std::string label = progress.stage + (progress.file.empty() ? "" : " " + progress.file);
        if (progress.stage == "download" && rate_ > 0) {
            label += fmt::format("  {}/s  {} left", human_bytes(static_cast<uint64_t>(rate_)),
                                 time_text(static_cast<double>(progress.total - progress.done) / rate_));
        }
        const bool verifies = progress.stage == "verify";
        line_.update(label, verifies ? progress.file_done : progress.done,
                     verifies ? progress.file_total : progress.total);
    }
    void clear() { line_.clear(); }

  private:
    ProgressLine line_;
    std::string stage_;
    Clock::time_point since_ = Clock::now();
    uint64_t from_ = 0;
    double rate_ = 0;
};

}  // namespace

int cmd_pull(const Arguments& args) {
    const StopOnSignal stop;
    const auto config = read_config(args);
    if (!config) {
        return fail(config.error());
    }
    const auto registry = fleet::open_registry(api::fleet_options(*config));
    if (!registry) {
        return fail(registry.error());
    }
    sources::PullRequest request;
    request.model = args.operands[0];
    request.options.quantization = args.value("quantization").value_or("");
    request.options.format = args.value("format").value_or("");
    const auto limit = static_cast<uint64_t>(config->integer("fleet.memory_limit"));
    request.memory = limit != 0 ? limit : fleet::memory_for_models(fleet::memory_total());
    sources::Puller puller(api::download_settings(*config));
    if (puller.settings().network.offline || !sources::Puller::can_pull(*registry, request)) {
        const auto here = registry->resolve(request.model, request.options);
        if (!here && puller.settings().network.offline) {
            return fail({here.error().code, here.error().message + ", and Gantry is offline",
                         "registry.offline in gantry.toml or HF_HUB_OFFLINE says so"});
        }
        if (!here) {
            return fail(here.error());
        }
        std::cout << here->path.string() << "\n";
        return 0;
    }
    PullLine line(args.has("quiet"));
    const auto pulled = puller.pull(
        *registry, request, [&](const sources::PullProgress& progress) { line.show(progress); }, stop.token());
    line.clear();
    if (!pulled) {
        Error error = pulled.error();
        if (error.code == Code::kCancelled) {
            error.hint = "what came is kept: the same command goes on with it";
        }
        return fail(error);
    }
    if (!args.has("quiet")) {
        std::cerr << pulled->why << "\n";
    }
    std::cout << pulled->path.string() << "\n";
    return 0;
}

}  // namespace gantry::cli
