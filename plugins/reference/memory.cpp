#include <algorithm>
#include <cstring>
#include <gantry/transformer/dequantize.hpp>

#include "device.hpp"

namespace gantry::reference {

using transformer::KvSpec;
using transformer::WeightUse;

MappedWeight::MappedWeight(const gantry_tensor_view_t& view)
    : dtype_(view.dtype),
      rows_(view.rank == 2 ? view.shape[0] : 1),
      cols_(view.shape[view.rank - 1]),
      row_bytes_(transformer::row_bytes(view.dtype, cols_)),
      data_(static_cast<const std::byte*>(view.data)) {}

void MappedWeight::row(uint64_t index, float* out) const {
    transformer::dequantize(dtype_, data_ + index * row_bytes_, out, cols_);
}

HostKv::HostKv(const KvSpec& spec) : spec_(spec), memory_(floats_per_block(spec) * spec.block_count) {}

uint64_t HostKv::floats_per_block(const KvSpec& s) {
    return uint64_t{s.layers} * s.block_size * s.kv_heads * (s.head_dim + s.v_head_dim);
}

float* HostKv::at(uint32_t layer, uint32_t slot, bool value) {
    const uint64_t keys = uint64_t{spec_.block_size} * spec_.kv_heads * spec_.head_dim;
    const uint64_t values = uint64_t{spec_.block_size} * spec_.kv_heads * spec_.v_head_dim;
    const uint64_t offset = slot % spec_.block_size;
    float* start = block(slot / spec_.block_size) + layer * (keys + values);
    return value ? start + keys + offset * spec_.kv_heads * spec_.v_head_dim
                 : start + offset * spec_.kv_heads * spec_.head_dim;
}

void HostKv::copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) {
    for (size_t i = 0; i < src.size(); ++i) {
        if (src[i] == dst[i]) continue;
        for (uint32_t layer = 0; layer < spec_.layers; ++layer) {
            std::copy_n(key(layer, src[i]), spec_.kv_heads * spec_.head_dim, key(layer, dst[i]));
            std::copy_n(value(layer, src[i]), spec_.kv_heads * spec_.v_head_dim, value(layer, dst[i]));
        }
    }
}

void HostKv::copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) {
    for (size_t i = 0; i < src.size(); ++i) {
        if (src[i] != dst[i]) std::copy_n(block(src[i]), floats_per_block(spec_), block(dst[i]));
    }
}

void HostKv::read_blocks(std::span<const uint32_t> blocks, std::byte* host) {
    for (size_t i = 0; i < blocks.size(); ++i) {
        std::memcpy(host + i * bytes_per_block(), block(blocks[i]), bytes_per_block());
    }
}

void HostKv::write_blocks(std::span<const uint32_t> blocks, const std::byte* host) {
    for (size_t i = 0; i < blocks.size(); ++i) {
        std::memcpy(block(blocks[i]), host + i * bytes_per_block(), bytes_per_block());
    }
}

std::unique_ptr<transformer::Buffer> ReferenceDevice::allocate(size_t floats) {
    return std::make_unique<HostBuffer>(floats);
}
void ReferenceDevice::upload(float* dst, const float* src, size_t floats) { std::copy_n(src, floats, dst); }
void ReferenceDevice::download(float* dst, const float* src, size_t floats) { std::copy_n(src, floats, dst); }

bool ReferenceDevice::supports(int32_t dtype, WeightUse) const { return transformer::type_traits(dtype).dequantizable; }

std::unique_ptr<transformer::Weight> ReferenceDevice::load_weight(const gantry_tensor_view_t& view, WeightUse) {
    return std::make_unique<MappedWeight>(view);
}

uint64_t ReferenceDevice::kv_bytes_per_block(const KvSpec& spec) const {
    return HostKv::floats_per_block(spec) * sizeof(float);
}

std::unique_ptr<transformer::KvCache> ReferenceDevice::create_kv(const KvSpec& spec) {
    return std::make_unique<HostKv>(spec);
}

}  // namespace gantry::reference
