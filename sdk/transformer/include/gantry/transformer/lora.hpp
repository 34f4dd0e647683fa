#pragma once

/// Low-rank adapters (LoRA, arXiv:2106.09685): read from a manifest in the vocabulary's adapter form, kept on a device,
/// and added to a step's products.

#include <gantry/transformer/config.hpp>
#include <gantry/transformer/weights.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace gantry::transformer {

/// The linear layers of a block that an adapter can change.
enum class LoraModule { kQ, kK, kV, kAttnOut, kFfnGate, kFfnUp, kFfnDown };
inline constexpr size_t kLoraModules = 7;

/// x A^T B^T with the adapter's scale folded into B.
struct LowRank {
    std::unique_ptr<Weight> a;              ///< [rank, in]
    std::unique_ptr<Weight> b;              ///< [out, rank]
    std::vector<float> a_values, b_values;  ///< what the weights are views of, where the device uses them in place
};

/// One adapter on a device.
class Adapter {
  public:
    /// Reads, checks and loads. `scale` multiplies the file's own. Throws gantry::sdk::Error: NOT_FOUND where there is
    /// nothing to adapt or half of a pair is missing, INVALID_ARGUMENT for a shape that does not fit the model
    /// (expected and found), DATA_LOSS for NaN and infinity, UNIMPLEMENTED for a tensor that is none of the layers
    /// above; each names the tensor. The manifest is not needed afterwards.
    Adapter(const sdk::Manifest& manifest, const ModelConfig& config, double scale, Device& device);

    /// Bytes that the constructor would allocate. Throws as it does, but for the values.
    static uint64_t bytes(const sdk::Manifest& manifest, const ModelConfig& config, const Device& device);

    /// The change of a layer's product; null where there is none.
    const LowRank* find(uint32_t layer, LoraModule module) const;
    uint32_t max_rank() const { return max_rank_; }

  private:
    std::vector<std::array<std::unique_ptr<LowRank>, kLoraModules>> layers_;
    uint32_t max_rank_ = 0;
};

/// Consecutive rows of a step that take an adapter.
struct AdapterRows {
    uint32_t begin = 0;
    uint32_t end = 0;
    const Adapter* adapter = nullptr;
};

/// The adapters of a model, by the numbers that batches use. [engine]
class AdapterSet {
  public:
    uint32_t add(std::unique_ptr<Adapter> adapter);
    /// Throws NOT_FOUND.
    void drop(uint32_t id);
    bool empty() const { return adapters_.empty(); }
    uint32_t max_rank() const;

    /// Which rows take which adapter; sequences without one have no entry. `ids` is one a sequence. Throws
    /// INVALID_ARGUMENT that names the sequence, for an id that is not loaded. Valid until the next call.
    std::span<const AdapterRows> rows_of(const Step& step, std::span<const uint32_t> ids);

  private:
    std::map<uint32_t, std::unique_ptr<Adapter>> adapters_;
    std::vector<AdapterRows> rows_;
    uint32_t last_id_ = 0;
};

/// The same for the rows that `rows` (ascending) picks out of the step.
void select_rows(std::span<const AdapterRows> from, std::span<const uint32_t> rows, std::vector<AdapterRows>& out);

}  // namespace gantry::transformer
