#pragma once

/// transformer::Device over a gpu::Backend: decides formats, grids and tables; the arithmetic is in kernels/.

#include <gantry/transformer/device.hpp>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "plugins/gpu/backend.hpp"

namespace gantry::gpu {

class GpuDevice final : public transformer::Device {
  public:
    using Mat = transformer::Mat;
    using Weight = transformer::Weight;

    explicit GpuDevice(std::unique_ptr<Backend> backend);

    std::unique_ptr<transformer::Buffer> allocate(size_t floats) override;
    void upload(float* dst, const float* src, size_t floats) override;
    void download(float* dst, const float* src, size_t floats) override;
    void sync() override { backend_->sync(); }

    bool supports(int32_t dtype, transformer::WeightUse use) const override;
    uint64_t weight_bytes(const gantry_tensor_view_t& view, transformer::WeightUse use) const override;
    std::unique_ptr<Weight> load_weight(const gantry_tensor_view_t& view, transformer::WeightUse use) override;

    bool supports(transformer::KvType) const override { return true; }
    uint64_t kv_bytes_per_block(const transformer::KvSpec& spec) const override;
    std::unique_ptr<transformer::KvCache> create_kv(const transformer::KvSpec& spec) override;
    uint64_t scratch_bytes(const transformer::ScratchSpec& spec) const override;
    uint64_t encoder_scratch_bytes(const transformer::ScratchSpec& spec) const override;

    void begin_step(const transformer::Step& step) override;
    bool can_be_deterministic() const override { return true; }

    void embed(const Weight& table, std::span<const int32_t> ids, Mat out) override;
    void rms_norm(Mat x, const Weight& gain, float eps, float gain_offset, Mat out) override;
    void rms_norm_heads(Mat x, uint32_t head_dim, const Weight& gain, float eps, float gain_offset) override;
    void layer_norm(Mat x, const Weight& gain, const Weight* bias, float eps, Mat out) override;
    void linear(Mat x, std::span<const transformer::LinearOut> outs) override;
    void rope(Mat x, uint32_t head_dim, const transformer::Rope& rope, std::span<const uint32_t> positions) override;
    void store_kv(transformer::KvCache& kv, uint32_t layer, Mat k, Mat v, std::span<const uint32_t> slots) override;
    void attention(transformer::KvCache& kv, const transformer::AttentionParams& params, const transformer::Step& step,
                   Mat q, Mat out) override;
    void self_attention(const transformer::SelfAttentionParams& params, std::span<const uint32_t> begin, Mat q, Mat k,
                        Mat v, Mat out) override;
    void mean_rows(Mat x, std::span<const uint32_t> begin, Mat out) override;
    void gated(transformer::Activation act, Mat gate, Mat up, Mat out) override;
    void activate(transformer::Activation act, Mat x) override;
    void add(Mat x, Mat y) override;
    void scale(Mat x, float factor) override;
    void softcap(Mat x, float cap) override;
    void gather_rows(Mat x, std::span<const uint32_t> rows, Mat out) override;
    void add_scaled_rows(Mat x, std::span<const uint32_t> rows, std::span<const float> factors, Mat out) override;

    std::string plan() const override;

  private:
    /// Small host arrays that kernels read; each has its own device memory, which grows.
    enum Table { kIndices, kSequence, kTokenBegin, kContext, kBlockBegin, kBlocks, kParents, kNumbers, kTables };
    template <class T>
    Global<T> table(Table which, std::span<const T> values);
    Global<uint32_t> sequence_table(std::span<const uint32_t> begin);
    void run_rows(const Kernel& kernel, uint64_t threads);
    void run_pointwise(Operation operation, Function function, float factor, Mat x, Mat y, Mat out);
    void run_norm(Norm kernel, uint32_t rows);

    std::unique_ptr<Backend> backend_;  // before all that lives in its memory
    std::array<Memory, kTables> tables_;
    bool deterministic_ = false;
};

}  // namespace gantry::gpu
