#pragma once

/// /healthz, /readyz, /metrics, /version.

#include "api/http/route.hpp"

namespace gantry::api {

RouteTable core_routes();

/// Has the gauges that describe launched models follow the fleet at each rendering.
void observe_fleet(Services& services);

}  // namespace gantry::api
