#pragma once

/// What the encoder's engine does, without its thread: requests in, steps, ends out.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/encoder/batcher.hpp"
#include "runtime/encoder/encoder_engine.hpp"
#include "runtime/encoder/meter.hpp"

namespace gantry::encoder {

/// A request on its way.
struct Job {
    using Clock = std::chrono::steady_clock;
    EncodeWork work;
    EncodeSink sink;
    Clock::time_point arrival, begun{};
    EncodedRows rows;
    size_t left = 0;  ///< inputs without a row
    bool running = false;
};

/// Used by one thread, but for limits() and meter().
class EncoderCore {
  public:
    using Clock = Job::Clock;
    /// A request that is over; its sink has not been called yet.
    struct Ended {
        std::string id;
        EncodeSink sink;
        Result<EncodedRows> result;
    };

    EncoderCore(std::unique_ptr<EncoderModel> model, const EncoderOptions& options);

    const EncoderLimits& limits() const { return model_->limits(); }
    const EncoderStats& stats() const { return stats_; }
    const EncoderMeter& meter() const { return meter_; }
    /// Why the model is unusable, once it is.
    const std::optional<Error>& broken() const { return broken_; }
    size_t jobs() const { return jobs_.size(); }

    void add(Job job);
    void cancel(const std::string& id);
    /// Ends what is past its deadline.
    void expire(Clock::time_point now);
    void fail_all(const Error& error);
    /// Chooses the next batch; false where nothing waits.
    bool begin_step();
    /// Computes it.
    void finish_step();
    /// Those that have ended since the last call.
    std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }

  private:
    void gather();
    const gantry_encode_batch_t& batch();
    void scatter();
    void finish(uint64_t number, Job& job);
    void fail(uint64_t number, const Error& error);
    void end(uint64_t number, Result<EncodedRows> result);
    void measure(size_t inputs, double whole_seconds, double model_seconds);

    std::unique_ptr<EncoderModel> model_;
    Batcher batcher_;
    std::unordered_map<uint64_t, Job> jobs_;
    std::unordered_map<std::string, uint64_t> numbers_;
    std::set<std::pair<Clock::time_point, uint64_t>> deadlines_;
    uint64_t last_number_ = 0;
    std::optional<Error> broken_;
    std::vector<Ended> ended_;
    EncoderStats stats_;
    EncoderMeter meter_;
    double rate_seconds_ = 0, rate_tokens_ = 0;
    // Of the step; kept for their memory.
    std::vector<Slot> slots_;
    Clock::time_point step_begin_{};
    std::vector<int32_t> ids_, types_;
    std::vector<uint32_t> begins_;
    std::vector<float> out_;
    gantry_encode_batch_t batch_{};
};

}  // namespace gantry::encoder
