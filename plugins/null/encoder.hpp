#pragma once

/// The null plugin as an encoder: vectors and scores that depend on the tokens, and cost next to nothing.

#include <gantry/ext/encoder.h>

#include "options.hpp"

namespace gantry::null_plugin {

/// Whether the options ask for an encoder instead of a language model.
bool is_encoder(const Options& options);

/// Width of a row; throws sdk::Error UNIMPLEMENTED for what the options do not ask for.
uint64_t encoder_width(const Options& options, int32_t pooling);

/// Vectors count the tokens by their number modulo the width, so that texts with common tokens are alike. Scores grow
/// with the tokens of the second segment that are in the first one too; output k is that number minus k.
void encode(const gantry_encode_batch_t& batch);

}  // namespace gantry::null_plugin
