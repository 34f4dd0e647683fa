#include <gantry/transformer/kv_types.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include <gantry/transformer/dequantize.hpp>

namespace gantry::transformer {
namespace {

constexpr uint64_t kScaleBytes = sizeof(uint16_t);

uint64_t block_bytes(KvType type) { return kScaleBytes + (type == KvType::kQ8_0 ? kKvBlock : kKvBlock / 2); }

int8_t nearest(float value, float limit_low, float limit_high) {
    return static_cast<int8_t>(std::clamp(std::nearbyint(value), limit_low, limit_high));
}

void encode_block(KvType type, const float* values, uint32_t count, std::byte* out) {
    std::array<int8_t, kKvBlock> q{};
    const uint16_t scale = quantize_kv_block(type, values, count, q.data());
    std::memcpy(out, &scale, kScaleBytes);
    out += kScaleBytes;
    if (type == KvType::kQ8_0) {
        std::memcpy(out, q.data(), kKvBlock);
        return;
    }
    // GGUF's order: the low halves are the first 16 values, the high halves the rest.
    for (uint32_t i = 0; i < kKvBlock / 2; ++i) {
        out[i] = static_cast<std::byte>((q[i] + 8) | ((q[i + kKvBlock / 2] + 8) << 4));
    }
}

void decode_block(KvType type, const std::byte* block, uint32_t count, float* out) {
    uint16_t half = 0;
    std::memcpy(&half, block, kScaleBytes);
    const float scale = f16_to_f32(half);
    block += kScaleBytes;
    for (uint32_t i = 0; i < count; ++i) {
        int q = 0;
        if (type == KvType::kQ8_0) {
            q = static_cast<int8_t>(block[i]);
        } else {
            const auto byte = static_cast<unsigned>(block[i % (kKvBlock / 2)]);
            q = static_cast<int>(i < kKvBlock / 2 ? byte & 15U : byte >> 4) - 8;
        }
        out[i] = scale * static_cast<float>(q);
    }
}

}  // namespace

uint16_t quantize_kv_block(KvType type, const float* values, uint32_t count, int8_t* q) {
    float extreme = 0;
    for (uint32_t i = 0; i < count; ++i) {
        if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
    }
    // Q8_0 is symmetric; Q4_0 gives the value of largest magnitude its one integer more, -8.
    const bool wide = type == KvType::kQ8_0;
    const float scale = wide ? std::fabs(extreme) / 127.0F : extreme / -8.0F;
    const float inverse = scale == 0 ? 0 : 1 / scale;
    for (uint32_t i = 0; i < count; ++i) {
        q[i] = wide ? nearest(values[i] * inverse, -127, 127) : nearest(values[i] * inverse, -8, 7);
    }
    return f32_to_f16(scale);
}

uint64_t kv_row_bytes(KvType type, uint64_t count) {
    if (kv_quantized(type)) return (count + kKvBlock - 1) / kKvBlock * block_bytes(type);
    return count * (type == KvType::kF32 ? sizeof(float) : sizeof(uint16_t));
}

void encode_kv_row(KvType type, const float* values, uint64_t count, std::byte* out) {
    if (type == KvType::kF32) {
        std::memcpy(out, values, count * sizeof(float));
        return;
    }
    if (kv_quantized(type)) {
        for (uint64_t i = 0; i < count; i += kKvBlock, out += block_bytes(type)) {
            encode_block(type, values + i, static_cast<uint32_t>(std::min<uint64_t>(kKvBlock, count - i)), out);
        }
        return;
    }
    for (uint64_t i = 0; i < count; ++i) {
        const uint16_t half = type == KvType::kF16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
        std::memcpy(out + i * sizeof half, &half, sizeof half);
    }
}

void decode_kv_row(KvType type, const std::byte* row, uint64_t count, float* out) {
    if (type == KvType::kF32) {
        std::memcpy(out, row, count * sizeof(float));
        return;
    }
    if (kv_quantized(type)) {
        for (uint64_t i = 0; i < count; i += kKvBlock, row += block_bytes(type)) {
            decode_block(type, row, static_cast<uint32_t>(std::min<uint64_t>(kKvBlock, count - i)), out + i);
        }
        return;
    }
    for (uint64_t i = 0; i < count; ++i) {
        uint16_t half = 0;
        std::memcpy(&half, row + i * sizeof half, sizeof half);
        out[i] = type == KvType::kF16 ? f16_to_f32(half) : bf16_to_f32(half);
    }
}

}  // namespace gantry::transformer
