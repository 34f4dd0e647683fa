#include "plugins/cpu/kv_cache.hpp"

#include <gantry/cpp/error.hpp>
#include <gantry/transformer/dequantize.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace gantry::cpu {
namespace {

using transformer::KvSpec;
using transformer::KvType;

constexpr uint32_t round_up(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }

Element element_of(KvType type) {
    if (type == KvType::kF16) return Element::kF16;
    if (type == KvType::kBf16) return Element::kBf16;
    return Element::kF32;  // the quantised types as well, once they are expanded
}

size_t element_bytes_of(KvType type) {
    if (transformer::kv_quantized(type)) return 1;
    return type == KvType::kF32 ? sizeof(float) : sizeof(uint16_t);
}

uint32_t elements(KvType type, uint32_t values) { return type == KvType::kQ4_0 ? (values + 1) / 2 : values; }

/// Two integers of Q4_0 in a byte, the first one low, each with 8 added.
uint8_t pack(int8_t low, int8_t high) { return static_cast<uint8_t>((low + 8) | ((high + 8) << 4)); }

uint32_t scales(KvType type, uint32_t values) {
    return transformer::kv_quantized(type) ? (values + transformer::kKvBlock - 1) / transformer::kKvBlock : 0;
}

}  // namespace

KvLayout::KvLayout(const KvSpec& spec)
    : groups((spec.block_size + kGroupTokens - 1) / kGroupTokens),
      v_stride(round_up(spec.v_head_dim, 16)),
      element_bytes(element_bytes_of(spec.type)),
      k_rows(elements(spec.type, spec.head_dim)),
      v_row(elements(spec.type, v_stride)),
      k_scales(scales(spec.type, spec.head_dim)),
      v_scales(scales(spec.type, spec.v_head_dim)),
      k_group_bytes((k_rows * element_bytes + k_scales * sizeof(uint16_t)) * kGroupTokens),
      group_bytes(k_group_bytes + (v_row * element_bytes + v_scales * sizeof(uint16_t)) * kGroupTokens),
      block_bytes(group_bytes * groups * spec.kv_heads) {}

CpuKvCache::CpuKvCache(const KvSpec& spec, const Kernels& kernels)
    : spec_(spec),
      layout_(spec),
      element_(element_of(spec.type)),
      kernels_(kernels),
      memory_(layout_.block_bytes * spec.layers * spec.block_count) {}

void CpuKvCache::check_blocks(std::span<const uint32_t> blocks) const {
    for (const uint32_t block : blocks) {
        if (block >= spec_.block_count) {
            throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT, "KV block " + std::to_string(block) +
                                                              " does not exist; there are " +
                                                              std::to_string(spec_.block_count));
        }
    }
}

template <class T>
void CpuKvCache::copy_slot(std::byte* dst, uint32_t dst_lane, const std::byte* src, uint32_t src_lane) const {
    const auto copy_lane = [&](std::byte* to_bytes, const std::byte* from_bytes, size_t rows, auto element) {
        using Value = decltype(element);
        auto* to = reinterpret_cast<Value*>(to_bytes);
        const auto* from = reinterpret_cast<const Value*>(from_bytes);
        for (size_t d = 0; d < rows; ++d) to[d * kGroupTokens + dst_lane] = from[d * kGroupTokens + src_lane];
    };
    const auto copy_row = [&](std::byte* to, const std::byte* from, size_t bytes) {
        std::memmove(to + dst_lane * bytes, from + src_lane * bytes, bytes);
    };
    copy_lane(dst, src, layout_.k_rows, T{});
    const size_t k_scales = size_t{layout_.k_rows} * kGroupTokens * sizeof(T);
    copy_lane(dst + k_scales, src + k_scales, layout_.k_scales, uint16_t{});
    const size_t values = layout_.k_group_bytes;
    copy_row(dst + values, src + values, layout_.v_row * sizeof(T));
    const size_t v_scales = values + size_t{layout_.v_row} * kGroupTokens * sizeof(T);
    copy_row(dst + v_scales, src + v_scales, layout_.v_scales * sizeof(uint16_t));
}

