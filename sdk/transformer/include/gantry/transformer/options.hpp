#pragma once

/// The options and limits of a load: read, checked, and completed with defaults.

#include <gantry/backend.h>
#include <gantry/transformer/config.hpp>
#include <gantry/transformer/device.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace gantry::transformer {

/// What load will do, as far as it is known before any weight is read.
struct LoadPlan {
    uint32_t device = 0;  ///< gantry_device_t::index
    uint32_t threads = 1;
    KvType kv_type = KvType::kF32;
    uint32_t block_size = 0;
    uint64_t block_count = 0;  ///< 0 in assess, where the host does not know it yet
    uint32_t max_step_tokens = 0;
    uint32_t max_sequences = 0;
    uint32_t max_logit_rows = 0;
    uint32_t max_context = 0;
    std::vector<gantry_option_t> provider_options;  ///< those of the provider's own, without the plugin's prefix
};

/// Reads options alone. Keys that begin with another plugin's id and a dot are skipped, those that begin with ours are
/// ours. Throws gantry::sdk::Error (INVALID_ARGUMENT) for an unknown key, naming it and the nearest known one, and for
/// a value or device that makes no sense; UNIMPLEMENTED for a device group. `thread_budget` is the most threads that
/// the host allows.
LoadPlan read_options(const gantry_load_spec_t& spec, DeviceProvider& provider, uint32_t thread_budget);

/// Adds the spec's limits, or defaults where they are 0, to `plan`. Throws INVALID_ARGUMENT for limits beyond reason or
/// beyond the model.
void complete_plan(LoadPlan& plan, const gantry_load_spec_t& spec, const ModelConfig& config);

/// The same for an encoder, which keeps nothing between steps: a sequence has to fit in one, so that the context is at
/// most max_step_tokens where the spec says that.
void complete_encoder_plan(LoadPlan& plan, const gantry_load_spec_t& spec, const ModelConfig& config);

/// "f32", "f16", ...
std::string_view kv_type_name(KvType type);

}  // namespace gantry::transformer
