#include <gantry/transformer/encoder.hpp>

#include <gantry/transformer/dequantize.hpp>
#include "loader.hpp"
#include "planner.hpp"

namespace gantry::transformer {
namespace {

using sdk::Manifest;

/// Names the tensors of a model in the order in which they are loaded: `take` is called for each. Planning and loading
/// walk the same list, so that neither can forget one.
template <class Visitor>
void walk(const EncoderConfig& c, Visitor& visit) {
    const ModelConfig& b = c.base;
    const bool layer_bias = !c.rms_norm && c.norm_bias;
    visit.weight("token_embd.weight", b.vocab_size, b.hidden_size, WeightUse::kEmbedding, visit.to.embedding);
    if (c.position_count != 0) {
        visit.weight("position_embd.weight", c.position_count, b.hidden_size, WeightUse::kEmbedding,
                     visit.to.positions);
    }
    if (c.type_count != 0) {
        visit.weight("type_embd.weight", c.type_count, b.hidden_size, WeightUse::kEmbedding, visit.to.types);
    }
    if (c.embedding_norm) visit.norm("embd_norm", b.hidden_size, c.norm_bias, visit.to.embedding_norm);
    for (uint32_t n = 0; n < b.layer_count; ++n) {
        EncoderLayer& layer = visit.to.layers[n];
        const std::string name = "layers." + std::to_string(n) + ".";
        if (c.attn_norms[n]) {
            visit.norm(name + (c.pre_norm ? "attn_norm" : "attn_post_norm"), b.hidden_size, layer_bias,
                       layer.attn_norm);
        }
        visit.linear(name + "attn_q", b.q_width(), b.hidden_size, b.biases.q, layer.q);
        visit.linear(name + "attn_k", b.kv_width(), b.hidden_size, b.biases.k, layer.k);
        visit.linear(name + "attn_v", b.kv_width(), b.hidden_size, b.biases.v, layer.v);
        if (b.qk_norm) {
            visit.vector(name + "attn_q_norm.weight", b.head_dim, layer.q_norm);
            visit.vector(name + "attn_k_norm.weight", b.head_dim, layer.k_norm);
        }
        visit.linear(name + "attn_out", b.hidden_size, b.q_width(), b.biases.attn_out, layer.attn_out);
        visit.norm(name + (c.pre_norm ? "ffn_norm" : "ffn_post_norm"), b.hidden_size, layer_bias, layer.ffn_norm);
        if (c.gated) visit.linear(name + "ffn_gate", b.ffn_size, b.hidden_size, b.biases.ffn_gate, layer.ffn_gate);
        visit.linear(name + "ffn_up", b.ffn_size, b.hidden_size, b.biases.ffn_up, layer.ffn_up);
        visit.linear(name + "ffn_down", b.hidden_size, b.ffn_size, b.biases.ffn_down, layer.ffn_down);
    }
    if (c.pre_norm) visit.norm("output_norm", b.hidden_size, layer_bias, visit.to.output_norm);
    if (c.dense_out != 0) visit.linear("dense", c.dense_out, b.hidden_size, c.dense_bias, visit.to.dense);
    if (c.label_count == 0 || c.yes_token >= 0) return;
    if (c.head_dense) visit.linear("head.dense", b.hidden_size, b.hidden_size, c.head_dense_bias, visit.to.head_dense);
    if (c.head_norm) visit.norm("head.norm", b.hidden_size, layer_bias, visit.to.head_norm);
    visit.linear("head.out", c.label_count, b.hidden_size, c.head_bias, visit.to.head_out);
}

/// Both visitors: what a tensor is called and how it is used.
template <class Derived>
class Visitor {
  public:
    explicit Visitor(const EncoderConfig& c) { to.layers.resize(c.base.layer_count); }
    EncoderWeights to;

