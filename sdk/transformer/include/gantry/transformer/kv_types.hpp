#pragma once

/// How the values of a KV cache are rounded: one definition for all devices, so that their caches hold the same numbers
/// whatever their layout. Pure functions; any thread.

#include <gantry/transformer/device.hpp>

#include <cstddef>
#include <cstdint>

namespace gantry::transformer {

/// Values that share a scale in the quantised types.
inline constexpr uint32_t kKvBlock = 32;

inline constexpr bool kv_quantized(KvType type) { return type == KvType::kQ8_0 || type == KvType::kQ4_0; }

/// Quantises up to 32 values (`count`) as GGUF's Q8_0 and Q4_0 do: q[i] as signed integers (-127 to 127, -8 to 7), the
/// scale returned as binary16, in which form it is kept; value = scale * q. Zeros have the scale 0. `count` is 1 to 32.
uint16_t quantize_kv_block(KvType type, const float* values, uint32_t count, int8_t* q);

/// Bytes of `count` values in a row: blocks of 32 (the last one may be short but takes a whole one's bytes) of 34 or 18
/// bytes in the quantised types, 2 or 4 bytes a value in the others.
uint64_t kv_row_bytes(KvType type, uint64_t count);
/// One row to and from that form, which is GGUF's for the quantised types.
void encode_kv_row(KvType type, const float* values, uint64_t count, std::byte* out);
void decode_kv_row(KvType type, const std::byte* row, uint64_t count, float* out);

}  // namespace gantry::transformer
