#pragma once

/// Models that turn whole token sequences into vectors or scores: bidirectional encoders (BERT and what came of it) and
/// decoders used as embedders. One forward pass over a ragged batch; nothing is kept between steps.

#include <gantry/transformer/config.hpp>
#include <gantry/transformer/weights.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gantry::transformer {

struct EncoderConfig {
    ModelConfig base;  ///< sizes, activation, rope (where has_rope), windows (tokens to each side)
    bool rms_norm = false;
    bool pre_norm = false;  ///< norms before attention and feed-forward and after the last layer; else after both
    bool causal = false;
    bool gated = false;  ///< the feed-forward has a gate
    bool has_rope = false;
    double local_theta = 0;       ///< rotary base of layers with a window; 0: the others'
    uint32_t position_count = 0;  ///< rows of the position table; 0: none
    uint32_t position_offset = 0;
    uint32_t type_count = 0;  ///< rows of the segment table; 0: none
    bool embedding_norm = false;
    std::vector<bool> attn_norms;  ///< per layer; ModernBERT's first one has none
    bool norm_bias = false;

    int32_t pooling = 0;     ///< GANTRY_POOLING_*: what DEFAULT means
    uint32_t dense_out = 0;  ///< width of a layer after pooling; 0: none
    bool dense_bias = false;
    std::string dense_activation = "none";

    uint32_t label_count = 0;  ///< rows of the classification head; 0: none
    int32_t head_pooling = 0;  ///< GANTRY_POOLING_*: what the head looks at
    bool head_dense = false, head_dense_bias = false, head_norm = false, head_bias = false;
    std::string head_activation = "none";
    int64_t yes_token = -1, no_token = -1;  ///< the score is the difference of two output rows; -1: it is not

    uint32_t pooled_width() const { return dense_out != 0 ? dense_out : base.hidden_size; }
};

/// Whether the manifest asks for gantry.encoder/1.
bool is_encoder(const sdk::Manifest& manifest);

/// Reads and checks, as read_config does.
EncoderConfig read_encoder_config(const sdk::Manifest& manifest);

/// As plan_tensors: in the order in which load_encoder_weights takes them.
std::vector<PlannedTensor> plan_encoder_tensors(const sdk::Manifest& manifest, const EncoderConfig& config,
                                                const Device& device);

struct EncoderLayer {
    Norm attn_norm, ffn_norm;  ///< before or after, as the configuration says
    Linear q, k, v, attn_out;
    std::unique_ptr<Weight> q_norm, k_norm;
    Linear ffn_gate, ffn_up, ffn_down;
};

struct EncoderWeights {
    std::unique_ptr<Weight> embedding, positions, types;
    Norm embedding_norm, output_norm;
    std::vector<EncoderLayer> layers;
    Linear dense;
    Linear head_dense, head_out;
    Norm head_norm;
    std::vector<float> score_row;  ///< what head_out is a view of, where it is the difference of two rows
    uint64_t private_bytes = 0;
};

EncoderWeights load_encoder_weights(const sdk::Manifest& manifest, const EncoderConfig& config,
                                    std::span<const PlannedTensor> plan, Device& device, const LoadProgress& progress);

/// A checked batch.
struct EncoderBatch {
    std::span<const int32_t> ids;     ///< [T]
    std::span<const int32_t> types;   ///< [T] or empty
    std::span<const uint32_t> begin;  ///< [S+1]
};

/// Runs batches. Owns its activations; weights and device outlive it. [engine]
class Encoder {
  public:
    Encoder(Device& device, const EncoderConfig& config, const EncoderWeights& weights, uint32_t max_tokens,
            uint32_t max_sequences);
    /// Floats that the constructor allocates.
    static uint64_t floats(const EncoderConfig& config, uint64_t max_tokens, uint64_t max_sequences);

    /// Writes [tokens or sequences, width] rows; `pooling` is not DEFAULT. Not normalised.
    void run(const EncoderBatch& batch, int32_t pooling, float* out);

  private:
    void embed(const EncoderBatch& batch, Mat x);
    void layer(uint32_t index, const EncoderBatch& batch, Mat x);
    void attend(uint32_t index, const EncoderBatch& batch, Mat normed, Mat out);
    void feed_forward(const EncoderLayer& layer, Mat normed, Mat x);
    void normalize(Mat x, const Norm& norm, Mat out);
    /// One row a sequence.
    Mat pool(const EncoderBatch& batch, int32_t pooling, Mat x);
    Mat dense(Mat x);
    Mat head(Mat x);
    void activate(const std::string& name, Mat x);

    Device& device_;
    const EncoderConfig& config_;
    const EncoderWeights& weights_;
    Rope rope_, local_rope_;
    Step step_;  ///< an empty one: what devices are told before each run
    std::unique_ptr<Buffer> x_, normed_, q_, k_, v_, attended_, gate_, up_;
    std::unique_ptr<Buffer> pooled_, rows_, scores_;
    std::vector<uint32_t> positions_, picked_;
    std::vector<int32_t> table_ids_;
};

}  // namespace gantry::transformer
