#include "plugins/gpu/memory.hpp"

#include <gantry/transformer/dequantize.hpp>

#include <algorithm>
#include <optional>
#include <vector>

namespace gantry::gpu {
namespace {

using transformer::WeightUse;

constexpr uint64_t kPiece = uint64_t{16} << 20;  // bytes between polls

/// The format of a file type that the kernels decode themselves.
std::optional<Format> kernel_format(int32_t dtype) {
    switch (dtype) {
        case GANTRY_DTYPE_F32:
            return Format::kF32;
        case GANTRY_DTYPE_F16:
            return Format::kF16;
        case GANTRY_DTYPE_BF16:
            return Format::kBf16;
        case GANTRY_DTYPE_Q8_0:
            return Format::kQ8_0;
        case GANTRY_DTYPE_Q4_0:
            return Format::kQ4_0;
        case GANTRY_DTYPE_Q4_1:
            return Format::kQ4_1;
        case GANTRY_DTYPE_Q5_0:
            return Format::kQ5_0;
        case GANTRY_DTYPE_Q5_1:
            return Format::kQ5_1;
        case GANTRY_DTYPE_Q4_K:
            return Format::kQ4_K;
        case GANTRY_DTYPE_Q5_K:
            return Format::kQ5_K;
        case GANTRY_DTYPE_Q6_K:
            return Format::kQ6_K;
        default:
            return std::nullopt;
    }
}

Format stored_format(int32_t dtype, WeightUse use) {
    if (use == WeightUse::kVector) return Format::kF32;
    return kernel_format(dtype).value_or(Format::kF32);
}

uint64_t rows_of(const gantry_tensor_view_t& view) { return view.rank == 2 ? view.shape[0] : 1; }
uint64_t cols_of(const gantry_tensor_view_t& view) { return view.shape[view.rank - 1]; }

Format kv_format(transformer::KvType type) {
    switch (type) {
        case transformer::KvType::kF32:
            return Format::kF32;
        case transformer::KvType::kF16:
            return Format::kF16;
        case transformer::KvType::kBf16:
            return Format::kBf16;
        case transformer::KvType::kQ8_0:
            return Format::kQ8_0;
        case transformer::KvType::kQ4_0:
            return Format::kQ4_0;
    }
    return Format::kF32;
}

}  // namespace

uint64_t GpuWeight::bytes(const gantry_tensor_view_t& view, WeightUse use) {
    return rows_of(view) * format_row_bytes(stored_format(view.dtype, use), cols_of(view));
}

GpuWeight::GpuWeight(Backend& backend, const gantry_tensor_view_t& view, WeightUse use,
                     const std::function<void()>& poll)
    : rows_(rows_of(view)),
      cols_(cols_of(view)),
      format_(stored_format(view.dtype, use)),
      memory_(backend, bytes(view, use)) {
    const auto* from = static_cast<const std::byte*>(view.data);
    auto* to = static_cast<std::byte*>(memory_.data());
    if (kernel_format(view.dtype) == format_) {
        for (uint64_t done = 0; done < memory_.bytes(); done += kPiece) {
            poll();
            backend.copy_in(to + done, from + done, std::min(kPiece, memory_.bytes() - done));
        }
        return;
    }
    const uint64_t row_bytes = transformer::row_bytes(view.dtype, cols_);
    std::vector<float> row(cols_);
    for (uint64_t r = 0; r < rows_; ++r) {
        if (r % 256 == 0) poll();
        transformer::dequantize(view.dtype, from + r * row_bytes, row.data(), cols_);
        backend.copy_in(to + r * cols_ * sizeof(float), row.data(), cols_ * sizeof(float));
    }
}

KvLayout GpuKv::layout_of(const transformer::KvSpec& spec) {
    return {kv_format(spec.type), spec.block_size, spec.kv_heads, spec.head_dim, spec.v_head_dim, spec.layers};
}

GpuKv::GpuKv(Backend& backend, const transformer::KvSpec& spec)
    : backend_(backend), layout_(layout_of(spec)), memory_(backend, layout_.block_bytes() * spec.block_count) {}

void GpuKv::copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) {
    for (size_t i = 0; i < src.size(); ++i) {
        if (src[i] == dst[i]) continue;
        for (uint32_t layer = 0; layer < layout_.layers; ++layer) {
            backend_.copy(at(layout_.key_at(layer, dst[i], 0)), at(layout_.key_at(layer, src[i], 0)),
                          layout_.kv_heads * layout_.key_row());
            backend_.copy(at(layout_.value_at(layer, dst[i], 0)), at(layout_.value_at(layer, src[i], 0)),
                          layout_.kv_heads * layout_.value_row());
        }
    }
}

void GpuKv::copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) {
    for (size_t i = 0; i < src.size(); ++i) {
        if (src[i] == dst[i]) continue;
        backend_.copy(at(dst[i] * bytes_per_block()), at(src[i] * bytes_per_block()), bytes_per_block());
    }
}

void GpuKv::read_blocks(std::span<const uint32_t> blocks, std::byte* host) {
    for (size_t i = 0; i < blocks.size(); ++i) {
        backend_.copy_out(host + i * bytes_per_block(), at(blocks[i] * bytes_per_block()), bytes_per_block());
    }
}

void GpuKv::write_blocks(std::span<const uint32_t> blocks, const std::byte* host) {
    for (size_t i = 0; i < blocks.size(); ++i) {
        backend_.copy_in(at(blocks[i] * bytes_per_block()), host + i * bytes_per_block(), bytes_per_block());
    }
}

}  // namespace gantry::gpu
