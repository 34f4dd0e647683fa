#pragma once

/// The CPU as a transformer Device: kernels of the best instruction set, a thread pool of its own, oneDNN for large
/// products with plain weights.

#include <gantry/transformer/device.hpp>

#include <memory>
#include <vector>

#include "plugins/cpu/attention.hpp"
#include "plugins/cpu/dispatch.hpp"
#include "plugins/cpu/products.hpp"
#include "plugins/cpu/self_attention.hpp"
#include "plugins/cpu/thread_pool.hpp"
#include "plugins/cpu/weights.hpp"

namespace gantry::cpu {

struct DeviceOptions {
    uint32_t threads = 1;
    std::vector<uint32_t> pinned_cpus;  ///< empty: not pinned
    Precision precision = Precision::kAuto;
    Prefill prefill = Prefill::kAuto;
};

/// See transformer::Device for each operation. Results of a row do not depend on the other rows of a step, but for
/// oneDNN's products; Step::deterministic leaves those to the own kernels.
class CpuDevice final : public transformer::Device {
  public:
    CpuDevice(const Kernels& kernels, const CpuFeatures& features, const DeviceOptions& options);

    std::unique_ptr<transformer::Buffer> allocate(size_t floats) override;
    void upload(float* dst, const float* src, size_t floats) override;
    void download(float* dst, const float* src, size_t floats) override;
    void download_logits(float* dst, transformer::Mat logits, const transformer::LogitSummary& summary) override;
    void sync() override {}

    bool supports(int32_t dtype, transformer::WeightUse use) const override;
    uint64_t weight_bytes(const gantry_tensor_view_t& view, transformer::WeightUse use) const override;
    std::unique_ptr<transformer::Weight> load_weight(const gantry_tensor_view_t& view,
                                                     transformer::WeightUse use) override;

    bool supports(transformer::KvType type) const override;
    uint64_t kv_bytes_per_block(const transformer::KvSpec& spec) const override;
    std::unique_ptr<transformer::KvCache> create_kv(const transformer::KvSpec& spec) override;

    uint64_t scratch_bytes(const transformer::ScratchSpec& spec) const override;
    uint64_t encoder_scratch_bytes(const transformer::ScratchSpec& spec) const override;

    void begin_step(const transformer::Step& step) override { deterministic_ = step.deterministic; }
    bool can_be_deterministic() const override { return true; }

    void embed(const transformer::Weight& table, std::span<const int32_t> ids, transformer::Mat out) override;
    void rms_norm(transformer::Mat x, const transformer::Weight& gain, float eps, float gain_offset,
                  transformer::Mat out) override;
    void rms_norm_heads(transformer::Mat x, uint32_t head_dim, const transformer::Weight& gain, float eps,
                        float gain_offset) override;
    void add_rms_norm(transformer::Mat x, transformer::Mat delta, const transformer::Weight& gain, float eps,
                      float gain_offset, transformer::Mat out) override;
    void layer_norm(transformer::Mat x, const transformer::Weight& gain, const transformer::Weight* bias, float eps,
                    transformer::Mat out) override;
    void linear(transformer::Mat x, std::span<const transformer::LinearOut> outs) override;
    void rope(transformer::Mat x, uint32_t head_dim, const transformer::Rope& rope,
              std::span<const uint32_t> positions) override;
    void store_kv(transformer::KvCache& kv, uint32_t layer, transformer::Mat k, transformer::Mat v,
                  std::span<const uint32_t> slots) override;
    void attention(transformer::KvCache& kv, const transformer::AttentionParams& params, const transformer::Step& step,
                   transformer::Mat q, transformer::Mat out) override;
    void self_attention(const transformer::SelfAttentionParams& params, std::span<const uint32_t> begin,
                        transformer::Mat q, transformer::Mat k, transformer::Mat v, transformer::Mat out) override;
    void mean_rows(transformer::Mat x, std::span<const uint32_t> begin, transformer::Mat out) override;
    void gated(transformer::Activation act, transformer::Mat gate, transformer::Mat up, transformer::Mat out) override;
    void activate(transformer::Activation act, transformer::Mat x) override;
    void add(transformer::Mat x, transformer::Mat y) override;
    void scale(transformer::Mat x, float factor) override;
    void softcap(transformer::Mat x, float cap) override;
    void gather_rows(transformer::Mat x, std::span<const uint32_t> rows, transformer::Mat out) override;
    void add_scaled_rows(transformer::Mat x, std::span<const uint32_t> rows, std::span<const float> factors,
                         transformer::Mat out) override;

    std::string plan() const override;

  private:
    template <class F>
    void for_rows(uint32_t rows, size_t cols, F&& f);
    template <class F>
    void for_elements(size_t count, F&& f);
    void fill_rotations(const transformer::Rope& rope, std::span<const uint32_t> positions);

    const Kernels& kernels_;
    Precision precision_;
    Prefill prefill_;
    ThreadPool pool_;
    Products products_;
    Attention attention_;
    SelfAttention self_attention_;
    bool deterministic_ = false;  ///< this step

    /// cos and sin of the step's positions, [tokens][pairs] each, and what they were made from.
    std::vector<float> cosine_, sine_;
    std::vector<float> rotated_freq_;
    std::vector<uint32_t> rotated_positions_;
    float rotated_magnitude_ = 0;
};

}  // namespace gantry::cpu
