#pragma once

/// Weights as this plugin keeps them.

#include <gantry/transformer/device.hpp>

#include <functional>
#include <optional>
#include <vector>

#include "plugins/cpu/memory.hpp"
#include "plugins/cpu/packing.hpp"
#include "plugins/cpu/thread_pool.hpp"

namespace gantry::cpu {

/// How much accuracy products trade for speed.
enum class Precision {
    kAuto,  ///< activations in int8 against quantised weights, bf16 in large products where that is faster
    kFp32   ///< everything in fp32 from the dequantised weights
};

/// One weight. Plain types stay in the mapped file; quantised ones are packed into panels, unless the precision is
/// fp32 (then they stay too and are decoded as they are used). Vectors become fp32.
class CpuWeight final : public transformer::Weight {
  public:
    /// The view's data outlives the weight. `keeps_rows`: products may read the file's rows of packed weights as well.
    /// Throws gantry::sdk::Error for a shape or size that cannot be, and what `poll` throws, which is called while a
    /// large weight is packed.
    CpuWeight(const gantry_tensor_view_t& view, transformer::WeightUse use, Precision precision, ThreadPool& pool,
              bool keeps_rows = false, const std::function<void()>& poll = {});

    uint64_t rows() const override { return rows_; }
    uint64_t cols() const override { return cols_; }
    uint64_t private_bytes() const override { return packed_.size() + values_.size() * sizeof(float); }

    bool uses_mapping() const override { return reads_file_; }

    int32_t dtype() const { return dtype_; }
    size_t row_bytes() const { return row_bytes_; }
    /// The file's bytes of a row.
    const std::byte* file_row(uint64_t row) const { return data_ + row * row_bytes_; }
    /// Set where the weight is packed; else products use the file's rows.
    std::optional<Pack> pack() const { return pack_; }
    const uint8_t* panel(uint64_t index) const { return packed_.as<uint8_t>() + index * panel_bytes_; }
    /// Set for plain types.
    std::optional<Element> element() const;
    /// fp32 values of a vector.
    const float* values() const { return values_.data(); }

  private:
    int32_t dtype_;
    uint64_t rows_ = 1;
    uint64_t cols_ = 0;
    const std::byte* data_;
    size_t row_bytes_ = 0;
    bool reads_file_ = true;
    std::optional<Pack> pack_;
    size_t panel_bytes_ = 0;
    Pages packed_;
    std::vector<float> values_;
};

/// Whether a type can be used that way: the types that the transformer library decodes.
bool weight_supported(int32_t dtype) noexcept;

/// What CpuWeight would allocate.
uint64_t weight_private_bytes(const gantry_tensor_view_t& view, transformer::WeightUse use, Precision precision);

}  // namespace gantry::cpu
