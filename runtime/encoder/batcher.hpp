#pragma once

/// Which inputs of which requests are computed together in the next step.
///
/// A step is a ragged batch: nothing is padded, so what it costs is its tokens, and it is filled up to a budget of
/// them. Inputs are taken one by one: between keys by fair share of tokens (FairShare), within a key by priority and
/// age, within a request in their order. Large requests are thus spread over steps, and those of others go in between.
/// The first input that does not fit ends the step instead of being passed by smaller ones, so that nobody starves;
/// so does one of another kind, because a step has one kind of output. Within the step the longest come first, which is
/// how work divides best among cores.

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/engine/admission_queue.hpp"
#include "runtime/engine/fair_share.hpp"

namespace gantry::encoder {

/// One input of a request, on its way into a step.
struct Slot {
    uint64_t request = 0;
    uint32_t input = 0;
    uint32_t tokens = 0;
    bool operator==(const Slot&) const = default;
};

struct BatchLimits {
    uint32_t tokens = 0;  ///< of a step; an input that has more goes alone
    uint32_t sequences = 0;
};

/// Used by one thread.
class Batcher {
  public:
    Batcher(BatchLimits limits, engine::Duration ageing, engine::FairShare::Weights weights)
        : limits_(limits), ageing_(ageing), shares_(std::move(weights)), queue_(ageing, shares_) {}
    Batcher(const Batcher&) = delete;
    Batcher& operator=(const Batcher&) = delete;

    /// `request` grows from call to call. `lengths` are the tokens of each input, at least one input. Only inputs of
    /// the same `kind` share a step.
    void add(uint64_t request, int32_t kind, std::span<const uint32_t> lengths, int32_t priority, std::string_view key,
             engine::TimePoint arrival);
    /// Takes back the inputs of a request that no step has had yet.
    void cancel(uint64_t request);

    bool empty() const { return queue_.empty(); }
    /// Requests with inputs that no step has had.
    size_t requests() const { return queue_.size(); }
    uint64_t tokens() const { return tokens_; }  ///< of those inputs

    /// The next step; empty only if nothing waits.
    std::vector<Slot> next(engine::TimePoint now);
    /// Of the last step.
    int32_t kind() const { return kind_; }

  private:
    struct Waiting {
        engine::AdmissionQueue::Entry entry;
        int32_t kind = 0;
        std::vector<uint32_t> lengths;
        size_t next = 0;  ///< input
    };
    void remove(uint64_t request);

    BatchLimits limits_;
    engine::Duration ageing_;
    engine::FairShare shares_;
    engine::AdmissionQueue queue_;
    std::unordered_map<uint64_t, Waiting> waiting_;
    uint64_t tokens_ = 0;
    int32_t kind_ = 0;
};

}  // namespace gantry::encoder
