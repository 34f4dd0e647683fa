#pragma once

// What decoders and encoders read of a manifest in the same way.

#include <gantry/transformer/config.hpp>

namespace gantry::transformer {

/// All of a ModelConfig but what the architecture decides (qk_norm, biases). Throws as read_config does.
ModelConfig read_sizes(const sdk::Manifest& manifest, bool has_rope);

/// Reads what only decoders have. Throws as read_config does.
void read_switches(const sdk::Manifest& manifest, ModelConfig& config);

/// The biases that layer 0 has; those of q, k and v always, where they are required.
Biases find_biases(const sdk::Manifest& manifest, bool qkv_required);

}  // namespace gantry::transformer
