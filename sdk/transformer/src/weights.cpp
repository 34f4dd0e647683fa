#include <gantry/transformer/weights.hpp>

#include <gantry/transformer/dequantize.hpp>
#include "loader.hpp"
#include "planner.hpp"

namespace gantry::transformer {
namespace {

using sdk::Manifest;

/// Names the tensors of a decoder in the order in which they are loaded: planning and loading walk the same list.
template <class Visitor>
class Walk {
  public:
    Walk(const ModelConfig& config, Visitor& visitor) : c_(config), visit_(visitor) {}

    void model(Weights& w) {
        visit_.tensor("token_embd.weight", {c_.vocab_size, c_.hidden_size},
                      c_.tie_embeddings ? WeightUse::kEmbeddingAndLinear : WeightUse::kEmbedding, w.embedding);
        if (c_.position_count != 0) {
            visit_.tensor("position_embd.weight", {c_.position_count, c_.hidden_size}, WeightUse::kEmbedding,
                          w.positions);
        }
        for (uint32_t n = 0; n < c_.layer_count; ++n) {
            prefix_ = "layers." + std::to_string(n) + ".";
            layer(w.layers[n]);
            if (c_.has_experts(n)) {
                experts(w.layers[n]);
            } else {
                feed_forward("", c_.ffn_size, w.layers[n].ffn);
            }
        }
        prefix_.clear();
        norm("output_norm", w.output_norm);
        if (!c_.tie_embeddings) {
            visit_.linear("output.weight", c_.vocab_size, c_.hidden_size,
                          c_.unit_head ? Rebuild::kUnitRows : Rebuild::kNone, w.output);
        }
        if (c_.output_bias) visit_.tensor("output.bias", {c_.vocab_size}, WeightUse::kVector, w.output_bias);
    }

  private:
    void layer(LayerWeights& l) {
        const Biases& b = c_.biases;
        if (c_.norm_before()) norm("attn_norm", l.attn_norm);
        if (c_.qkv_layout == QkvLayout::kSplit) {
            linear("attn_q", c_.q_width(), c_.hidden_size, b.q, l.q);
            linear("attn_k", c_.kv_width(), c_.hidden_size, b.k, l.k);
            linear("attn_v", c_.kv_width(), c_.hidden_size, b.v, l.v);
        } else {
            linear("attn_qkv", c_.q_width() + 2ULL * c_.kv_width(), c_.hidden_size, b.q, l.qkv);
        }
        if (c_.qk_norm) {
            vector("attn_q_norm.weight", c_.qk_norm_whole ? c_.q_width() : c_.head_dim, l.q_norm);
            vector("attn_k_norm.weight", c_.qk_norm_whole ? c_.kv_width() : c_.head_dim, l.k_norm);
        }
        linear("attn_out", c_.hidden_size, c_.q_width(), b.attn_out, l.attn_out);
        if (c_.norm_after()) norm("attn_post_norm", l.attn_post_norm);
        if (c_.norm_before() && !c_.shared_norm) norm("ffn_norm", l.ffn_norm);
        if (c_.norm_after()) norm("ffn_post_norm", l.ffn_post_norm);
    }

    void experts(LayerWeights& l) {
        const ExpertConfig& e = c_.experts;
        linear("router", e.count, c_.hidden_size, false, l.router);
        if (e.choice_bias) visit_.values(prefix_ + "router.choice_bias", e.count, l.choice_bias);
        l.experts.resize(e.count);
        for (uint32_t i = 0; i < e.count; ++i) {
            feed_forward("experts." + std::to_string(i) + ".", e.ffn_size, l.experts[i]);
        }
        if (e.shared_ffn_size != 0) feed_forward("shared.", e.shared_ffn_size, l.shared);
        if (e.shared_gate) linear("shared.gate", 1, c_.hidden_size, false, l.shared_gate);
    }

    void feed_forward(const std::string& part, uint64_t width, FeedForward& f) {
        const bool plain = part.empty();  // experts have no biases
        if (c_.gated) linear(part + "ffn_gate", width, c_.hidden_size, plain && c_.biases.ffn_gate, f.gate);
        linear(part + "ffn_up", width, c_.hidden_size, plain && c_.biases.ffn_up, f.up);
        linear(part + "ffn_down", c_.hidden_size, width, plain && c_.biases.ffn_down, f.down);
    }

    void norm(const std::string& name, Norm& n) {
        vector(name + ".weight", c_.hidden_size, n.gain);
        if (c_.norm_bias) vector(name + ".bias", c_.hidden_size, n.bias);
    }
    void vector(const std::string& name, uint64_t size, std::unique_ptr<Weight>& out) {
        visit_.tensor(prefix_ + name, {size}, WeightUse::kVector, out);
    }
    void linear(const std::string& name, uint64_t out, uint64_t in, bool bias, Linear& l) {
        visit_.linear(prefix_ + name + ".weight", out, in, c_.transposed ? Rebuild::kTurned : Rebuild::kNone, l.weight);
        if (bias) vector(name + ".bias", out, l.bias);
    }

    const ModelConfig& c_;
    Visitor& visit_;
    std::string prefix_;
};

class Planning {
  public:
    explicit Planning(Planner& planner) : planner_(planner) {}
    void tensor(const std::string& name, std::initializer_list<uint64_t> shape, WeightUse use,
                std::unique_ptr<Weight>&) {
        planner_.need(name, shape, use);
    }
    void linear(const std::string& name, uint64_t out, uint64_t in, Rebuild rebuild, std::unique_ptr<Weight>&) {
        if (rebuild != Rebuild::kNone) return planner_.need_rebuilt(name, out, in, rebuild);
        planner_.need(name, {out, in}, WeightUse::kLinear);
    }
    void values(const std::string& name, uint64_t size, std::vector<float>&) {
        planner_.need(name, {size}, WeightUse::kVector);
    }

  private:
    Planner& planner_;
};

class Loading {
  public:
    explicit Loading(Loader& loader) : loader_(loader) {}
    void tensor(const std::string&, std::initializer_list<uint64_t>, WeightUse, std::unique_ptr<Weight>& out) {
        out = loader_.next();
    }
    void linear(const std::string&, uint64_t, uint64_t, Rebuild, std::unique_ptr<Weight>& out) { out = loader_.next(); }
    void values(const std::string&, uint64_t, std::vector<float>& out) { out = loader_.values(); }

  private:
    Loader& loader_;
};

}  // namespace

std::vector<PlannedTensor> plan_tensors(const Manifest& manifest, const ModelConfig& c, const Device& device) {
    Planner planner(manifest, device);
    Planning planning(planner);
    Weights none;
    none.layers.resize(c.layer_count);
    Walk(c, planning).model(none);
    if (c.tie_embeddings) planner.ignore("output.weight");  // some files store the tied head a second time
    return planner.finish();
}

Weights load_weights(const Manifest& manifest, const ModelConfig& c, std::span<const PlannedTensor> plan,
                     Device& device, const LoadProgress& progress) {
    Loader loader(manifest, plan, device, progress);
    const Polling polling(device, [&loader] { loader.report(); });
    Weights w;
    w.layers.resize(c.layer_count);
    Loading loading(loader);
    Walk(c, loading).model(w);
    loader.finish();
    w.private_bytes = loader.private_bytes();
    w.fingerprint = loader.fingerprint();
    w.copies = loader.take_copies();
    return w;
}

}  // namespace gantry::transformer
