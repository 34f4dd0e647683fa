#include "plugins/cpu/kv_cache.hpp"

#include <gantry/cpp/error.hpp>

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
    switch (type) {
        case KvType::kF32:
            return Element::kF32;
        case KvType::kF16:
            return Element::kF16;
        case KvType::kBf16:
            return Element::kBf16;
        default:
            throw sdk::Error(GANTRY_ERR_UNIMPLEMENTED, "this KV type is not supported", "use f16, bf16 or f32");
    }
}

}  // namespace

KvLayout::KvLayout(const KvSpec& spec)
    : groups((spec.block_size + kGroupTokens - 1) / kGroupTokens),
      v_stride(round_up(spec.v_head_dim, 16)),
      element_bytes(element_of(spec.type) == Element::kF32 ? 4 : 2),
      k_group_bytes(static_cast<size_t>(spec.head_dim) * kGroupTokens * element_bytes),
      group_bytes(k_group_bytes + static_cast<size_t>(v_stride) * kGroupTokens * element_bytes),
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
    auto* to = reinterpret_cast<T*>(dst);
    const auto* from = reinterpret_cast<const T*>(src);
    for (size_t d = 0; d < spec_.head_dim; ++d) to[d * kGroupTokens + dst_lane] = from[d * kGroupTokens + src_lane];
    const size_t values = static_cast<size_t>(spec_.head_dim) * kGroupTokens;
    std::memmove(to + values + static_cast<size_t>(dst_lane) * layout_.v_stride,
                 from + values + static_cast<size_t>(src_lane) * layout_.v_stride, layout_.v_stride * sizeof(T));
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

}  // namespace gantry::cpu
