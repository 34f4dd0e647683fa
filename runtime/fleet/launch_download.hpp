#pragma once

#include <memory>

#include "runtime/fleet/launch_planner.hpp"
#include "runtime/fleet/launched_model.hpp"
#include "runtime/fleet/model_pull.hpp"

namespace gantry::fleet {

/// Downloads what a launch needs and is not on this machine, with its progress as the model's, and resolves it.
/// `missing` is returned where there is nothing to download or no leave to; kCancelled once the model is to be stopped.
/// The request and `planner` must outlive it.
boost::asio::awaitable<Result<registry::ModelRef>> download_for_launch(
    boost::asio::any_io_executor executor, std::shared_ptr<sources::Puller> puller, const LaunchPlanner& planner,
    std::shared_ptr<LaunchedModel> model, const LaunchRequest& request, uint64_t memory, Error missing);

}  // namespace gantry::fleet
