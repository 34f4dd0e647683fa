#pragma once

/// Draws made by the plugin where the logits are (gantry.sampler/1), so that they need not travel. A step's draws are
/// made there when the model can and every row of the step asks for nothing more than the extension can say; else all
/// are made by Sampler. The distribution is the same either way, the random numbers are not: that is why a request with
/// a seed is always drawn by Sampler.

#include <gantry/ext/sampler.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "runtime/engine/causal_model.hpp"
#include "runtime/engine/sampler.hpp"

namespace gantry::engine {

/// Whether gantry.sampler/1 can say all that these draws need.
bool device_can_draw(const SamplerConfig& config, bool seeded);

/// The draws of one step. Used by one thread.
class DeviceDraws {
  public:
    explicit DeviceDraws(uint32_t vocab_size) : vocab_size_(vocab_size) {}

    void clear() { draws_.clear(); }
    bool empty() const { return draws_.empty(); }
    /// A draw from the step's row number `row`, to be taken by `key` (unique in the step).
    void add(uint64_t key, uint32_t row, const SamplerConfig& config, const SampleInput& in);
    /// Has the model make them, after an execute that kept the logits. kInternal when it gives a token that it does not
    /// have.
    Status make(CausalModel& model);
    /// The token that was drawn.
    SampledToken take(uint64_t key) const;

  private:
    struct Draw {
        gantry_sample_params_t params{};
        gantry_sample_result_t result{};
        std::vector<int32_t> history, bias_ids, top_ids;
        std::vector<float> bias_values, top_logprobs;
        std::vector<uint32_t> mask;
    };
    std::vector<uint32_t> mask_of(const SamplerConfig& config, const SampleInput& in) const;

    uint32_t vocab_size_;
    std::map<uint64_t, std::unique_ptr<Draw>> draws_;
};

}  // namespace gantry::engine
