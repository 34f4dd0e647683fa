#pragma once

/// A runner's GET /stats.

#include <boost/json.hpp>

#include "runtime/encoder/meter.hpp"
#include "runtime/engine/meter.hpp"

namespace gantry::runner {

/// The figures of stat_fields() by name, and all of them again under "metrics" in a form that explains itself, so that
/// who shows them need not know them: {"name", "type", "help", "value"}; a histogram has "bounds", "counts" (each
/// bucket alone, one more than bounds) and "sum".
boost::json::object stats_json(const engine::EngineStats& stats, const engine::EngineMeter& meter);
/// The same of an encoder's engine.
boost::json::object stats_json(const encoder::EncoderStats& stats, const encoder::EncoderMeter& meter);

}  // namespace gantry::runner
