#include <gantry/transformer/decoder.hpp>

#include <array>
#include <cmath>
#include <numeric>
#include <utility>

namespace gantry::transformer {
namespace {

Mat view(Buffer& buffer, size_t rows, uint32_t cols) { return {buffer.data(), static_cast<uint32_t>(rows), cols}; }

LinearOut product(const Linear& linear, Mat out, bool accumulate = false) {
    return {linear.weight.get(), linear.bias.get(), out, accumulate};
}

/// Whether what a branch adds has to be finished before it is added.
bool needs_branch(const ModelConfig& c) { return c.norm_after() || c.residual_scale != 1 || c.experts.count != 0; }

uint64_t qkv_width(const ModelConfig& c) {
    return c.qkv_layout == QkvLayout::kSplit ? 0 : c.q_width() + 2ULL * c.kv_width();
}

/// The rotation of layers with a window, which no scaling stretches (Gemma 3).
Rope local_rope(const ModelConfig& c) {
    if (c.local_theta == 0 || !c.has_rope) return {};
    RopeConfig rope;
    rope.style = c.rope.style;
    rope.dim = c.rope.dim;
    rope.theta = c.local_theta;
    return make_rope(rope, c.context_length);
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
    if (qkv_width(c) != 0) qkv = device.allocate(t * qkv_width(c));
    attended = device.allocate(t * c.q_width());
    if (c.gated) gate = device.allocate(t * c.widest_ffn());
    up = device.allocate(t * c.widest_ffn());
    if (needs_branch(c)) branch = device.allocate(t * c.hidden_size);
    if (c.experts.count != 0) {
        routed = device.allocate(t * c.hidden_size);
        scores = device.allocate(t * c.experts.count);
    }
    rows = device.allocate(r * c.hidden_size);
    logits = device.allocate(r * c.vocab_size);
}

uint64_t Activations::floats(const ModelConfig& c, uint64_t t, uint64_t r) {
    const uint64_t branches = (needs_branch(c) ? 1ULL : 0ULL) + (c.experts.count != 0 ? 1ULL : 0ULL);
    const uint64_t per_token = (2 + branches) * c.hidden_size + 2ULL * c.q_width() + 2ULL * c.kv_width() +
                               qkv_width(c) + (c.gated ? 2ULL : 1ULL) * c.widest_ffn() + c.experts.count;
    return t * per_token + r * (static_cast<uint64_t>(c.hidden_size) + c.vocab_size);
}

Decoder::Decoder(Device& device, const ModelConfig& config, const Weights& weights, KvCache& kv, Rope rope,
                 uint32_t max_tokens, uint32_t max_rows)
    : device_(device),
      config_(config),
      weights_(weights),
      kv_(kv),
      rope_(std::move(rope)),
      local_rope_(local_rope(config)),
      buffers_(device, config, max_tokens, max_rows),
      router_(config.experts, config.experts.count == 0 ? 0 : max_tokens),
      max_tokens_(max_tokens) {
    logit_adapted_.reserve(max_rows);
    if (config.position_count != 0) position_ids_.reserve(max_tokens);
    if (config.experts.shared_ffn_size != 0) {
        all_rows_.resize(max_tokens);
        std::iota(all_rows_.begin(), all_rows_.end(), 0U);
        ones_.assign(max_tokens, config.residual_scale);
        gates_.resize(max_tokens);
    }
    if (config.qkv_layout == QkvLayout::kSplit) return;
    const bool grouped = config.qkv_layout == QkvLayout::kGrouped;
    const uint32_t heads = config.head_count;
    const uint32_t groups = config.kv_head_count;
    const uint32_t share = heads / groups;
    for (uint32_t t = 0; t < max_tokens; ++t) {
        const uint32_t first = t * (heads + 2 * groups);
        for (uint32_t h = 0; h < heads; ++h) q_rows_.push_back(first + (grouped ? h + h / share * 2 : h));
        for (uint32_t g = 0; g < groups; ++g) {
            k_rows_.push_back(first + (grouped ? g * (share + 2) + share : heads + g));
            v_rows_.push_back(first + (grouped ? g * (share + 2) + share + 1 : heads + groups + g));
        }
    }
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
    if (config_.embedding_scale != 1) device_.scale(x, config_.embedding_scale);
    for (size_t i = 0; i < batch.embedding_rows.size(); ++i) {
        const size_t row = batch.embedding_rows[i];
        device_.upload(x.data + row * x.cols, batch.embeddings + i * x.cols, x.cols);
    }
    if (!weights_.positions) return;
    position_ids_.clear();
    for (const uint32_t p : batch.step.positions) {
        position_ids_.push_back(static_cast<int32_t>(p + config_.position_offset));
    }
    const Mat places = view(*buffers_.normed, x.rows, x.cols);
    device_.embed(*weights_.positions, position_ids_, places);
    device_.add(x, places);
}

void Decoder::normalize(Mat x, const Norm& norm, Mat out) {
    if (config_.layer_norm) {
        device_.layer_norm(x, *norm.gain, norm.bias.get(), config_.norm_eps, out);
    } else {
        device_.rms_norm(x, *norm.gain, config_.norm_eps, config_.norm_offset, out);
    }
}

// Norm, projections, rotation, and the new keys and values into the cache.
void Decoder::attention_inputs(uint32_t index, Mat x, const Step& step, std::span<const AdapterRows> adapted) {
    const LayerWeights& layer = weights_.layers[index];
    const Mat normed = view(*buffers_.normed, x.rows, config_.hidden_size);
    const Mat q = view(*buffers_.q, x.rows, config_.q_width());
    const Mat k = view(*buffers_.k, x.rows, config_.kv_width());
    const Mat v = view(*buffers_.v, x.rows, config_.kv_width());
    if (config_.norm_before()) normalize(x, layer.attn_norm, normed);
    const Mat in = config_.norm_before() ? normed : x;
    if (config_.qkv_layout == QkvLayout::kSplit) {
        device_.linear(in, std::array{product(layer.q, q), product(layer.k, k), product(layer.v, v)});
    } else {
        split_qkv(layer.qkv, in, q, k, v);
    }
    adapt(adapted, index, LoraModule::kQ, in, q);
    adapt(adapted, index, LoraModule::kK, in, k);
    adapt(adapted, index, LoraModule::kV, in, v);
    if (config_.qk_norm && !config_.qk_norm_after_rope) normalize_heads(layer, q, k);
    if (config_.rotates(index)) {
        const bool local = config_.local_theta != 0 && config_.sliding_window[index] != 0;
        device_.rope(q, config_.head_dim, local ? local_rope_ : rope_, step.positions);
        device_.rope(k, config_.head_dim, local ? local_rope_ : rope_, step.positions);
    }
    if (config_.qk_norm && config_.qk_norm_after_rope) normalize_heads(layer, q, k);
    device_.store_kv(kv_, index, k, v, step.slots);
}

void Decoder::split_qkv(const Linear& qkv, Mat x, Mat q, Mat k, Mat v) {
    const auto width = static_cast<uint32_t>(qkv_width(config_));
    const Mat joined = view(*buffers_.qkv, x.rows, width);
    device_.linear(x, std::array{product(qkv, joined)});
    const uint32_t dim = config_.head_dim;
    const Mat heads{joined.data, x.rows * (width / dim), dim};
    const auto pick = [&](const std::vector<uint32_t>& rows, Mat out) {
        const uint32_t count = x.rows * (out.cols / dim);
        device_.gather_rows(heads, std::span(rows).first(count), {out.data, count, dim});
    };
    pick(q_rows_, q);
    pick(k_rows_, k);
    pick(v_rows_, v);
}

void Decoder::normalize_heads(const LayerWeights& layer, Mat q, Mat k) {
    const uint32_t q_size = config_.qk_norm_whole ? q.cols : config_.head_dim;
    const uint32_t k_size = config_.qk_norm_whole ? k.cols : config_.head_dim;
    device_.rms_norm_heads(q, q_size, *layer.q_norm, config_.norm_eps, config_.norm_offset);
    device_.rms_norm_heads(k, k_size, *layer.k_norm, config_.norm_eps, config_.norm_offset);
}

void Decoder::attend(uint32_t index, Mat q, const Step& step, Mat out) {
    AttentionParams params;
    params.layer = index;
    params.heads = config_.head_count;
    params.kv_heads = config_.kv_head_count;
    params.head_dim = config_.head_dim;
    params.scale = config_.attention_scale;
    params.sliding_window = config_.sliding_window[index];
    params.logit_softcap = config_.attention_softcap;
    device_.attention(kv_, params, step, q, out);
}

// Output projection and feed-forward, both added to the residual x.
void Decoder::finish_layer(uint32_t index, Mat attended, Mat x, std::span<const AdapterRows> adapted) {
    const LayerWeights& layer = weights_.layers[index];
    const Mat normed = view(*buffers_.normed, x.rows, config_.hidden_size);
    // Where both branches take the block's input, it has to be taken before either is added.
    if (config_.parallel) normalize(x, config_.shared_norm ? layer.attn_norm : layer.ffn_norm, normed);
    add_branch(index, LoraModule::kAttnOut, layer.attn_out, layer.attn_post_norm, attended, x, adapted);
    if (!config_.parallel && config_.norm_before()) normalize(x, layer.ffn_norm, normed);
    const Mat in = config_.norm_before() ? normed : x;
    if (config_.has_experts(index)) return experts(layer, in, x);
    feed_forward(index, in, x, adapted);
}

void Decoder::feed_forward(uint32_t index, Mat in, Mat x, std::span<const AdapterRows> adapted) {
    const LayerWeights& layer = weights_.layers[index];
    const Mat up = view(*buffers_.up, x.rows, config_.ffn_size);
    if (!config_.gated) {
        device_.linear(in, std::array{product(layer.ffn.up, up)});
        adapt(adapted, index, LoraModule::kFfnUp, in, up);
        device_.activate(config_.activation, up);
        return add_branch(index, LoraModule::kFfnDown, layer.ffn.down, layer.ffn_post_norm, up, x, adapted);
    }
    const Mat gate = view(*buffers_.gate, x.rows, config_.ffn_size);
    device_.linear(in, std::array{product(layer.ffn.gate, gate), product(layer.ffn.up, up)});
    adapt(adapted, index, LoraModule::kFfnGate, in, gate);
    adapt(adapted, index, LoraModule::kFfnUp, in, up);
    device_.gated(config_.activation, gate, up, gate);
    add_branch(index, LoraModule::kFfnDown, layer.ffn.down, layer.ffn_post_norm, gate, x, adapted);
}

void Decoder::add_branch(uint32_t index, LoraModule module, const Linear& linear, const Norm& after, Mat in, Mat x,
                         std::span<const AdapterRows> adapted) {
    const bool at_once = after.gain == nullptr && config_.residual_scale == 1;
    const Mat out = at_once ? x : view(*buffers_.branch, x.rows, x.cols);
    device_.linear(in, std::array{product(linear, out, at_once)});
    adapt(adapted, index, module, in, out);
    if (at_once) return;
    if (after.gain) normalize(out, after, out);
    if (config_.residual_scale != 1) device_.scale(out, config_.residual_scale);
    device_.add(x, out);
}

// Expert by expert, so that each one's weights are read once: its tokens' inputs together, through it, and weighed
// back to their places. A token's sum is in the order of the experts, whatever its batch mates are.
void Decoder::experts(const LayerWeights& layer, Mat in, Mat x) {
    const ExpertConfig& e = config_.experts;
    const Mat scores = view(*buffers_.scores, in.rows, e.count);
    device_.linear(in, std::array{product(layer.router, scores)});
    const std::span<float> products = router_.products(in.rows);
    device_.download(products.data(), scores.data, products.size());
    router_.route(in.rows, layer.choice_bias);
    if (e.shared_ffn_size != 0) {
        const Mat out = view(*buffers_.branch, in.rows, config_.hidden_size);
        std::span<const float> factors = std::span(ones_).first(in.rows);
        if (e.shared_gate) {
            const Mat gate{scores.data, in.rows, 1};
            device_.linear(in, std::array{product(layer.shared_gate, gate)});
            device_.download(gates_.data(), gate.data, in.rows);
            for (uint32_t t = 0; t < in.rows; ++t) gates_[t] = config_.residual_scale / (1 + std::exp(-gates_[t]));
            factors = std::span(gates_).first(in.rows);
        }
        expert(layer.shared, e.shared_ffn_size, in, out);
        device_.add_scaled_rows(out, std::span(all_rows_).first(in.rows), factors, x);
    }
    for (uint32_t i = 0; i < e.count; ++i) {
        const std::span<const uint32_t> rows = router_.rows(i);
        if (rows.empty()) continue;
        const Mat inputs = view(*buffers_.routed, rows.size(), config_.hidden_size);
        const Mat out = view(*buffers_.branch, rows.size(), config_.hidden_size);
        device_.gather_rows(in, rows, inputs);
        expert(layer.experts[i], e.ffn_size, inputs, out);
        device_.add_scaled_rows(out, rows, router_.factors(i), x);
    }
}

void Decoder::expert(const FeedForward& ffn, uint32_t width, Mat in, Mat out) {
    const Mat gate = view(*buffers_.gate, in.rows, width);
    const Mat up = view(*buffers_.up, in.rows, width);
    device_.linear(in, std::array{product(ffn.gate, gate), product(ffn.up, up)});
    device_.gated(config_.activation, gate, up, gate);
    device_.linear(gate, std::array{product(ffn.down, out)});
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
    normalize(x, weights_.output_norm, normed);
    if (batch.hidden != nullptr) {
        device_.download(batch.hidden, normed.data, static_cast<size_t>(normed.rows) * normed.cols);
    }
    if (batch.logits == nullptr) return;
    const Mat logits = view(*buffers_.logits, x.rows, config_.vocab_size);
    device_.linear(normed, std::array{LinearOut{&weights_.head(), weights_.output_bias.get(), logits, false}});
    if (config_.logit_scale != 1) device_.scale(logits, config_.logit_scale);
    if (config_.logit_softcap != 0) device_.softcap(logits, config_.logit_softcap);
    device_.download_logits(batch.logits, logits, batch.summary);
}

}  // namespace gantry::transformer
