#pragma once

/// The forward pass of a decoder-only transformer (pre-norm blocks of attention and a gated feed-forward) over a
/// Device.

#include <gantry/transformer/batch.hpp>
#include <gantry/transformer/config.hpp>
#include <gantry/transformer/lora.hpp>
#include <gantry/transformer/weights.hpp>

#include <memory>
#include <vector>

namespace gantry::transformer {

/// Device memory for one step's activations, sized for the most tokens and logit rows that a step may have.
class Activations {
  public:
    Activations(Device& device, const ModelConfig& config, uint32_t max_tokens, uint32_t max_rows);
    /// Floats that the constructor allocates.
    static uint64_t floats(const ModelConfig& config, uint64_t max_tokens, uint64_t max_rows);

    std::unique_ptr<Buffer> residual;  ///< [T, hidden]
    std::unique_ptr<Buffer> normed;    ///< [T, hidden]
    std::unique_ptr<Buffer> q;         ///< [T, q_width]
    std::unique_ptr<Buffer> k, v;      ///< [T, kv_width]
    std::unique_ptr<Buffer> attended;  ///< [T, q_width]
    std::unique_ptr<Buffer> gate, up;  ///< [T, ffn]
    std::unique_ptr<Buffer> rows;      ///< [R, hidden] the residual of the rows that want logits
    std::unique_ptr<Buffer> logits;    ///< [R, vocab]
};

/// Runs steps. Owns nothing but its activations: weights, device and cache outlive it. [engine]
class Decoder {
  public:
    Decoder(Device& device, const ModelConfig& config, const Weights& weights, KvCache& kv, Rope rope,
            uint32_t max_tokens, uint32_t max_rows);

    /// Writes the step's keys and values and fills batch.logits and batch.hidden where they are wanted; `adapted` rows
    /// take their adapters. Returns when the results are there. Allocates nothing of its own.
    void run(const CheckedBatch& batch, std::span<const AdapterRows> adapted);

    /// Makes room for adapters of this rank; 0: for none. [engine, between steps]
    void reserve_rank(uint32_t max_rank);

  private:
    void embed(const CheckedBatch& batch, Mat x);
    void attention_inputs(uint32_t index, Mat x, const Step& step, std::span<const AdapterRows> adapted);
    void attend(uint32_t index, Mat q, const Step& step, Mat out);
    void finish_layer(uint32_t index, Mat attended, Mat x, std::span<const AdapterRows> adapted);
    /// Adds what the adapters change in the product of x that is in out.
    void adapt(std::span<const AdapterRows> adapted, uint32_t layer, LoraModule module, Mat x, Mat out);
    void head(const CheckedBatch& batch, Mat x);

    Device& device_;
    const ModelConfig& config_;
    const Weights& weights_;
    KvCache& kv_;
    Rope rope_;
    Activations buffers_;
    uint32_t max_tokens_;
    std::unique_ptr<Buffer> low_rank_;        ///< [T, rank] between an adapter's two products
    std::vector<AdapterRows> logit_adapted_;  ///< of the rows that want logits
};

}  // namespace gantry::transformer
