#pragma once

/// Whether a request may go to its route's handler. Asked for every route, before anything of it runs.

#include <optional>

#include "api/http/route.hpp"
#include "api/http/services.hpp"

namespace gantry::api {

/// Why a request may not: 401 without a valid key, 403 for a too small scope, a model that the key is
/// not for, or a web page from elsewhere, 429 over a quota. Nothing: it may, and exchange.principal says who asks.
std::optional<ApiError> admit(Services& services, const Route& route, Exchange& exchange);

/// Counts what an answer came to against its caller's quota.
void settle(Services& services, const Exchange& exchange);

}  // namespace gantry::api
