#pragma once

#include <boost/json.hpp>

#include "runtime/fleet/fleet.hpp"

namespace gantry::fleet {

/// A launch as it is recorded; fields that are not set are left out.
boost::json::object to_json(const LaunchRequest& request);
/// The inverse. Unknown fields are passed over: an older program may read what a newer one wrote. kDataLoss for a field
/// of the wrong type.
Result<LaunchRequest> launch_from_json(const boost::json::value& value);

}  // namespace gantry::fleet
