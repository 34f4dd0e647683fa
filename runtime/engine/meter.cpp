#include "runtime/engine/meter.hpp"

#include <algorithm>
#include <cmath>

namespace gantry::engine {
namespace {

constexpr double kFirst = 1e-6;    ///< what is shorter falls into the first class
constexpr double kPerOctave = 16;  ///< classes: 2^(1/16) is 1.044
constexpr double kClasses = 27 * kPerOctave;

/// 10 us to ten seconds, for what happens many times a second.
std::vector<double> step_buckets() {
    return {1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3,
            1e-2, 2.5e-2, 5e-2, 1e-1, 2.5e-1, 5e-1, 1,    2.5,    10};
}

std::vector<double> powers_of_two(int count) {
    std::vector<double> out;
    for (int i = 0; i < count; ++i) {
        out.push_back(std::ldexp(1.0, i));
    }
    return out;
}

template <auto kMember>
double read(const EngineStats& stats) {
    return static_cast<double>(stats.*kMember);
}

constexpr StatField kStats[] = {
    {"waiting", "Requests that wait for their turn.", false, read<&EngineStats::waiting>},
    {"running", "Sequences that are being computed.", false, read<&EngineStats::running>},
    {"blocks_total", "KV blocks that the model has.", false, read<&EngineStats::blocks_total>},
    {"blocks_free", "KV blocks that hold nothing.", false, read<&EngineStats::blocks_free>},
    {"blocks_cached", "KV blocks that no sequence uses and the prefix cache can give again.", false,
     read<&EngineStats::blocks_cached>},
    {"blocks_used", "KV blocks of sequences that are being computed.", false,
     [](const EngineStats& s) { return static_cast<double>(s.blocks_total - s.blocks_free - s.blocks_cached); }},
    {"requests", "Requests taken.", true, read<&EngineStats::requests>},
    {"finished", "Requests answered to their end.", true, read<&EngineStats::finished>},
    {"cancelled", "Requests given up by their clients.", true, read<&EngineStats::cancelled>},
    {"failed", "Requests ended by an error.", true, read<&EngineStats::failed>},
    {"preemptions", "Sequences that lost their blocks to others and run again later.", true,
     read<&EngineStats::preemptions>},
    {"swaps_out", "Of them, those whose blocks were moved to host memory.", true, read<&EngineStats::swaps_out>},
    {"swaps_in", "Sequences whose blocks were moved back from host memory.", true, read<&EngineStats::swaps_in>},
    {"cache_spills", "Blocks of the prefix cache that were moved to host memory.", true,
     read<&EngineStats::cache_spills>},
    {"cache_fetches", "Of them, those that were moved back.", true, read<&EngineStats::cache_fetches>},
    {"refused", "Requests whose deadline could not be met; among the failed.", true, read<&EngineStats::refused>},
    {"expired", "Requests whose deadline has passed; among the failed.", true, read<&EngineStats::expired>},
    {"seconds_per_admission", "Time between two admissions while others wait, lately.", false,
     read<&EngineStats::seconds_per_admission>},
    {"steps", "Steps of the model.", true, read<&EngineStats::steps>},
    {"prompt_tokens", "Tokens of prompts.", true, read<&EngineStats::prompt_tokens>},
    {"cached_tokens", "Tokens of prompts that the prefix cache gave.", true, read<&EngineStats::cached_tokens>},
    {"generated_tokens", "Tokens generated.", true, read<&EngineStats::generated_tokens>},
    {"drafted_tokens", "Tokens guessed and verified.", true, read<&EngineStats::drafted_tokens>},
    {"accepted_tokens", "Guessed tokens that turned out right.", true, read<&EngineStats::accepted_tokens>},
    {"draft_steps", "Steps with guessed tokens.", true, read<&EngineStats::draft_steps>},
    {"busy_seconds", "Time spent in steps.", true, read<&EngineStats::busy_seconds>},
    {"overhead_seconds", "Of the time in steps, what scheduling and sampling took.", true,
     read<&EngineStats::overhead_seconds>},
};

constexpr HistogramField kHistograms[] = {
    {"step_seconds", "Duration of a step.", &EngineMeter::step_seconds},
    {"step_tokens", "Tokens computed in a step, of prompts and answers.", &EngineMeter::step_tokens},
    {"step_sequences", "Sequences in a step: the batch.", &EngineMeter::step_sequences},
    {"queue_seconds", "Time from a request's arrival to its first step.", &EngineMeter::queue_seconds},
    {"prefill_seconds", "Time from a request's first step to its first token.", &EngineMeter::prefill_seconds},
    {"first_token_seconds", "Time from a request's arrival to its first token.", &EngineMeter::first_token_seconds},
    {"token_gap_seconds", "Time between a token and the next of the same answer.", &EngineMeter::token_gap_seconds},
    {"request_seconds", "Time from a request's arrival to its last token.", &EngineMeter::request_seconds},
};

}  // namespace

EngineMeter::EngineMeter()
    : step_seconds(step_buckets()),
      step_tokens(powers_of_two(15)),
      step_sequences(powers_of_two(10)),
      queue_seconds(metrics::duration_buckets()),
      prefill_seconds(metrics::duration_buckets()),
      first_token_seconds(metrics::duration_buckets()),
      token_gap_seconds(step_buckets()),
      request_seconds(metrics::duration_buckets()) {}

void EngineMeter::request(const Usage& usage) {
    queue_seconds.observe(usage.queue_seconds);
    if (usage.completion_tokens > 0) {
        prefill_seconds.observe(usage.prefill_seconds);
        first_token_seconds.observe(usage.first_token_seconds);
    }
    request_seconds.observe(usage.queue_seconds + usage.prefill_seconds + usage.decode_seconds);
}

void GapRecorder::add(double seconds) {
    const double octaves = std::log2(std::max(seconds, kFirst) / kFirst);
    const auto at = static_cast<size_t>(std::min(octaves * kPerOctave, kClasses));
    if (counts_.size() <= at) {
        counts_.resize(at + 1);
    }
    ++counts_[at];
    ++total_;
}

TokenGaps GapRecorder::percentiles() const {
    const auto at = [&](double share) {
        // The smallest time that at least this share does not exceed; a class is told by its middle.
        const auto rank = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total_)));
        uint64_t seen = 0;
        for (size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (counts_[i] > 0 && seen >= rank) {
                return kFirst * std::exp2((static_cast<double>(i) + 0.5) / kPerOctave);
            }
        }
        return 0.0;
    };
    return {at(0.5), at(0.9), at(0.99)};
}

std::span<const StatField> stat_fields() { return kStats; }
std::span<const HistogramField> histogram_fields() { return kHistograms; }

}  // namespace gantry::engine