void CpuKvCache::copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) {
    for (size_t i = 0; i < src.size(); ++i) {
        const uint32_t from = src[i] / spec_.block_size;
        const uint32_t to = dst[i] / spec_.block_size;
        check_blocks(std::array{from, to});
        const uint32_t from_offset = src[i] % spec_.block_size;
        const uint32_t to_offset = dst[i] % spec_.block_size;
        for (uint32_t layer = 0; layer < spec_.layers; ++layer) {
            for (uint32_t head = 0; head < spec_.kv_heads; ++head) {
                const std::byte* a = k_group(layer, from, head, from_offset / kGroupTokens);
                auto* b = const_cast<std::byte*>(k_group(layer, to, head, to_offset / kGroupTokens));
                if (layout_.element_bytes == 4) {
                    copy_slot<uint32_t>(b, to_offset % kGroupTokens, a, from_offset % kGroupTokens);
                } else if (layout_.element_bytes == 1) {
                    copy_slot<uint8_t>(b, to_offset % kGroupTokens, a, from_offset % kGroupTokens);
                } else {
                    copy_slot<uint16_t>(b, to_offset % kGroupTokens, a, from_offset % kGroupTokens);
                }
            }
        }
    }
}

void CpuKvCache::copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) {
    check_blocks(src);
    check_blocks(dst);
    for (size_t i = 0; i < src.size(); ++i) {
        for (uint32_t layer = 0; layer < spec_.layers; ++layer) {
            std::memmove(block_data(layer, dst[i]), block_data(layer, src[i]), layout_.block_bytes);
        }
    }
}

void CpuKvCache::read_blocks(std::span<const uint32_t> blocks, std::byte* host) {
    check_blocks(blocks);
    for (const uint32_t block : blocks) {
        for (uint32_t layer = 0; layer < spec_.layers; ++layer, host += layout_.block_bytes) {
            std::memcpy(host, block_data(layer, block), layout_.block_bytes);
        }
    }
}

void CpuKvCache::write_blocks(std::span<const uint32_t> blocks, const std::byte* host) {
    check_blocks(blocks);
    for (const uint32_t block : blocks) {
        for (uint32_t layer = 0; layer < spec_.layers; ++layer, host += layout_.block_bytes) {
            std::memcpy(block_data(layer, block), host, layout_.block_bytes);
        }
    }
}

void CpuKvCache::store(uint32_t layer, uint32_t head, uint32_t slot, const float* k, const float* v) {
    const uint32_t offset = slot % spec_.block_size;
    auto* group = const_cast<std::byte*>(k_group(layer, slot / spec_.block_size, head, offset / kGroupTokens));
    const uint32_t lane = offset % kGroupTokens;
    if (quantized()) return store_quantized(group, lane, k, v);
    if (element_ == Element::kF32) {
        auto* to = reinterpret_cast<float*>(group);
        for (size_t d = 0; d < spec_.head_dim; ++d) to[d * kGroupTokens + lane] = k[d];
        to += static_cast<size_t>(spec_.head_dim) * kGroupTokens + static_cast<size_t>(lane) * layout_.v_stride;
        std::memcpy(to, v, spec_.v_head_dim * sizeof(float));
        return;
    }
    // Heads are at most a few hundred wide; larger ones go in parts.
    constexpr uint32_t kPart = 256;
    std::array<uint16_t, kPart> part;
    const auto convert = element_ == Element::kF16 ? kernels_.to_f16 : kernels_.to_bf16;
    auto* to = reinterpret_cast<uint16_t*>(group);
    for (uint32_t d = 0; d < spec_.head_dim; d += kPart) {
        const uint32_t n = std::min(kPart, spec_.head_dim - d);
        convert(k + d, n, part.data());
        for (uint32_t i = 0; i < n; ++i) to[static_cast<size_t>(d + i) * kGroupTokens + lane] = part[i];
    }
    to += static_cast<size_t>(spec_.head_dim) * kGroupTokens + static_cast<size_t>(lane) * layout_.v_stride;
    convert(v, spec_.v_head_dim, to);
}

