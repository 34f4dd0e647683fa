#pragma once

// A loaded encoder behind the ABI's model table, with gantry.encoder/1.

#include <gantry/ext/encoder.h>
#include <gantry/cpp/backend.hpp>

#include <memory>
#include <string>

#include <gantry/transformer/encoder.hpp>
#include <gantry/transformer/options.hpp>

namespace gantry::transformer {

struct EncoderParts {
    EncoderConfig config;
    LoadPlan plan;
    std::unique_ptr<Device> device;
};

/// Bytes of everything beside the weights.
uint64_t encoder_scratch_bytes(const EncoderConfig& config, const LoadPlan& plan, const Device& device);

class EncoderModel final : public sdk::Model {
  public:
    /// Loads the weights, allocates the activations and runs one token to warm up. Throws gantry::sdk::Error;
    /// CANCELLED when the progress says so.
    EncoderModel(EncoderParts parts, const sdk::Manifest& manifest, std::span<const PlannedTensor> tensors,
                 const gantry_progress_t& progress);

    gantry_model_info_t info() override;
    const void* extension(std::string_view id) override { return id == GANTRY_ENCODER ? &table_ : nullptr; }

    /// Throws INVALID_ARGUMENT for a pooling that there is not, UNIMPLEMENTED for scores without a head.
    uint64_t width(int32_t pooling) const;
    void encode(const gantry_encode_batch_t* batch);
    const std::string& plan_line() const { return plan_line_; }

  private:
    int32_t resolve(int32_t pooling) const;
    EncoderBatch check(const gantry_encode_batch_t& batch) const;
    void warm_up(const sdk::Manifest& manifest, std::span<const PlannedTensor> tensors);

    // Destroyed in reverse: the device goes last.
    EncoderParts parts_;
    EncoderWeights weights_;
    std::unique_ptr<Encoder> encoder_;
    gantry_encoder_t table_{};
    std::string plan_line_;
};

}  // namespace gantry::transformer
