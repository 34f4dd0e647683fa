#pragma once

/// Encoders of the GGUF block types: the inverse of gantry/transformer/dequantize.hpp. Each block's scale (and minimum)
/// is searched: rounding candidates, refined by least squares, the one with the least squared error wins. Pure; any
/// thread.

#include <cstddef>
#include <cstdint>
#include <span>

namespace gantry::registry {

/// Whether quantize_row() writes this GANTRY_DTYPE_*.
bool can_quantize(int32_t dtype);

/// Encodes `values` (finite, a whole number of blocks) to `out`, which has the bytes that the type needs for them.
void quantize_row(int32_t dtype, std::span<const float> values, std::byte* out);

}  // namespace gantry::registry
