#pragma once

/// The reference device: every operation as its formula says, one thread, fp32 values with double sums. It is the
/// oracle that other backends are compared with, so it is written to be checked by eye, not to be fast.

#include <gantry/transformer/device.hpp>

#include <memory>
#include <string>
#include <vector>

namespace gantry::reference {

/// Floats in a vector.
class HostBuffer final : public transformer::Buffer {
  public:
    explicit HostBuffer(size_t floats) : values_(floats) {}
    float* data() override { return values_.data(); }
    size_t size() const override { return values_.size(); }

  private:
    std::vector<float> values_;
};

/// A weight in place in the mapped file; rows are decoded as they are used.
class MappedWeight final : public transformer::Weight {
  public:
    explicit MappedWeight(const gantry_tensor_view_t& view);
    uint64_t rows() const override { return rows_; }
    uint64_t cols() const override { return cols_; }
    uint64_t private_bytes() const override { return 0; }
    /// Decodes one row to cols() floats.
    void row(uint64_t index, float* out) const;

  private:
    int32_t dtype_;
    uint64_t rows_, cols_, row_bytes_;
    const std::byte* data_;
};

/// All keys and values, in any KvType: [block][layer][K or V][offset][kv_head] rows of one head each (see
/// transformer::encode_kv_row).
class HostKv final : public transformer::KvCache {
  public:
    explicit HostKv(const transformer::KvSpec& spec);
    static uint64_t block_bytes(const transformer::KvSpec& spec);

    /// One head's values of one slot. `out` has head_dim (of V: v_head_dim) floats.
    void read_key(uint32_t layer, uint32_t slot, uint32_t head, float* out) const;
    void read_value(uint32_t layer, uint32_t slot, uint32_t head, float* out) const;
    /// All heads' values of one slot: k [kv_heads * head_dim], v [kv_heads * v_head_dim].
    void write(uint32_t layer, uint32_t slot, const float* k, const float* v);
    const transformer::KvSpec& spec() const { return spec_; }

    uint64_t bytes_per_block() const override { return block_bytes(spec_); }
    void copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) override;
    void copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) override;
    void read_blocks(std::span<const uint32_t> blocks, std::byte* host) override;
    void write_blocks(std::span<const uint32_t> blocks, const std::byte* host) override;

  private:
    uint64_t key_row() const;
    uint64_t value_row() const;
    /// Where a slot's keys and values of all heads begin, bytes from the start.
    uint64_t key_at(uint32_t layer, uint32_t slot) const;
    uint64_t value_at(uint32_t layer, uint32_t slot) const;
    std::byte* block(uint32_t index) { return memory_.data() + index * block_bytes(spec_); }

    transformer::KvSpec spec_;
    std::vector<std::byte> memory_;
};

class ReferenceDevice final : public transformer::Device {
  public:
    using Mat = transformer::Mat;
    using Weight = transformer::Weight;

    std::unique_ptr<transformer::Buffer> allocate(size_t floats) override;
    void upload(float* dst, const float* src, size_t floats) override;
    void download(float* dst, const float* src, size_t floats) override;
    void sync() override {}

    bool supports(int32_t dtype, transformer::WeightUse use) const override;
    uint64_t weight_bytes(const gantry_tensor_view_t&, transformer::WeightUse) const override { return 0; }
    std::unique_ptr<Weight> load_weight(const gantry_tensor_view_t& view, transformer::WeightUse use) override;

    bool supports(transformer::KvType) const override { return true; }
    uint64_t kv_bytes_per_block(const transformer::KvSpec& spec) const override;
    std::unique_ptr<transformer::KvCache> create_kv(const transformer::KvSpec& spec) override;

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

    std::string plan() const override { return "scalar fp32, 1 thread"; }

  private:
    std::vector<float> row_, bias_;  // one decoded weight row, one bias
    std::vector<float> cached_;      // one head's key or value
    std::vector<uint32_t> visible_;  // slots that a token sees
    std::vector<double> scores_;     // one per visible slot
    std::vector<double> sum_;        // one head's output
};

}  // namespace gantry::reference
