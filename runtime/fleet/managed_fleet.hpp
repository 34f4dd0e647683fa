#pragma once

/// A fleet that knows which models are to be there: it records launches and brings them back, counts use, stops what is
/// idle, loads on demand, and serves one model with several processes. The processes themselves are another fleet's.

#include <memory>

#include "runtime/fleet/fleet.hpp"

namespace gantry::fleet {

struct ManagedOptions {
    sqlite::Database* state = nullptr;    ///< see FleetOptions
    std::chrono::seconds keep_alive{-1};  ///< likewise
    /// So long a launch whose first load failed is told of, with its reason, unless its uid is used again before.
    std::chrono::milliseconds tell_failure{600'000};
};

/// `processes` starts and stops single processes; what it runs already is not managed. With a database, recorded
/// launches begin to come back as soon as the io context runs.
std::unique_ptr<Fleet> make_managed_fleet(boost::asio::any_io_executor executor, std::unique_ptr<Fleet> processes,
                                          ManagedOptions options);

}  // namespace gantry::fleet
