#include "plugins/cpu/weights.hpp"

#include <gantry/cpp/error.hpp>
#include <gantry/transformer/dequantize.hpp>

#include <algorithm>
#include <string>

namespace gantry::cpu {
namespace {

using transformer::WeightUse;

/// Packed between two polls: a few milliseconds' work.
constexpr uint64_t kPollBytes = uint64_t{4} << 20;

struct Shape {
    uint64_t rows = 1;
    uint64_t cols = 0;
};

Shape shape_of(const gantry_tensor_view_t& view, WeightUse use) {
    const auto refuse = [&](const std::string& why) {
        throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT, "a tensor of rank " + std::to_string(view.rank) + " " + why);
    };
    if (view.rank == 0 || view.rank > GANTRY_MAX_RANK) refuse("cannot be a weight");
    Shape shape{1, view.shape[view.rank - 1]};
    for (uint32_t i = 0; i + 1 < view.rank; ++i) shape.rows *= view.shape[i];
    if (use == WeightUse::kVector) {
        shape.cols *= shape.rows;
        shape.rows = 1;
    }
    if (shape.rows == 0 || shape.cols == 0 || shape.cols > UINT32_MAX || shape.rows > UINT32_MAX) {
        refuse("with " + std::to_string(shape.rows) + " x " + std::to_string(shape.cols) +
               " elements cannot be a weight");
    }
    return shape;
}

bool becomes_packed(int32_t dtype, WeightUse use, Precision precision) {
    return pack_of(dtype).has_value() && precision == Precision::kAuto &&
           (use == WeightUse::kLinear || use == WeightUse::kEmbeddingAndLinear);
}

}  // namespace

CpuWeight::CpuWeight(const gantry_tensor_view_t& view, WeightUse use, Precision precision, ThreadPool& pool,
                     bool keeps_rows, const std::function<void()>& poll)
    : dtype_(view.dtype), data_(static_cast<const std::byte*>(view.data)) {
    const Shape shape = shape_of(view, use);
    rows_ = shape.rows;
    cols_ = shape.cols;
    row_bytes_ = transformer::row_bytes(dtype_, cols_);
    if (row_bytes_ == 0 || view.nbytes < row_bytes_ * rows_ || data_ == nullptr) {
        throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT,
                         "a tensor of type " + std::string(transformer::type_traits(dtype_).name) + " with " +
                             std::to_string(rows_) + " x " + std::to_string(cols_) + " elements cannot lie in " +
                             std::to_string(view.nbytes) + " bytes");
    }
    if (use == WeightUse::kVector) {
        values_.resize(cols_);
        transformer::dequantize(dtype_, data_, values_.data(), cols_);
        reads_file_ = false;
        return;
    }
    if (!becomes_packed(dtype_, use, precision)) return;
    pack_ = pack_of(dtype_);
    reads_file_ = keeps_rows || use == WeightUse::kEmbeddingAndLinear;
    const auto depth = static_cast<uint32_t>(cols_);
    panel_bytes_ = pack_layout(*pack_).panel_bytes(depth / kBlock);
    packed_ = Pages(packed_bytes(*pack_, rows_, depth));
    const uint64_t panels = (rows_ + kPanelRows - 1) / kPanelRows;
    // In parts, so that a load can be stopped in the middle of a large tensor.
    const uint64_t part = std::max<uint64_t>(kPollBytes / panel_bytes_, 1);
    for (uint64_t begin = 0; begin < panels; begin += part) {
        if (poll) poll();
        pool.for_each(std::min(part, panels - begin), [&](size_t offset, uint32_t) {
            const uint64_t panel = begin + offset;
            const uint64_t first = panel * kPanelRows;
            pack_panel(dtype_, file_row(first), row_bytes_,
                       static_cast<uint32_t>(std::min<uint64_t>(kPanelRows, rows_ - first)), depth,
                       packed_.as<uint8_t>() + panel * panel_bytes_);
        });
    }
}

std::optional<Element> CpuWeight::element() const {
    switch (dtype_) {
        case GANTRY_DTYPE_F32:
            return Element::kF32;
        case GANTRY_DTYPE_F16:
            return Element::kF16;
        case GANTRY_DTYPE_BF16:
            return Element::kBf16;
        default:
            return std::nullopt;
    }
}

bool weight_supported(int32_t dtype) noexcept { return transformer::type_traits(dtype).dequantizable; }

uint64_t weight_private_bytes(const gantry_tensor_view_t& view, WeightUse use, Precision precision) {
    const Shape shape = shape_of(view, use);
    if (use == WeightUse::kVector) return shape.cols * sizeof(float);
    if (!becomes_packed(view.dtype, use, precision)) return 0;
    return packed_bytes(*pack_of(view.dtype), shape.rows, shape.cols);
}

}  // namespace gantry::cpu