    void vector(const std::string& name, uint64_t size, std::unique_ptr<Weight>& out) {
        self().tensor(name, {size}, WeightUse::kVector, out);
    }
    void weight(const std::string& name, uint64_t rows, uint64_t cols, WeightUse use, std::unique_ptr<Weight>& out) {
        self().tensor(name, {rows, cols}, use, out);
    }
    void linear(const std::string& name, uint64_t out, uint64_t in, bool bias, Linear& to_linear) {
        weight(name + ".weight", out, in, WeightUse::kLinear, to_linear.weight);
        if (bias) vector(name + ".bias", out, to_linear.bias);
    }
    void norm(const std::string& name, uint64_t size, bool bias, Norm& to_norm) {
        vector(name + ".weight", size, to_norm.gain);
        if (bias) vector(name + ".bias", size, to_norm.bias);
    }

  private:
    Derived& self() { return static_cast<Derived&>(*this); }
};

class Planning : public Visitor<Planning> {
  public:
    Planning(const EncoderConfig& c, Planner& planner) : Visitor(c), planner_(planner) {}
    void tensor(const std::string& name, std::initializer_list<uint64_t> shape, WeightUse use,
                std::unique_ptr<Weight>&) {
        planner_.need(name, shape, use);
    }

  private:
    Planner& planner_;
};

class Loading : public Visitor<Loading> {
  public:
    Loading(const EncoderConfig& c, Loader& loader) : Visitor(c), loader_(loader) {}
    void tensor(const std::string&, std::initializer_list<uint64_t>, WeightUse, std::unique_ptr<Weight>& out) {
        out = loader_.next();
    }

  private:
    Loader& loader_;
};

std::string score_source(const EncoderConfig& c) {
    return c.base.tie_embeddings ? "token_embd.weight" : "output.weight";
}

/// A reranker that is a language model answers yes or no; what decides is the difference of the two logits, so that is
/// the only row of the output head which is needed.
void load_score_row(const Manifest& manifest, const EncoderConfig& c, Device& device, EncoderWeights& w) {
    const gantry_tensor_view_t view = manifest.tensor(*manifest.find_tensor(score_source(c)));
    const uint64_t columns = c.base.hidden_size;
    const uint64_t stride = row_bytes(view.dtype, columns);
    std::vector<float> no(columns);
    w.score_row.resize(columns);
    const auto* data = static_cast<const std::byte*>(view.data);
    dequantize(view.dtype, data + static_cast<uint64_t>(c.yes_token) * stride, w.score_row.data(), columns);
    dequantize(view.dtype, data + static_cast<uint64_t>(c.no_token) * stride, no.data(), columns);
    for (uint64_t i = 0; i < columns; ++i) w.score_row[i] -= no[i];
    gantry_tensor_view_t row{};
    row.struct_size = GANTRY_SIZE(gantry_tensor_view_t, data);
    row.dtype = GANTRY_DTYPE_F32;
    row.rank = 2;
    row.shape[0] = 1;
    row.shape[1] = columns;
    row.nbytes = columns * sizeof(float);
    row.data = w.score_row.data();
    w.head_out.weight = device.load_weight(row, WeightUse::kLinear);
}

}  // namespace

std::vector<PlannedTensor> plan_encoder_tensors(const Manifest& manifest, const EncoderConfig& c,
                                                const Device& device) {
    Planner planner(manifest, device);
    Planning planning(c, planner);
    walk(c, planning);
    // The head of a language model: two of its rows, or none.
    if (c.yes_token >= 0 && !c.base.tie_embeddings) {
        planner.need("output.weight", {c.base.vocab_size, c.base.hidden_size}, WeightUse::kEmbedding);
    } else {
        planner.ignore("output.weight");
    }
    return planner.finish();
}

EncoderWeights load_encoder_weights(const Manifest& manifest, const EncoderConfig& c,
                                    std::span<const PlannedTensor> plan, Device& device, const LoadProgress& progress) {
    Loader loader(manifest, plan, device, progress);
    const Polling polling(device, [&loader] { loader.report(); });
    Loading loading(c, loader);
    walk(c, loading);
    EncoderWeights w = std::move(loading.to);
    if (c.yes_token >= 0) load_score_row(manifest, c, device, w);
    loader.finish();
    w.private_bytes = loader.private_bytes();
    return w;
}

}  // namespace gantry::transformer
