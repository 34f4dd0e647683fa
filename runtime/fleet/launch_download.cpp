#include "runtime/fleet/launch_download.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/log.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

asio::awaitable<Result<registry::ModelRef>> download_for_launch(
    asio::any_io_executor executor, std::shared_ptr<sources::Puller> puller, const LaunchPlanner& planner,
    std::shared_ptr<LaunchedModel> model, const LaunchRequest& request, uint64_t memory, Error missing) {
    const bool absent = missing.code == Code::kFailedPrecondition || missing.code == Code::kNotFound;
    sources::PullRequest pull;
    pull.model = request.model;
    pull.options.format = request.format;
    pull.options.size_in_billions = request.size_in_billions;
    pull.options.quantization = request.quantization;
    pull.memory = memory;
    if (!absent || !puller || !request.model_path.empty() || !planner.registry() ||
        !sources::Puller::can_pull(*planner.registry(), pull)) {
        co_return missing;
    }
    if (puller->settings().network.offline) {
        missing.message += ", and Gantry is offline";
        co_return missing;
    }
    log::info("model '{}' is not on this machine and is downloaded", request.model);
    const auto tell = [model](const sources::PullProgress& progress) {
        model->update([&](ModelStatus& s) {
            s.stage = progress.stage;
            s.bytes_done = progress.done;
            s.bytes_total = progress.total;
        });
    };
    auto registry = std::make_shared<const registry::Registry>(*planner.registry());
    auto both = co_await (pull_model(executor, puller, std::move(registry), std::move(pull), tell) ||
                          model->wait_stop_request());
    if (both.index() == 1 || model->stop_requested()) {
        co_return Error{Code::kCancelled, "the launch was cancelled", "what was downloaded is kept"};
    }
    auto& pulled = std::get<0>(both);
    if (!pulled) {
        co_return pulled.error();
    }
    log::info("model '{}' was downloaded: {}", request.model, pulled->why);
    model->update([](ModelStatus& s) { s.bytes_done = s.bytes_total = 0; });
    auto resolved = planner.resolve(request);
    if (!resolved) {
        LaunchRequest by_path = request;
        by_path.model_path = pulled->path.string();
        resolved = planner.resolve(by_path);
    }
    co_return resolved;
}

}  // namespace gantry::fleet
