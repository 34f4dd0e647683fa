#pragma once

/// What lives in a GPU's memory for a model: buffers, weights and the KV cache. The backend outlives them.

#include <gantry/transformer/device.hpp>

#include <functional>
#include <memory>

#include "plugins/gpu/backend.hpp"

namespace gantry::gpu {

class GpuBuffer final : public transformer::Buffer {
  public:
    GpuBuffer(Backend& backend, size_t floats) : memory_(backend, floats * sizeof(float)), size_(floats) {}
    float* data() override { return static_cast<float*>(memory_.data()); }
    size_t size() const override { return size_; }

  private:
    Memory memory_;
    size_t size_;
};

class GpuWeight final : public transformer::Weight {
  public:
    /// `poll` is called between pieces of the copy; it may throw to stop.
    GpuWeight(Backend& backend, const gantry_tensor_view_t& view, transformer::WeightUse use,
              const std::function<void()>& poll);
    static uint64_t bytes(const gantry_tensor_view_t& view, transformer::WeightUse use);

    uint64_t rows() const override { return rows_; }
    uint64_t cols() const override { return cols_; }
    uint64_t private_bytes() const override { return memory_.bytes(); }
    bool uses_mapping() const override { return false; }

    Format format() const { return format_; }
    Bytes data() const { return {static_cast<uint8_t*>(memory_.data()), memory_.bytes()}; }
    /// Of a vector.
    Global<float> floats() const { return {static_cast<float*>(memory_.data()), cols_}; }

  private:
    uint64_t rows_, cols_;
    Format format_;
    Memory memory_;
};

class GpuKv final : public transformer::KvCache {
  public:
    GpuKv(Backend& backend, const transformer::KvSpec& spec);
    static KvLayout layout_of(const transformer::KvSpec& spec);

    const KvLayout& layout() const { return layout_; }
    Bytes data() const { return {static_cast<uint8_t*>(memory_.data()), memory_.bytes()}; }

    uint64_t bytes_per_block() const override { return layout_.block_bytes(); }
    void copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) override;
    void copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) override;
    void read_blocks(std::span<const uint32_t> blocks, std::byte* host) override;
    void write_blocks(std::span<const uint32_t> blocks, const std::byte* host) override;

  private:
    uint8_t* at(uint64_t offset) const { return static_cast<uint8_t*>(memory_.data()) + offset; }

    Backend& backend_;
    KvLayout layout_;
    Memory memory_;
};

}  // namespace gantry::gpu