void CpuKvCache::store_quantized(std::byte* group, uint32_t lane, const float* k, const float* v) {
    constexpr uint32_t kBlockValues = transformer::kKvBlock;
    const bool packed = spec_.type == KvType::kQ4_0;
    std::array<int8_t, kBlockValues> q;
    auto* keys = reinterpret_cast<uint8_t*>(group);
    auto* key_scales = reinterpret_cast<uint16_t*>(group + size_t{layout_.k_rows} * kGroupTokens);
    for (uint32_t first = 0; first < spec_.head_dim; first += kBlockValues) {
        const uint32_t n = std::min(kBlockValues, spec_.head_dim - first);
        q.fill(0);
        key_scales[first / kBlockValues * kGroupTokens + lane] =
            transformer::quantize_kv_block(spec_.type, k + first, n, q.data());
        for (uint32_t i = 0; i < n; i += packed ? 2 : 1) {
            const uint32_t row = packed ? (first + i) / 2 : first + i;
            keys[size_t{row} * kGroupTokens + lane] = packed ? pack(q[i], q[i + 1]) : static_cast<uint8_t>(q[i]);
        }
    }
    std::byte* values_at = group + layout_.k_group_bytes;
    auto* values = reinterpret_cast<uint8_t*>(values_at) + size_t{lane} * layout_.v_row;
    auto* value_scales =
        reinterpret_cast<uint16_t*>(values_at + size_t{layout_.v_row} * kGroupTokens) + size_t{lane} * layout_.v_scales;
    for (uint32_t first = 0; first < spec_.v_head_dim; first += kBlockValues) {
        const uint32_t n = std::min(kBlockValues, spec_.v_head_dim - first);
        q.fill(0);
        value_scales[first / kBlockValues] = transformer::quantize_kv_block(spec_.type, v + first, n, q.data());
        for (uint32_t i = 0; i < n; i += packed ? 2 : 1) {
            values[packed ? (first + i) / 2 : first + i] = packed ? pack(q[i], q[i + 1]) : static_cast<uint8_t>(q[i]);
        }
    }
}

void CpuKvCache::expand_group(uint32_t layer, uint32_t block, uint32_t head, uint32_t group, float* out) const {
    const std::byte* from = k_group(layer, block, head, group);
    const bool packed = spec_.type == KvType::kQ4_0;
    const auto expand = packed ? kernels_.expand_q4 : kernels_.expand_q8;
    std::array<float, kGroupTokens> scale;
    const auto* q = reinterpret_cast<const uint8_t*>(from);
    const auto* half = reinterpret_cast<const uint16_t*>(from + size_t{layout_.k_rows} * kGroupTokens);
    for (uint32_t first = 0; first < spec_.head_dim; first += transformer::kKvBlock, half += kGroupTokens) {
        const uint32_t rows = std::min(transformer::kKvBlock, spec_.head_dim - first);
        kernels_.from_f16(half, kGroupTokens, scale.data());
        expand.keys(q + size_t{packed ? first / 2 : first} * kGroupTokens, scale.data(), rows,
                    out + size_t{first} * kGroupTokens);
    }
    out += size_t{spec_.head_dim} * kGroupTokens;
    from += layout_.k_group_bytes;
    q = reinterpret_cast<const uint8_t*>(from);
    half = reinterpret_cast<const uint16_t*>(from + size_t{layout_.v_row} * kGroupTokens);
    for (uint32_t token = 0; token < kGroupTokens; ++token, q += layout_.v_row, half += layout_.v_scales) {
        float* row = out + size_t{token} * layout_.v_stride;
        for (uint32_t first = 0; first < layout_.v_stride; first += transformer::kKvBlock) {
            const uint32_t n = std::min(transformer::kKvBlock, layout_.v_stride - first);
            expand.values(q + (packed ? first / 2 : first),
                          transformer::f16_to_f32(half[first / transformer::kKvBlock]), n, row + first);
        }
    }
}

}  // namespace gantry::cpu
