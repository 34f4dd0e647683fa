#pragma once

/// The metrics that the models' own processes keep, gathered for /metrics.

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "base/metrics.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::api {

/// What every ready model's process tells about itself (GET /stats of a runner), each with the labels "model" and
/// "replica". The processes are asked one after the other, for at most two seconds together: one that does not answer
/// is left out, and gantry_model_scraped says so.
boost::asio::awaitable<std::vector<metrics::Sample>> model_metrics(fleet::Fleet& fleet);

}  // namespace gantry::api
