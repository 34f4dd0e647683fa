#pragma once

/// gantry.sampler/1 for rows in which one token is likely and all others are equally unlikely.

#include <gantry/ext/sampler.h>

#include <cstdint>

namespace gantry::null_plugin {

inline constexpr float kUnlikely = -100.0F;
inline constexpr float kLikely = 100.0F;

/// Draws from a row of `vocab` logits: kLikely at `likely`, else kUnlikely. Throws sdk::Error where a mask allows
/// nothing.
void sample(uint32_t likely, uint32_t vocab, const gantry_sample_params_t& params, gantry_sample_result_t& result);

}  // namespace gantry::null_plugin
