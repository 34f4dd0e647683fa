#pragma once

/// Lifecycle where the other dialects have no words: dry runs, events, logs, desired state, replicas, aliases.

#include "api/http/exchange.hpp"
#include "api/http/services.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::dialects::lifecycle {

using Answer = boost::asio::awaitable<api::Outcome>;

// lifecycle.cpp
Answer plan(api::Services& services, api::Exchange& exchange);
Answer desired(api::Services& services, api::Exchange& exchange);
Answer queue(api::Services& services, api::Exchange& exchange);
Answer devices(api::Services& services, api::Exchange& exchange);
Answer touch(api::Services& services, api::Exchange& exchange);
Answer add_replicas(api::Services& services, api::Exchange& exchange);
Answer remove_replica(api::Services& services, api::Exchange& exchange);
Answer replace(api::Services& services, api::Exchange& exchange);
Answer aliases(api::Services& services, api::Exchange& exchange);
Answer set_alias(api::Services& services, api::Exchange& exchange);
Answer drop_alias(api::Services& services, api::Exchange& exchange);

// watching.cpp: answers that go on
Answer events(api::Services& services, api::Exchange& exchange);
Answer logs(api::Services& services, api::Exchange& exchange);

boost::json::object replica_json(const fleet::ReplicaStatus& replica);

}  // namespace gantry::dialects::lifecycle
