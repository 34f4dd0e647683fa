#include <algorithm>
#include <cstring>
#include <gantry/transformer/dequantize.hpp>
#include <gantry/transformer/kv_types.hpp>

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

HostKv::HostKv(const KvSpec& spec) : spec_(spec), memory_(block_bytes(spec) * spec.block_count) {}

uint64_t HostKv::block_bytes(const KvSpec& s) {
    const uint64_t head =
        transformer::kv_row_bytes(s.type, s.head_dim) + transformer::kv_row_bytes(s.type, s.v_head_dim);
    return uint64_t{s.layers} * s.block_size * s.kv_heads * head;
}

uint64_t HostKv::key_row() const { return transformer::kv_row_bytes(spec_.type, spec_.head_dim); }
uint64_t HostKv::value_row() const { return transformer::kv_row_bytes(spec_.type, spec_.v_head_dim); }

uint64_t HostKv::key_at(uint32_t layer, uint32_t slot) const {
    const uint64_t layer_bytes = uint64_t{spec_.block_size} * spec_.kv_heads * (key_row() + value_row());
    return slot / spec_.block_size * block_bytes(spec_) + layer * layer_bytes +
           slot % spec_.block_size * spec_.kv_heads * key_row();
}

uint64_t HostKv::value_at(uint32_t layer, uint32_t slot) const {
    const uint64_t keys = uint64_t{spec_.block_size} * spec_.kv_heads * key_row();
    const uint64_t offset = slot % spec_.block_size;
    return key_at(layer, slot) + keys - offset * spec_.kv_heads * key_row() + offset * spec_.kv_heads * value_row();
}

void HostKv::read_key(uint32_t layer, uint32_t slot, uint32_t head, float* out) const {
    transformer::decode_kv_row(spec_.type, memory_.data() + key_at(layer, slot) + head * key_row(), spec_.head_dim,
                               out);
}

void HostKv::read_value(uint32_t layer, uint32_t slot, uint32_t head, float* out) const {
    transformer::decode_kv_row(spec_.type, memory_.data() + value_at(layer, slot) + head * value_row(),
                               spec_.v_head_dim, out);
}

void HostKv::write(uint32_t layer, uint32_t slot, const float* k, const float* v) {
    std::byte* keys = memory_.data() + key_at(layer, slot);
    std::byte* values = memory_.data() + value_at(layer, slot);
    for (uint32_t head = 0; head < spec_.kv_heads; ++head) {
        transformer::encode_kv_row(spec_.type, k + head * spec_.head_dim, spec_.head_dim, keys + head * key_row());
        transformer::encode_kv_row(spec_.type, v + head * spec_.v_head_dim, spec_.v_head_dim,
                                   values + head * value_row());
    }
}

void HostKv::copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) {
    for (size_t i = 0; i < src.size(); ++i) {
        if (src[i] == dst[i]) continue;
        for (uint32_t layer = 0; layer < spec_.layers; ++layer) {
            std::copy_n(memory_.data() + key_at(layer, src[i]), spec_.kv_heads * key_row(),
                        memory_.data() + key_at(layer, dst[i]));
            std::copy_n(memory_.data() + value_at(layer, src[i]), spec_.kv_heads * value_row(),
                        memory_.data() + value_at(layer, dst[i]));
        }
    }
}

void HostKv::copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) {
    for (size_t i = 0; i < src.size(); ++i) {
        if (src[i] != dst[i]) std::copy_n(block(src[i]), block_bytes(spec_), block(dst[i]));
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

uint64_t ReferenceDevice::kv_bytes_per_block(const KvSpec& spec) const { return HostKv::block_bytes(spec); }

std::unique_ptr<transformer::KvCache> ReferenceDevice::create_kv(const KvSpec& spec) {
    return std::make_unique<HostKv>(spec);
}

}  // namespace gantry::reference
