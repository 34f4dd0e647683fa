#pragma once

/// What the server answers whatever dialects it speaks: /healthz, /readyz, /metrics, /version, keys and logins.

#include <vector>

#include "api/http/route.hpp"

namespace gantry::api {

std::vector<RouteTable> core_routes();

/// Has the gauges that describe launched models follow the fleet at each rendering.
void observe_fleet(Services& services);

}  // namespace gantry::api
