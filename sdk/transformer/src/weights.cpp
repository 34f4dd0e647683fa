#include <gantry/transformer/weights.hpp>

#include "loader.hpp"

namespace gantry::transformer {

Weights load_weights(const sdk::Manifest& manifest, const ModelConfig& c, std::span<const PlannedTensor> plan,
                     Device& device, const LoadProgress& progress) {
    Loader loader(manifest, plan, device, progress);
    const Polling polling(device, [&loader] { loader.report(); });
    Weights w;
    w.embedding = loader.next();
    w.layers.resize(c.layer_count);
    for (LayerWeights& layer : w.layers) {
        layer.attn_norm = loader.next();
        layer.q = loader.linear(c.biases.q);
        layer.k = loader.linear(c.biases.k);
        layer.v = loader.linear(c.biases.v);
        if (c.qk_norm) {
            layer.q_norm = loader.next();
            layer.k_norm = loader.next();
        }
        layer.attn_out = loader.linear(c.biases.attn_out);
        layer.ffn_norm = loader.next();
        layer.ffn_gate = loader.linear(c.biases.ffn_gate);
        layer.ffn_up = loader.linear(c.biases.ffn_up);
        layer.ffn_down = loader.linear(c.biases.ffn_down);
    }
    w.output_norm = loader.next();
    if (!c.tie_embeddings) w.output = loader.next();
    loader.finish();
    w.private_bytes = loader.private_bytes();
    w.fingerprint = loader.fingerprint();
    return w;
}

}  // namespace gantry::transformer
