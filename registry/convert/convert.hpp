#pragma once

/// GGUF -> GGUF with other tensor types. One tensor's share at a time: memory stays bounded by a few MiB a thread,
/// whatever the model's size.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/convert/mixture.hpp"
#include "registry/formats/gguf.hpp"

namespace gantry::registry {

struct PlannedTensor {
    const GgufTensor* source = nullptr;
    const GgufFile* file = nullptr;  ///< where the source lies
    int32_t dtype = 0;
    uint64_t nbytes = 0;
    uint64_t offset = 0;  ///< from the start of the new file's data
};

/// What a conversion will write. Views point into the model, which outlives it.
struct ConversionPlan {
    const Mixture* mixture = nullptr;
    const GgufModel* model = nullptr;
    std::vector<PlannedTensor> tensors;
    uint64_t source_bytes = 0;  ///< of all tensors
    uint64_t bytes = 0;         ///< of all tensors, as written
};

/// Plans `model` in the types of `mixture`. Tensors that are quantised already, and would change, are refused unless
/// `requantize`: each rounding adds to the last.
Result<ConversionPlan> plan_conversion(const GgufModel& model, const Mixture& mixture, bool requantize);

struct ConversionRun {
    unsigned threads = 1;
    bool overwrite = false;
    /// Source bytes done and in all; called on the caller's thread.
    std::function<void(uint64_t done, uint64_t total)> progress = {};
    std::stop_token stop = {};
};

/// Writes the plan to `target`: under a temporary name beside it, synced, then renamed. A failure or a stop
/// (kCancelled) leaves nothing behind.
Status run_conversion(const ConversionPlan& plan, const std::filesystem::path& target, const ConversionRun& run);

}  // namespace gantry::registry
