#pragma once

// A loaded transformer behind the ABI's model table, with gantry.causal-lm/1 and gantry.adapter/1.

#include <gantry/ext/adapter.h>
#include <gantry/ext/causal_lm.h>
#include <gantry/cpp/backend.hpp>

#include <memory>
#include <span>
#include <string>

#include <gantry/transformer/decoder.hpp>
#include <gantry/transformer/options.hpp>

namespace gantry::transformer {

struct ModelParts {
    std::string plugin;  ///< id and version, for the block identity
    ModelConfig config;
    LoadPlan plan;
    std::unique_ptr<Device> device;
    KvSpec kv;
};

/// What the device's own memory depends on.
ScratchSpec scratch_spec(const ModelConfig& config, const LoadPlan& plan);

class TransformerModel final : public sdk::Model {
  public:
    /// Loads the weights, allocates the cache and the activations and runs one token to warm up. Throws
    /// gantry::sdk::Error; CANCELLED when the progress says so.
    TransformerModel(ModelParts parts, const sdk::Manifest& manifest, std::span<const PlannedTensor> tensors,
                     const gantry_progress_t& progress);

    gantry_model_info_t info() override;
    const void* extension(std::string_view id) override;

    void execute(const gantry_batch_t* batch);
    void copy_blocks(const gantry_copy_list_t* list);
    void copy_slots(const gantry_copy_list_t* list);
    void read_blocks(std::span<const uint32_t> blocks, void* host, uint64_t bytes_per_block);
    void write_blocks(std::span<const uint32_t> blocks, const void* host, uint64_t bytes_per_block);
    uint64_t assess_adapter(const gantry_manifest_t* adapter) const;
    uint32_t load_adapter(const gantry_manifest_t* adapter, double scale);
    void drop_adapter(uint32_t id);
    const std::string& identity() const { return identity_; }
    const std::string& plan_line() const { return plan_line_; }

  private:
    void warm_up(const sdk::Manifest& manifest, std::span<const PlannedTensor> tensors);
    void check_exchange(std::span<const uint32_t> blocks, const void* host, uint64_t bytes_per_block) const;

    // Destroyed in reverse: the device goes last.
    ModelParts parts_;
    Weights weights_;
    std::unique_ptr<KvCache> kv_;
    std::unique_ptr<Decoder> decoder_;
    BatchChecker checker_;
    AdapterSet adapters_;
    gantry_adapter_t adapter_{};
    gantry_causal_lm_t causal_lm_{};
    std::string plan_line_;
    std::string identity_;
};

}  // namespace gantry::transformer
