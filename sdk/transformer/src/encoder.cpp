#include <gantry/ext/encoder.h>
#include <gantry/transformer/encoder.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace gantry::transformer {
namespace {

Mat view(Buffer& buffer, size_t rows, uint32_t cols) { return {buffer.data(), static_cast<uint32_t>(rows), cols}; }

LinearOut product(const Linear& linear, Mat out, bool accumulate = false) {
    return {linear.weight.get(), linear.bias.get(), out, accumulate};
}

Rope rope_of(const EncoderConfig& c, double theta) {
    if (!c.has_rope) return {};
    RopeConfig rope = c.base.rope;
    if (theta != 0) rope.theta = theta;
    return make_rope(rope, c.base.max_context());
}

}  // namespace

Encoder::Encoder(Device& device, const EncoderConfig& config, const EncoderWeights& weights, uint32_t max_tokens,
                 uint32_t max_sequences)
    : device_(device),
      config_(config),
      weights_(weights),
      rope_(rope_of(config, 0)),
      local_rope_(rope_of(config, config.local_theta)) {
    const ModelConfig& b = config.base;
    const size_t t = max_tokens;
    x_ = device.allocate(t * b.hidden_size);
    normed_ = device.allocate(t * b.hidden_size);
    q_ = device.allocate(t * b.q_width());
    k_ = device.allocate(t * b.kv_width());
    v_ = device.allocate(t * b.kv_width());
    attended_ = device.allocate(t * b.q_width());
    if (config.gated) gate_ = device.allocate(t * b.ffn_size);
    up_ = device.allocate(t * b.ffn_size);
    const size_t s = max_sequences;
    pooled_ = device.allocate(s * b.hidden_size);
    rows_ = device.allocate(s * std::max(b.hidden_size, config.dense_out));
    if (config.label_count != 0) scores_ = device.allocate(s * config.label_count);
    positions_.reserve(t);
    table_ids_.reserve(t);
    picked_.reserve(s);
}

uint64_t Encoder::floats(const EncoderConfig& c, uint64_t t, uint64_t s) {
    const ModelConfig& b = c.base;
    const uint64_t inner = (c.gated ? 2ULL : 1ULL) * b.ffn_size;
    const uint64_t per_token = 2ULL * b.hidden_size + 2ULL * b.q_width() + 2ULL * b.kv_width() + inner;
    return t * per_token + s * (uint64_t{b.hidden_size} + std::max(b.hidden_size, c.dense_out) + c.label_count);
}

void Encoder::run(const EncoderBatch& batch, int32_t pooling, float* out) {
    const Mat x = view(*x_, batch.ids.size(), config_.base.hidden_size);
    positions_.clear();
    for (size_t s = 0; s + 1 < batch.begin.size(); ++s) {
        for (uint32_t t = batch.begin[s]; t < batch.begin[s + 1]; ++t) positions_.push_back(t - batch.begin[s]);
    }
    device_.begin_step(step_);
    embed(batch, x);
    for (uint32_t n = 0; n < config_.base.layer_count; ++n) layer(n, batch, x);
    if (config_.pre_norm) normalize(x, weights_.output_norm, x);
    if (pooling == GANTRY_POOLING_NONE) {
        return device_.download(out, x.data, static_cast<size_t>(x.rows) * x.cols);
    }
    const bool scores = pooling == GANTRY_POOLING_SCORES;
    const Mat pooled = pool(batch, scores ? config_.head_pooling : pooling, x);
    const Mat rows = scores ? head(pooled) : dense(pooled);
    device_.download(out, rows.data, static_cast<size_t>(rows.rows) * rows.cols);
}

void Encoder::embed(const EncoderBatch& batch, Mat x) {
    device_.embed(*weights_.embedding, batch.ids, x);
    const Mat part = view(*normed_, x.rows, x.cols);
    if (weights_.positions) {
        table_ids_.clear();
        for (const uint32_t p : positions_) table_ids_.push_back(static_cast<int32_t>(p + config_.position_offset));
        device_.embed(*weights_.positions, table_ids_, part);
        device_.add(x, part);
    }
    if (weights_.types) {
        // Tokenizers number the texts of a pair also for models that know one segment only.
        table_ids_.clear();
        const auto highest = static_cast<int32_t>(config_.type_count) - 1;
        for (size_t t = 0; t < batch.ids.size(); ++t) {
            table_ids_.push_back(batch.types.empty() ? 0 : std::min(batch.types[t], highest));
        }
        device_.embed(*weights_.types, table_ids_, part);
        device_.add(x, part);
    }
    if (config_.embedding_norm) normalize(x, weights_.embedding_norm, x);
}

void Encoder::normalize(Mat x, const Norm& norm, Mat out) {
    if (config_.rms_norm) {
        device_.rms_norm(x, *norm.gain, config_.base.norm_eps, 0, out);
    } else {
        device_.layer_norm(x, *norm.gain, norm.bias.get(), config_.base.norm_eps, out);
    }
}

