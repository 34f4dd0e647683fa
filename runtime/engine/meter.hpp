#pragma once

/// What the engine measures about itself, beside the counts of EngineStats: distributions, for the metrics.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/metrics.hpp"
#include "runtime/engine/engine.hpp"

namespace gantry::engine {

/// Written by the engine thread, read by any.
struct EngineMeter {
    EngineMeter();
    metrics::Histogram step_seconds, step_tokens, step_sequences;
    metrics::Histogram queue_seconds, prefill_seconds, first_token_seconds, token_gap_seconds, request_seconds;

    /// A request's times as they are in its Usage.
    void request(const Usage& usage);
};

/// The times between the tokens of one request's answers, from which their percentiles are told. Constant memory:
/// times are counted in classes of 4.4 % width, from a microsecond to about two minutes.
class GapRecorder {
  public:
    void add(double seconds);
    TokenGaps percentiles() const;

  private:
    std::vector<uint32_t> counts_;  ///< as long as the longest time needs
    uint64_t total_ = 0;
};

/// A figure of EngineStats with the name that it has outside: `name` in GET /stats of a runner, and in the metrics
/// "gantry_engine_<name>", counters with "_total" behind it.
struct StatField {
    std::string_view name;
    std::string_view help;
    bool counter = false;  ///< only grows; else a gauge
    double (*read)(const EngineStats& stats);
};
std::span<const StatField> stat_fields();

/// The same for the meter's histograms.
struct HistogramField {
    std::string_view name;
    std::string_view help;
    metrics::Histogram EngineMeter::*member;
};
std::span<const HistogramField> histogram_fields();

}  // namespace gantry::engine
