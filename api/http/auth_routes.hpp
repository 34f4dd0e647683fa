#pragma once

/// Keys (/gantry/v1/keys) and Xinference's login (/token, /v1/cluster/auth, /v1/auth/...).

#include "api/http/route.hpp"

namespace gantry::api {

std::span<const Route> auth_routes();

}  // namespace gantry::api
