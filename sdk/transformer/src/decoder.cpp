#include <gantry/transformer/decoder.hpp>

#include <array>
#include <utility>

namespace gantry::transformer {
namespace {

Mat view(Buffer& buffer, size_t rows, uint32_t cols) { return {buffer.data(), static_cast<uint32_t>(rows), cols}; }

LinearOut product(const Linear& linear, Mat out, bool accumulate = false) {
    return {linear.weight.get(), linear.bias.get(), out, accumulate};
}

}  // namespace

Activations::Activations(Device& device, const ModelConfig& c, uint32_t max_tokens, uint32_t max_rows) {
    const size_t t = max_tokens;
    const size_t r = max_rows;
    residual = device.allocate(t * c.hidden_size);
    normed = device.allocate(t * c.hidden_size);
    q = device.allocate(t * c.q_width());
    k = device.allocate(t * c.kv_width());
    v = device.allocate(t * c.kv_width());
    attended = device.allocate(t * c.q_width());
    gate = device.allocate(t * c.ffn_size);
    up = device.allocate(t * c.ffn_size);
    rows = device.allocate(r * c.hidden_size);
    logits = device.allocate(r * c.vocab_size);
}

uint64_t Activations::floats(const ModelConfig& c, uint64_t t, uint64_t r) {
    const uint64_t per_token = 2ULL * c.hidden_size + 2ULL * c.q_width() + 2ULL * c.kv_width() + 2ULL * c.ffn_size;
    return t * per_token + r * (static_cast<uint64_t>(c.hidden_size) + c.vocab_size);
}

Decoder::Decoder(Device& device, const ModelConfig& config, const Weights& weights, KvCache& kv, Rope rope,
                 uint32_t max_tokens, uint32_t max_rows)
    : device_(device),
      config_(config),
      weights_(weights),
      kv_(kv),
      rope_(std::move(rope)),
      buffers_(device, config, max_tokens, max_rows),
      max_tokens_(max_tokens) {
    logit_adapted_.reserve(max_rows);
}

void Decoder::reserve_rank(uint32_t max_rank) {
    const size_t floats = size_t{max_tokens_} * max_rank;
    if (floats == 0) low_rank_.reset();
    if (floats != 0 && (!low_rank_ || low_rank_->size() < floats)) low_rank_ = device_.allocate(floats);
}

void Decoder::run(const CheckedBatch& batch, std::span<const AdapterRows> adapted) {
    const Step& step = batch.step;
    const size_t tokens = step.tokens();
    const Mat x = view(*buffers_.residual, tokens, config_.hidden_size);
    const Mat q = view(*buffers_.q, tokens, config_.q_width());
    const Mat attended = view(*buffers_.attended, tokens, config_.q_width());
    device_.begin_step(step);
    embed(batch, x);
    const uint32_t last = config_.layer_count - 1;
    for (uint32_t n = 0; n < last; ++n) {
        attention_inputs(n, x, step, adapted);
        attend(n, q, step, attended);
        finish_layer(n, attended, x, adapted);
    }
    // Beyond the last layer's keys and values only the rows that want logits matter: the rest of a prefill chunk
    // stops here, which saves most of that layer.
    attention_inputs(last, x, step, adapted);
    if (batch.logit_rows.empty()) return device_.sync();
    attend(last, q, step, attended);
    if (batch.logit_rows.size() == tokens) {
        finish_layer(last, attended, x, adapted);
        return head(batch, x);
    }
    const Mat rows = view(*buffers_.rows, batch.logit_rows.size(), config_.hidden_size);
    const Mat attended_rows = view(*buffers_.q, batch.logit_rows.size(), config_.q_width());  // q is spent
    device_.gather_rows(x, batch.logit_rows, rows);
    device_.gather_rows(attended, batch.logit_rows, attended_rows);
    select_rows(adapted, batch.logit_rows, logit_adapted_);
    finish_layer(last, attended_rows, rows, logit_adapted_);
    head(batch, rows);
}

void Decoder::embed(const CheckedBatch& batch, Mat x) {
    device_.embed(*weights_.embedding, batch.token_ids, x);
    for (size_t i = 0; i < batch.embedding_rows.size(); ++i) {
        const size_t row = batch.embedding_rows[i];
        device_.upload(x.data + row * x.cols, batch.embeddings + i * x.cols, x.cols);
    }
}

// Norm, projections, rotation, and the new keys and values into the cache.
void Decoder::attention_inputs(uint32_t index, Mat x, const Step& step, std::span<const AdapterRows> adapted) {
    const LayerWeights& layer = weights_.layers[index];
    const Mat normed = view(*buffers_.normed, x.rows, config_.hidden_size);
    const Mat q = view(*buffers_.q, x.rows, config_.q_width());
    const Mat k = view(*buffers_.k, x.rows, config_.kv_width());
    const Mat v = view(*buffers_.v, x.rows, config_.kv_width());
    device_.rms_norm(x, *layer.attn_norm, config_.norm_eps, 0, normed);
    device_.linear(normed, std::array{product(layer.q, q), product(layer.k, k), product(layer.v, v)});
    adapt(adapted, index, LoraModule::kQ, normed, q);
    adapt(adapted, index, LoraModule::kK, normed, k);
    adapt(adapted, index, LoraModule::kV, normed, v);
    if (config_.qk_norm) {
        device_.rms_norm_heads(q, config_.head_dim, *layer.q_norm, config_.norm_eps, 0);
        device_.rms_norm_heads(k, config_.head_dim, *layer.k_norm, config_.norm_eps, 0);
    }
    device_.rope(q, config_.head_dim, rope_, step.positions);
    device_.rope(k, config_.head_dim, rope_, step.positions);
    device_.store_kv(kv_, index, k, v, step.slots);
}

void Decoder::attend(uint32_t index, Mat q, const Step& step, Mat out) {
    AttentionParams params;
    params.layer = index;
    params.heads = config_.head_count;
    params.kv_heads = config_.kv_head_count;
    params.head_dim = config_.head_dim;
    params.scale = config_.attention_scale;
    params.sliding_window = config_.sliding_window[index];
    device_.attention(kv_, params, step, q, out);
}

// Output projection and feed-forward, both added to the residual x.
void Decoder::finish_layer(uint32_t index, Mat attended, Mat x, std::span<const AdapterRows> adapted) {
    const LayerWeights& layer = weights_.layers[index];
    const Mat normed = view(*buffers_.normed, x.rows, config_.hidden_size);
    const Mat gate = view(*buffers_.gate, x.rows, config_.ffn_size);
    const Mat up = view(*buffers_.up, x.rows, config_.ffn_size);
    device_.linear(attended, std::array{product(layer.attn_out, x, true)});
    adapt(adapted, index, LoraModule::kAttnOut, attended, x);
    device_.rms_norm(x, *layer.ffn_norm, config_.norm_eps, 0, normed);
    device_.linear(normed, std::array{product(layer.ffn_gate, gate), product(layer.ffn_up, up)});
    adapt(adapted, index, LoraModule::kFfnGate, normed, gate);
    adapt(adapted, index, LoraModule::kFfnUp, normed, up);
    device_.gated(config_.activation, gate, up, gate);
    device_.linear(gate, std::array{product(layer.ffn_down, x, true)});
    adapt(adapted, index, LoraModule::kFfnDown, gate, x);
}

void Decoder::adapt(std::span<const AdapterRows> adapted, uint32_t layer, LoraModule module, Mat x, Mat out) {
    for (const AdapterRows& part : adapted) {
        const LowRank* change = part.adapter->find(layer, module);
        if (change == nullptr) continue;
        const uint32_t rows = part.end - part.begin;
        const auto rank = static_cast<uint32_t>(change->a->rows());
        device_.add_low_rank({x.data + size_t{part.begin} * x.cols, rows, x.cols}, *change->a, *change->b,
                             {low_rank_->data(), rows, rank},
                             {out.data + size_t{part.begin} * out.cols, rows, out.cols});
    }
}

void Decoder::head(const CheckedBatch& batch, Mat x) {
    const Mat normed = view(*buffers_.normed, x.rows, config_.hidden_size);
    device_.rms_norm(x, *weights_.output_norm, config_.norm_eps, 0, normed);
    if (batch.hidden != nullptr) {
        device_.download(batch.hidden, normed.data, static_cast<size_t>(normed.rows) * normed.cols);
    }
    if (batch.logits == nullptr) return;
    const Mat logits = view(*buffers_.logits, x.rows, config_.vocab_size);
    device_.linear(normed, std::array{LinearOut{&weights_.head(), nullptr, logits, false}});
    device_.download_logits(batch.logits, logits, batch.summary);
}

}  // namespace gantry::transformer
