#pragma once

/// Keys as JSON, for /gantry/v1/keys and gantry keys.

#include <boost/json.hpp>

#include "api/auth/key_ring.hpp"
#include "base/json.hpp"

namespace gantry::api {

boost::json::object quota_json(const QuotaLimits& limits);

/// All that may be shown of a key; never its hash.
boost::json::object key_json(const ApiKey& key);

/// What the body of POST /gantry/v1/keys asks for: name, scope, models, expires_in (seconds), requests_per_minute,
/// tokens_per_minute. The reader's status() says what is wrong with it; fields of other names are.
ApiKey read_key_wish(json::Reader& reader, int64_t now);

}  // namespace gantry::api
