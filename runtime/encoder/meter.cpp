#include "runtime/encoder/meter.hpp"

#include <cmath>

namespace gantry::encoder {
namespace {

std::vector<double> powers_of_two(int count) {
    std::vector<double> out;
    for (int i = 0; i < count; ++i) {
        out.push_back(std::ldexp(1.0, i));
    }
    return out;
}

template <auto kMember>
double read(const EncoderStats& stats) {
    return static_cast<double>(stats.*kMember);
}

constexpr StatField kStats[] = {
    {"waiting", "Requests that wait for their turn.", false, read<&EncoderStats::waiting>},
    {"running", "Requests of which some inputs are computed or have been.", false, read<&EncoderStats::running>},
    {"waiting_tokens", "Tokens of inputs that wait for their turn.", false, read<&EncoderStats::waiting_tokens>},
    {"requests", "Requests taken.", true, read<&EncoderStats::requests>},
    {"finished", "Requests answered to their end.", true, read<&EncoderStats::finished>},
    {"cancelled", "Requests given up by their clients.", true, read<&EncoderStats::cancelled>},
    {"failed", "Requests ended by an error.", true, read<&EncoderStats::failed>},
    {"expired", "Requests whose deadline has passed; among the failed.", true, read<&EncoderStats::expired>},
    {"steps", "Steps of the model.", true, read<&EncoderStats::steps>},
    {"inputs", "Texts encoded.", true, read<&EncoderStats::inputs>},
    {"prompt_tokens", "Tokens of the texts encoded.", true, read<&EncoderStats::prompt_tokens>},
    {"busy_seconds", "Time spent in steps.", true, read<&EncoderStats::busy_seconds>},
    {"overhead_seconds", "Of the time in steps, what scheduling took.", true, read<&EncoderStats::overhead_seconds>},
    {"tokens_per_second", "Tokens encoded a second, lately.", false, read<&EncoderStats::tokens_per_second>},
};

constexpr HistogramField kHistograms[] = {
    {"step_seconds", "Duration of a step.", &EncoderMeter::step_seconds},
    {"step_tokens", "Tokens computed in a step.", &EncoderMeter::step_tokens},
    {"step_sequences", "Sequences in a step: the batch.", &EncoderMeter::step_sequences},
    {"queue_seconds", "Time from a request's arrival to its first step.", &EncoderMeter::queue_seconds},
    {"request_seconds", "Time from a request's arrival to its end.", &EncoderMeter::request_seconds},
};

}  // namespace

EncoderMeter::EncoderMeter()
    : step_seconds(metrics::duration_buckets()),
      step_tokens(powers_of_two(15)),
      step_sequences(powers_of_two(10)),
      queue_seconds(metrics::duration_buckets()),
      request_seconds(metrics::duration_buckets()) {}

std::span<const StatField> stat_fields() { return kStats; }
std::span<const HistogramField> histogram_fields() { return kHistograms; }

}  // namespace gantry::encoder
