#include <gantry/ext/encoder.h>
#include <gantry/transformer/encoder.hpp>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "config_parts.hpp"

namespace gantry::transformer {
namespace {

using sdk::Error;
using sdk::Manifest;

/// What an architecture is known to be; the rest is in the manifest's keys, or shows in which tensors there are.
struct Family {
    std::string_view name;
    bool has_rope = false;
    bool biased = false;  ///< every linear layer and norm has a bias
    bool qkv_biased = false;
    bool qk_norm = false;
};

constexpr std::array kFamilies = {
    Family{"bert", false, true, true},
    Family{"roberta", false, true, true},
    Family{"xlm-roberta", false, true, true},
    Family{"distilbert", false, true, true},
    Family{"modernbert", true},
    Family{"nomic-bert", true},
    Family{"gte", true},
    Family{"llama", true},
    Family{"mistral", true},
    Family{"qwen2", true, false, true},
    Family{"qwen3", true, false, false, true},
};

const Family& find_family(std::string_view name) {
    std::string known;
    for (const Family& f : kFamilies) {
        if (f.name == name) return f;
        known += (known.empty() ? "" : ", ") + std::string(f.name);
    }
    throw Error(GANTRY_ERR_UNIMPLEMENTED, "the encoder architecture '" + std::string(name) + "' is not supported",
                "supported: " + known);
}

[[noreturn]] void bad_choice(const char* key, std::string_view value, std::string_view known) {
    throw Error(
        GANTRY_ERR_UNIMPLEMENTED,
        "the model's hyperparameter '" + std::string(key) + "' is '" + std::string(value) + "', which is not supported",
        "supported: " + std::string(known));
}

/// Whether a key names the first of two choices; `fallback` where it is absent.
bool chosen(const Manifest& m, const char* key, std::string_view yes, std::string_view no, bool fallback) {
    const auto value = m.find_string(key);
    if (!value) return fallback;
    if (*value != yes && *value != no) bad_choice(key, *value, std::string(yes) + ", " + std::string(no));
    return *value == yes;
}

int32_t read_pooling(const Manifest& m, const char* key, int32_t fallback) {
    constexpr std::array kPoolings = {
        std::pair{std::string_view("cls"), int32_t{GANTRY_POOLING_CLS}},
        std::pair{std::string_view("mean"), int32_t{GANTRY_POOLING_MEAN}},
        std::pair{std::string_view("last"), int32_t{GANTRY_POOLING_LAST}},
        std::pair{std::string_view("scores"), int32_t{GANTRY_POOLING_SCORES}},
    };
    const auto value = m.find_string(key);
    if (!value) return fallback;
    for (const auto& [name, pooling] : kPoolings) {
        if (name == *value) return pooling;
    }
    bad_choice(key, *value, "cls, mean, last, scores");
}

std::string read_activation(const Manifest& m, const char* key) {
    const std::string value(m.find_string(key).value_or("none"));
    for (const auto* known : {"none", "tanh", "relu", "gelu", "gelu_tanh", "silu"}) {
        if (value == known) return value;
    }
    bad_choice(key, value, "none, tanh, relu, gelu, gelu_tanh, silu");
}

void read_head(const Manifest& m, EncoderConfig& c) {
    const auto has = [&m](const char* name) { return m.find_tensor(name).has_value(); };
    const int64_t last_token = int64_t{c.base.vocab_size} - 1;
    c.label_count = static_cast<uint32_t>(m.find_int("label.count", 1, 1 << 20).value_or(0));
    c.yes_token = m.find_int("head.yes_token", 0, last_token).value_or(-1);
    c.no_token = m.find_int("head.no_token", 0, last_token).value_or(-1);
    if ((c.yes_token < 0) != (c.no_token < 0)) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the model has one of 'head.yes_token' and 'head.no_token' only");
    }
    if (c.yes_token >= 0) c.label_count = 1;
    if (c.label_count == 0) {
        if (c.pooling == GANTRY_POOLING_SCORES) m.get_int("label.count");  // throws
        return;
    }
    c.head_pooling = read_pooling(m, "head.pooling", c.causal ? GANTRY_POOLING_LAST : GANTRY_POOLING_CLS);
    if (c.head_pooling == GANTRY_POOLING_SCORES) bad_choice("head.pooling", "scores", "cls, mean, last");
    c.head_activation = read_activation(m, "head.activation");
    c.head_dense = has("head.dense.weight");
    c.head_dense_bias = has("head.dense.bias");
    c.head_norm = has("head.norm.weight");
    c.head_bias = has("head.out.bias");
}

}  // namespace

bool is_encoder(const Manifest& manifest) { return manifest.find_string("encoder.pooling").has_value(); }

EncoderConfig read_encoder_config(const Manifest& m) {
    const Family& family = find_family(m.architecture());
    const auto has = [&m](const std::string& name) { return m.find_tensor(name).has_value(); };
    EncoderConfig c;
    c.base = read_sizes(m, family.has_rope);
    c.has_rope = family.has_rope;
    c.base.qk_norm = family.qk_norm;
    c.base.biases = find_biases(m, family.qkv_biased);
    c.gated = has("layers.0.ffn_gate.weight");
    if (family.biased) c.base.biases.attn_out = c.base.biases.ffn_up = c.base.biases.ffn_down = true;
    c.rms_norm = chosen(m, "norm.kind", "rms", "layer", true);
    c.pre_norm = chosen(m, "norm.place", "pre", "post", true);
    c.causal = m.find_bool("attention.causal").value_or(true);
    c.local_theta = m.find_float("rope.local_theta").value_or(0);
    constexpr int64_t kMaxRows = 1 << 24;
    c.position_count = static_cast<uint32_t>(m.find_int("position.count", 1, kMaxRows).value_or(0));
    c.position_offset = static_cast<uint32_t>(m.find_int("position.offset", 0, kMaxRows).value_or(0));
    c.type_count = static_cast<uint32_t>(m.find_int("type.count", 1, kMaxRows).value_or(0));
    if (!c.has_rope && c.position_count < c.position_offset + c.base.context_length) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the model's hyperparameter 'position.count' is " +
                                                     std::to_string(c.position_count) + ", too few for " +
                                                     std::to_string(c.base.context_length) + " positions from " +
                                                     std::to_string(c.position_offset) + " on");
    }
    c.embedding_norm = has("embd_norm.weight");
    c.norm_bias = family.biased || has("embd_norm.bias");
    const std::string norm = c.pre_norm ? ".attn_norm.weight" : ".attn_post_norm.weight";
    c.attn_norms.assign(c.base.layer_count, true);
    // ModernBERT's first layer takes the normed embedding as it is.
    if (c.embedding_norm && c.pre_norm) c.attn_norms[0] = has("layers.0" + norm);
    c.pooling = read_pooling(m, "encoder.pooling", GANTRY_POOLING_MEAN);
    if (has("dense.weight")) {
        const auto view = m.tensor(*m.find_tensor("dense.weight"));
        c.dense_out = view.rank == 2 ? static_cast<uint32_t>(std::min<uint64_t>(view.shape[0], UINT32_MAX)) : 1;
        c.dense_bias = has("dense.bias");
        c.dense_activation = read_activation(m, "dense.activation");
    }
    read_head(m, c);
    return c;
}

}  // namespace gantry::transformer
