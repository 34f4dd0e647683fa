#pragma once

/// The forward pass of a decoder-only transformer over a Device; what its blocks are made of is in ModelConfig.

#include <gantry/transformer/batch.hpp>
#include <gantry/transformer/config.hpp>
#include <gantry/transformer/experts.hpp>
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
    std::unique_ptr<Buffer> qkv;       ///< [T, q_width + 2 kv_width], of joined layouts
    std::unique_ptr<Buffer> gate, up;  ///< [T, ffn]; gate: only where the feed-forward is gated
    std::unique_ptr<Buffer> branch;    ///< [T, hidden] what a branch adds, where it is not added at once
    std::unique_ptr<Buffer> routed;    ///< [T, hidden] an expert's inputs
    std::unique_ptr<Buffer> scores;    ///< [T, experts]
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
    /// q, k and v of a joined product.
    void split_qkv(const Linear& qkv, Mat x, Mat q, Mat k, Mat v);
    void normalize_heads(const LayerWeights& layer, Mat q, Mat k);
    void attend(uint32_t index, Mat q, const Step& step, Mat out);
    void finish_layer(uint32_t index, Mat attended, Mat x, std::span<const AdapterRows> adapted);
    void feed_forward(uint32_t index, Mat in, Mat x, std::span<const AdapterRows> adapted);
    void experts(const LayerWeights& layer, Mat in, Mat x);
    /// act(gate) * up or act(up) of a feed-forward without adapters; the result of its last product goes to out.
    void expert(const FeedForward& ffn, uint32_t width, Mat in, Mat out);
    /// x += what a branch's last product gives, through the norm after it, if there is one.
    void add_branch(uint32_t index, LoraModule module, const Linear& linear, const Norm& after, Mat in, Mat x,
                    std::span<const AdapterRows> adapted);
    void normalize(Mat x, const Norm& norm, Mat out);
    /// Adds what the adapters change in the product of x that is in out.
    void adapt(std::span<const AdapterRows> adapted, uint32_t layer, LoraModule module, Mat x, Mat out);
    void head(const CheckedBatch& batch, Mat x);

    Device& device_;
    const ModelConfig& config_;
    const Weights& weights_;
    KvCache& kv_;
    Rope rope_;
    Rope local_rope_;  ///< of layers with a window, where theirs differs
    Activations buffers_;
    Router router_;
    std::vector<float> ones_, gates_;                 ///< factors of shared experts
    std::vector<uint32_t> all_rows_;                  ///< 0, 1, ...
    std::vector<uint32_t> q_rows_, k_rows_, v_rows_;  ///< heads within a joined product, of the step's tokens
    std::vector<int32_t> position_ids_;
    uint32_t max_tokens_;
    std::unique_ptr<Buffer> low_rank_;        ///< [T, rank] between an adapter's two products
    std::vector<AdapterRows> logit_adapted_;  ///< of the rows that want logits
};

}  // namespace gantry::transformer
