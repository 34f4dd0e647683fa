#pragma once

/// The tensors that a configuration needs, and whether a file has them: presence, shape and type before any is loaded.

#include <gantry/transformer/config.hpp>

#include <string>
#include <vector>

namespace gantry::transformer {

/// What loading makes of a tensor first, in a copy of its own.
enum class Rebuild {
    kNone,
    kTurned,    ///< from [in, out], as it lies in the file, to [out, in], which `view` says
    kUnitRows,  ///< every row to unit length, as F32 (Baichuan 2's output head)
};

/// One tensor that the model will load.
struct PlannedTensor {
    uint64_t index = 0;  ///< in the manifest
    std::string name;
    WeightUse use = WeightUse::kLinear;
    gantry_tensor_view_t view{};  ///< shape, type and size; data is null until load
    Rebuild rebuild = Rebuild::kNone;
};

/// Checks the whole file against the configuration and the device and returns its tensors, in the order in which
/// load_weights takes them.
///
/// Throws gantry::sdk::Error that names the tensor: NOT_FOUND for a missing one; INVALID_ARGUMENT for a wrong shape or
/// size (expected and found) and for a surplus tensor, which would mean that the architecture is not what it says;
/// UNIMPLEMENTED for a type that the device cannot use.
std::vector<PlannedTensor> plan_tensors(const sdk::Manifest& manifest, const ModelConfig& config, const Device& device);

/// Throws GANTRY_ERR_DATA_LOSS that names the tensor and element, if the tensor (with data) holds NaN or infinity.
void check_finite(std::string_view name, const gantry_tensor_view_t& view);

/// "[256, 64]"
std::string shape_text(const gantry_tensor_view_t& view);

}  // namespace gantry::transformer