void Encoder::layer(uint32_t index, const EncoderBatch& batch, Mat x) {
    const EncoderLayer& layer = weights_.layers[index];
    const Mat normed = view(*normed_, x.rows, x.cols);
    const Mat attended = view(*attended_, x.rows, config_.base.q_width());
    if (!config_.pre_norm) {
        attend(index, batch, x, attended);
        device_.linear(attended, std::array{product(layer.attn_out, x, true)});
        normalize(x, layer.attn_norm, x);
        feed_forward(layer, x, x);
        return normalize(x, layer.ffn_norm, x);
    }
    const bool has_norm = config_.attn_norms[index];
    if (has_norm) normalize(x, layer.attn_norm, normed);
    attend(index, batch, has_norm ? normed : x, attended);
    device_.linear(attended, std::array{product(layer.attn_out, x, true)});
    normalize(x, layer.ffn_norm, normed);
    feed_forward(layer, normed, x);
}

void Encoder::attend(uint32_t index, const EncoderBatch& batch, Mat normed, Mat out) {
    const ModelConfig& b = config_.base;
    const EncoderLayer& layer = weights_.layers[index];
    const Mat q = view(*q_, normed.rows, b.q_width());
    const Mat k = view(*k_, normed.rows, b.kv_width());
    const Mat v = view(*v_, normed.rows, b.kv_width());
    device_.linear(normed, std::array{product(layer.q, q), product(layer.k, k), product(layer.v, v)});
    if (b.qk_norm) {
        device_.rms_norm_heads(q, b.head_dim, *layer.q_norm, b.norm_eps, 0);
        device_.rms_norm_heads(k, b.head_dim, *layer.k_norm, b.norm_eps, 0);
    }
    const uint32_t window = b.sliding_window[index];
    if (config_.has_rope) {
        const Rope& rope = window != 0 ? local_rope_ : rope_;
        device_.rope(q, b.head_dim, rope, positions_);
        device_.rope(k, b.head_dim, rope, positions_);
    }
    SelfAttentionParams params;
    params.heads = b.head_count;
    params.kv_heads = b.kv_head_count;
    params.head_dim = b.head_dim;
    params.scale = b.attention_scale;
    // A decoder's window counts the token itself.
    params.window = window != 0 && config_.causal ? window - 1 : window;
    params.causal = config_.causal;
    device_.self_attention(params, batch.begin, q, k, v, out);
}

/// x += feed-forward(normed); they may be the same.
void Encoder::feed_forward(const EncoderLayer& layer, Mat normed, Mat x) {
    const ModelConfig& b = config_.base;
    const Mat up = view(*up_, x.rows, b.ffn_size);
    if (config_.gated) {
        const Mat gate = view(*gate_, x.rows, b.ffn_size);
        device_.linear(normed, std::array{product(layer.ffn_gate, gate), product(layer.ffn_up, up)});
        device_.gated(b.activation, gate, up, up);
    } else {
        device_.linear(normed, std::array{product(layer.ffn_up, up)});
        device_.activate(b.activation, up);
    }
    device_.linear(up, std::array{product(layer.ffn_down, x, true)});
}

Mat Encoder::pool(const EncoderBatch& batch, int32_t pooling, Mat x) {
    const Mat pooled = view(*pooled_, batch.begin.size() - 1, x.cols);
    if (pooling == GANTRY_POOLING_MEAN) {
        device_.mean_rows(x, batch.begin, pooled);
        return pooled;
    }
    picked_.clear();
    for (uint32_t s = 0; s < pooled.rows; ++s) {
        picked_.push_back(pooling == GANTRY_POOLING_CLS ? batch.begin[s] : batch.begin[s + 1] - 1);
    }
    device_.gather_rows(x, picked_, pooled);
    return pooled;
}

void Encoder::activate(const std::string& name, Mat x) {
    if (name == "tanh") device_.activate(Activation::kTanh, x);
    if (name == "relu") device_.activate(Activation::kRelu, x);
    if (name == "gelu") device_.activate(Activation::kGelu, x);
    if (name == "gelu_tanh") device_.activate(Activation::kGeluTanh, x);
    if (name == "silu") device_.activate(Activation::kSilu, x);
}

Mat Encoder::dense(Mat x) {
    if (config_.dense_out == 0) return x;
    const Mat out = view(*rows_, x.rows, config_.dense_out);
    device_.linear(x, std::array{product(weights_.dense, out)});
    activate(config_.dense_activation, out);
    return out;
}

Mat Encoder::head(Mat x) {
    if (config_.head_dense) {
        const Mat inner = view(*rows_, x.rows, x.cols);
        device_.linear(x, std::array{product(weights_.head_dense, inner)});
        activate(config_.head_activation, inner);
        x = inner;
    }
    if (config_.head_norm) normalize(x, weights_.head_norm, x);
    const Mat scores = view(*scores_, x.rows, config_.label_count);
    device_.linear(x, std::array{product(weights_.head_out, scores)});
    return scores;
}

}  // namespace gantry::transformer
