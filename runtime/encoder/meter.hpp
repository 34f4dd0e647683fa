#pragma once

/// What an encoder's engine tells about itself, under the names that the generating engine's figures have.

#include <span>
#include <string_view>

#include "base/metrics.hpp"
#include "runtime/encoder/encoder_engine.hpp"

namespace gantry::encoder {

/// Written by the engine thread, read by any.
struct EncoderMeter {
    EncoderMeter();
    metrics::Histogram step_seconds, step_tokens, step_sequences, queue_seconds, request_seconds;
};

/// See engine::StatField.
struct StatField {
    std::string_view name, help;
    bool counter = false;
    double (*read)(const EncoderStats& stats);
};
std::span<const StatField> stat_fields();

struct HistogramField {
    std::string_view name, help;
    metrics::Histogram EncoderMeter::*member;
};
std::span<const HistogramField> histogram_fields();

}  // namespace gantry::encoder
