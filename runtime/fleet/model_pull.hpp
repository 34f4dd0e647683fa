#pragma once

/// Downloads for coroutines: a pull on a thread of its own, told of on the io thread.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "registry/sources/puller.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::fleet {

/// Puller::pull(). `on_progress` is called on `executor` a few times a second and at each change of stage. Ends early
/// with the coroutine's cancellation.
boost::asio::awaitable<Result<sources::Pulled>> pull_model(
    boost::asio::any_io_executor executor, std::shared_ptr<sources::Puller> puller,
    std::shared_ptr<const registry::Registry> registry, sources::PullRequest request,
    std::function<void(const sources::PullProgress&)> on_progress);

/// The catalog and the files of this machine, as a fleet with these options sees them.
Result<registry::Registry> open_registry(const FleetOptions& options);

/// make_local_fleet(), whose launches download what is not on this machine. Null: they do not.
std::unique_ptr<Fleet> make_local_fleet(boost::asio::any_io_executor executor, FleetOptions options,
                                        std::shared_ptr<sources::Puller> puller);

}  // namespace gantry::fleet
