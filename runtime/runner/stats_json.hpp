#pragma once

/// A runner's GET /stats.

#include <boost/json.hpp>

#include "runtime/engine/meter.hpp"

namespace gantry::runner {

/// The figures of stat_fields() by name, and all of them again under "metrics" in a form that explains itself, so that
/// who shows them need not know them: {"name", "type", "help", "value"}; a histogram has "bounds", "counts" (each
/// bucket alone, one more than bounds) and "sum".
boost::json::object stats_json(const engine::EngineStats& stats, const engine::EngineMeter& meter);

}  // namespace gantry::runner
