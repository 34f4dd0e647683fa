#pragma once

/// The engine of an embedding, reranking or classifying model: a thread that owns the model and computes the inputs of
/// all requests together, as many in one step as its budget of tokens holds (see batcher.hpp).

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/encoder/encoder_model.hpp"
#include "runtime/engine/fair_share.hpp"

namespace gantry::encoder {

/// One input as the model gets it.
struct Sequence {
    std::vector<int32_t> ids;
    std::vector<int32_t> types;  ///< segments; empty: all 0, else as many as ids
};

/// A request whose inputs are tokens already.
struct EncodeWork {
    std::string id;
    int32_t pooling = GANTRY_POOLING_DEFAULT;  ///< or GANTRY_POOLING_SCORES
    std::vector<Sequence> inputs;
    int32_t priority = 0;
    std::string share_key;
    uint32_t deadline_ms = 0;  ///< from its submission; 0: none
};

/// The model's own rows, in the order of the inputs.
struct EncodedRows {
    uint64_t width = 0;
    std::vector<float> values;
    double queue_seconds = 0, compute_seconds = 0;
};

struct EncoderOptions {
    uint32_t queue_limit = 1024;  ///< requests that have not been begun; more get kResourceExhausted
    std::chrono::milliseconds priority_ageing{10'000};
    engine::FairShare::Weights share_weights;
    /// Called on the engine thread, once, when the model has become unusable.
    std::function<void(Error)> on_broken;
};

struct EncoderStats {
    uint64_t waiting = 0;  ///< requests that no step has begun
    uint64_t running = 0;  ///< requests that a step has begun
    uint64_t waiting_tokens = 0;
    uint64_t requests = 0, finished = 0, cancelled = 0, failed = 0, expired = 0;
    uint64_t steps = 0, inputs = 0, prompt_tokens = 0;
    double busy_seconds = 0;       ///< in steps
    double overhead_seconds = 0;   ///< of it, without the model's own time
    double tokens_per_second = 0;  ///< lately; 0 before anything has been measured
};

struct EncoderMeter;  // meter.hpp

/// Called once, on the engine thread; must not block.
using EncodeSink = std::function<void(Result<EncodedRows>)>;

class EncoderEngine {
  public:
    /// Starts the thread, which alone uses the model from now on.
    EncoderEngine(std::unique_ptr<EncoderModel> model, EncoderOptions options);
    /// Stops the thread; what is still there ends with kUnavailable first.
    ~EncoderEngine();

    /// Takes a request, or says at once why not: kInvalidArgument for no inputs, an empty one, one longer than the
    /// model takes (both counts in the message), a token that the model does not have, or an output that it does not
    /// give; kAlreadyExists for an id in use; kResourceExhausted, with a time to retry, when the queue is full. Any
    /// thread.
    Status submit(EncodeWork work, EncodeSink sink);
    /// Ends a request before the next step; its sink gets kCancelled. False where there is none of that id. Any thread.
    bool cancel(const std::string& id);

    EncoderStats stats() const;         ///< any thread
    const EncoderMeter& meter() const;  ///< any thread
    const EncoderLimits& limits() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::encoder
