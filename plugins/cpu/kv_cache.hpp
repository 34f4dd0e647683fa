#pragma once

/// KV memory in blocks. A block of one layer holds, for each KV head, its tokens in groups of 16: K of a group
/// transposed ([head_dim][16], so that scores need no horizontal sums), then V ([16][v_stride], the width padded to a
/// multiple of 16). Layers lie one after the other, blocks within them.
///
/// The quantised types keep integers in the same places (Q4_0 two of them in a byte, the even dimension in the low
/// half) and after K's its scales, binary16, [blocks of 32 dimensions][16], after V's [16][blocks]. Attention expands
/// them, a few groups at a time, into the fp32 form of a group.

#include <gantry/transformer/device.hpp>
#include <gantry/transformer/kv_types.hpp>

#include "plugins/cpu/kernels/kernels.hpp"
#include "plugins/cpu/memory.hpp"

namespace gantry::cpu {

struct KvLayout {
    explicit KvLayout(const transformer::KvSpec& spec);

    uint32_t groups;       ///< groups of 16 tokens in a block
    uint32_t v_stride;     ///< elements
    size_t element_bytes;  ///< of what is moved as one: a value, or the one or two that share a byte
    uint32_t k_rows;       ///< elements of a token's K
    uint32_t v_row;        ///< elements of a token's V
    uint32_t k_scales;     ///< of a token's K; 0 in the plain types
    uint32_t v_scales;     ///< of a token's V
    size_t k_group_bytes;
    size_t group_bytes;  ///< K and V of one head
    size_t block_bytes;  ///< one layer, all heads
};

class CpuKvCache final : public transformer::KvCache {
  public:
    CpuKvCache(const transformer::KvSpec& spec, const Kernels& kernels);

    uint64_t bytes_per_block() const override { return layout_.block_bytes * spec_.layers; }
    void copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) override;
    void copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) override;
    void read_blocks(std::span<const uint32_t> blocks, std::byte* host) override;
    void write_blocks(std::span<const uint32_t> blocks, const std::byte* host) override;

    const transformer::KvSpec& spec() const { return spec_; }
    const KvLayout& layout() const { return layout_; }
    /// The form in which the kernels read groups: the memory's own, or fp32 where it is expanded.
    Element element() const { return element_; }
    bool quantized() const { return transformer::kv_quantized(spec_.type); }
    /// Writes a group of a quantised cache as fp32: K [head_dim][16], then V [16][v_stride]. Any thread.
    void expand_group(uint32_t layer, uint32_t block, uint32_t head, uint32_t group, float* out) const;
    size_t expanded_floats() const { return (spec_.head_dim + size_t{layout_.v_stride}) * kGroupTokens; }
    const std::byte* k_group(uint32_t layer, uint32_t block, uint32_t head, uint32_t group) const {
        return block_data(layer, block) + (static_cast<size_t>(head) * layout_.groups + group) * layout_.group_bytes;
    }
    const std::byte* v_group(uint32_t layer, uint32_t block, uint32_t head, uint32_t group) const {
        return k_group(layer, block, head, group) + layout_.k_group_bytes;
    }
    /// Stores one head's K [head_dim] and V [v_head_dim] of a token.
    void store(uint32_t layer, uint32_t head, uint32_t slot, const float* k, const float* v);

  private:
    const std::byte* block_data(uint32_t layer, uint32_t block) const {
        return memory_.data() + (layer * spec_.block_count + block) * layout_.block_bytes;
    }
    std::byte* block_data(uint32_t layer, uint32_t block) {
        return memory_.data() + (layer * spec_.block_count + block) * layout_.block_bytes;
    }
    void store_quantized(std::byte* group, uint32_t lane, const float* k, const float* v);
    void check_blocks(std::span<const uint32_t> blocks) const;
    template <class T>
    void copy_slot(std::byte* dst, uint32_t dst_lane, const std::byte* src, uint32_t src_lane) const;

    transformer::KvSpec spec_;
    KvLayout layout_;
    Element element_;
    const Kernels& kernels_;
    Pages memory_;
};

}  // namespace gantry::cpu
