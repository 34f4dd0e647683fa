#include <gantry/transformer/config.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "config_parts.hpp"

namespace gantry::transformer {
namespace {

using sdk::Error;
using sdk::Manifest;

// Far above any published model, far below where a product of two overflows 64 bits: keeps a damaged file's numbers
// from becoming absurd sizes.
constexpr int64_t kMaxWidth = 1 << 22;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxContext = 1 << 28;

struct Architecture {
    std::string_view name;
    bool qk_norm = false;
    bool qkv_bias = false;  ///< always there; other biases are taken where the file has them
};

/// All that differs between the others is in the manifest's keys, or shows in which tensors there are.
constexpr std::array kArchitectures = {
    Architecture{"llama"},
    Architecture{"mistral"},
    Architecture{"qwen2", false, true},
    Architecture{"qwen3", true},
    Architecture{"phi3"},
    Architecture{"gemma"},
    Architecture{"gemma2"},
    Architecture{"gemma3"},
    Architecture{"smollm3"},
    Architecture{"internlm2"},
    Architecture{"internlm3"},
    Architecture{"granite"},
    Architecture{"olmo2"},
    Architecture{"minicpm"},
    Architecture{"seed_oss"},
    Architecture{"ernie4_5"},
    Architecture{"hunyuan-dense"},
    Architecture{"mixtral"},
    Architecture{"qwen2moe", false, true},
    Architecture{"qwen3moe", true},
    Architecture{"granitemoe"},
    Architecture{"olmoe"},
    Architecture{"glm4moe"},
    Architecture{"gpt2"},
    Architecture{"gptneox"},
    Architecture{"opt"},
    Architecture{"falcon"},
    Architecture{"starcoder2"},
    Architecture{"phi2"},
    Architecture{"stablelm"},
    Architecture{"command-r"},
    Architecture{"cohere2"},
    Architecture{"glm"},
    Architecture{"glm4"},
    Architecture{"chatglm"},
    Architecture{"baichuan"},
    Architecture{"orion"},
    Architecture{"telechat"},
};

const Architecture& find_architecture(std::string_view name) {
    std::string known;
    for (const Architecture& a : kArchitectures) {
        if (a.name == name) return a;
        known += (known.empty() ? "" : ", ") + std::string(a.name);
    }
    throw Error(GANTRY_ERR_UNIMPLEMENTED, "the architecture '" + std::string(name) + "' is not supported",
                "supported: " + known);
}

template <class Value>
struct Named {
    std::string_view name;
    Value value;
};

/// The value that a string key names; `fallback` where the key is absent.
template <class Value, size_t N>
Value named(const Manifest& m, const char* key, const std::array<Named<Value>, N>& table, Value fallback) {
    const auto text = m.find_string(key);
    if (!text) return fallback;
    std::string known;
    for (const auto& entry : table) {
        if (entry.name == *text) return entry.value;
        known += (known.empty() ? "" : ", ") + std::string(entry.name);
    }
    throw Error(
        GANTRY_ERR_UNIMPLEMENTED,
        "the model's hyperparameter '" + std::string(key) + "' is '" + std::string(*text) + "', which is not supported",
        "supported: " + known);
}

[[noreturn]] void bad_value(const char* key, double value, const char* expected) {
    throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the model's hyperparameter '" + std::string(key) + "' is " +
                                                 std::to_string(value) + ", " + expected + " expected");
}

double positive(const char* key, double value) {
    if (!std::isfinite(value) || value <= 0) bad_value(key, value, "a positive number");
    return value;
}

double find_positive(const Manifest& m, const char* key, double fallback) {
    const auto value = m.find_float(key);
    return value ? positive(key, *value) : fallback;
}

uint32_t width(const Manifest& m, const char* key) { return static_cast<uint32_t>(m.get_int(key, 1, kMaxWidth)); }

std::vector<double> factors(const Manifest& m, const char* key, uint32_t pairs, bool required) {
    const auto values = m.find_float_array(key);
    if (!values) {
        if (required) throw Error(GANTRY_ERR_NOT_FOUND, "the model has no hyperparameter '" + std::string(key) + "'");
        return {};
    }
    if (values->size() != pairs) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the model's hyperparameter '" + std::string(key) + "' has " +
                                                     std::to_string(values->size()) + " elements, " +
                                                     std::to_string(pairs) + " expected");
    }
    for (const double value : *values) positive(key, value);
    return {values->begin(), values->end()};
}

RopeConfig read_rope(const Manifest& m, const ModelConfig& config) {
    constexpr std::array kStyles = {Named<RopeStyle>{"half", RopeStyle::kHalf},
                                    Named<RopeStyle>{"interleaved", RopeStyle::kInterleaved}};
    constexpr std::array kScalings = {
        Named<RopeScaling>{"none", RopeScaling::kNone},       Named<RopeScaling>{"linear", RopeScaling::kLinear},
        Named<RopeScaling>{"dynamic", RopeScaling::kDynamic}, Named<RopeScaling>{"yarn", RopeScaling::kYarn},
        Named<RopeScaling>{"llama3", RopeScaling::kLlama3},   Named<RopeScaling>{"longrope", RopeScaling::kLongRope}};
    RopeConfig rope;
    rope.style = named(m, "rope.style", kStyles, RopeStyle::kHalf);
    rope.native_interleaved = m.find_string("rope.native_style") == "interleaved";
    rope.scaling = named(m, "rope.scaling", kScalings, RopeScaling::kNone);
    rope.dim = static_cast<uint32_t>(m.find_int("rope.dim", 2, config.head_dim).value_or(config.head_dim));
    if (rope.dim % 2 != 0) bad_value("rope.dim", rope.dim, "an even number");
    rope.theta = find_positive(m, "rope.theta", 10000);
    rope.original_context =
        static_cast<uint32_t>(m.find_int("rope.original_context", 2, kMaxContext).value_or(config.context_length));
    rope.low_freq_factor = find_positive(m, "rope.low_freq_factor", rope.low_freq_factor);
    rope.high_freq_factor = find_positive(m, "rope.high_freq_factor", rope.high_freq_factor);
    rope.beta_fast = find_positive(m, "rope.beta_fast", rope.beta_fast);
    rope.beta_slow = find_positive(m, "rope.beta_slow", rope.beta_slow);
    rope.truncate = m.find_bool("rope.truncate").value_or(true);
    rope.attention_factor = find_positive(m, "rope.attention_factor", 0);
    rope.mscale = m.find_float("rope.mscale").value_or(0);
    rope.mscale_all_dim = m.find_float("rope.mscale_all_dim").value_or(0);
    const bool longrope = rope.scaling == RopeScaling::kLongRope;
    rope.short_factors = factors(m, "rope.short_factors", rope.dim / 2, longrope);
    rope.long_factors = factors(m, "rope.long_factors", rope.dim / 2, longrope);
    rope.divisors = factors(m, "rope.frequency_divisors", rope.dim / 2, false);
    // Files may leave the factor out where it is the ratio of the two contexts (Phi-3, DeepSeek).
    const bool ratio = longrope || rope.scaling == RopeScaling::kYarn;
    const double fallback = static_cast<double>(config.context_length) / rope.original_context;
    if (rope.scaling != RopeScaling::kNone) {
        rope.factor =
            ratio ? find_positive(m, "rope.factor", fallback) : positive("rope.factor", m.get_float("rope.factor"));
    }
    if (rope.scaling == RopeScaling::kLlama3 && rope.high_freq_factor <= rope.low_freq_factor) {
        bad_value("rope.high_freq_factor", rope.high_freq_factor, "more than rope.low_freq_factor");
    }
    if (rope.scaling == RopeScaling::kDynamic && rope.dim < 4) bad_value("rope.dim", rope.dim, "at least 4");
    if (rope.theta <= 1) bad_value("rope.theta", rope.theta, "more than 1");
    return rope;
}

std::vector<uint32_t> read_windows(const Manifest& m, uint32_t layers) {
    const auto window = static_cast<uint32_t>(m.find_int("sliding_window", 0, kMaxContext).value_or(0));
    std::vector<uint32_t> windows(layers, window);
    const auto flags = m.find_int_array("sliding_window_layers");
    if (!flags) return windows;
    if (flags->size() != layers) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the model's hyperparameter 'sliding_window_layers' has " +
                                                     std::to_string(flags->size()) + " elements, " +
                                                     std::to_string(layers) + " expected");
    }
    for (size_t i = 0; i < windows.size(); ++i) {
        if ((*flags)[i] == 0) windows[i] = 0;
    }
    return windows;
}

}  // namespace

uint32_t ModelConfig::max_context() const {
    if (rope.scaling != RopeScaling::kDynamic) return context_length;
    // Dynamic NTK's files give the context before scaling.
    const double stretched = static_cast<double>(rope.original_context) * std::max(1.0, rope.factor);
    return std::max(context_length, static_cast<uint32_t>(std::min<double>(stretched, kMaxContext)));
}

Biases find_biases(const Manifest& m, bool qkv_required) {
    const auto has = [&m](const char* part) {
        return m.find_tensor("layers.0." + std::string(part) + ".bias").has_value();
    };
    Biases b;
    b.q = qkv_required || has("attn_q") || has("attn_qkv");
    b.k = qkv_required || has("attn_k") || has("attn_qkv");
    b.v = qkv_required || has("attn_v") || has("attn_qkv");
    b.attn_out = has("attn_out");
    b.ffn_gate = has("ffn_gate");
    b.ffn_up = has("ffn_up");
    b.ffn_down = has("ffn_down");
    return b;
}

ModelConfig read_sizes(const Manifest& m, bool has_rope) {
    constexpr std::array kActivations = {
        Named<Activation>{"silu", Activation::kSilu}, Named<Activation>{"gelu", Activation::kGelu},
        Named<Activation>{"gelu_tanh", Activation::kGeluTanh}, Named<Activation>{"relu", Activation::kRelu},
        Named<Activation>{"relu_squared", Activation::kReluSquared}};
    ModelConfig c;
    c.architecture = m.architecture();
    c.vocab_size = width(m, "vocab_size");
    c.hidden_size = width(m, "hidden_size");
    c.layer_count = static_cast<uint32_t>(m.get_int("layer_count", 1, kMaxLayers));
    c.head_count = static_cast<uint32_t>(m.get_int("head_count", 1, 1 << 16));
    c.kv_head_count = static_cast<uint32_t>(m.find_int("kv_head_count", 1, c.head_count).value_or(c.head_count));
    if (c.head_count % c.kv_head_count != 0) {
        bad_value("kv_head_count", c.kv_head_count,
                  ("a divisor of head_count (" + std::to_string(c.head_count) + ")").c_str());
    }
    const auto head_dim = m.find_int("head_dim", 1, 1 << 16);
    if (!head_dim && c.hidden_size % c.head_count != 0) {
        bad_value("head_count", c.head_count,
                  ("a divisor of hidden_size (" + std::to_string(c.hidden_size) + ")").c_str());
    }
    c.head_dim = head_dim ? static_cast<uint32_t>(*head_dim) : c.hidden_size / c.head_count;
    if (static_cast<int64_t>(c.head_count) * c.head_dim > kMaxWidth) {
        bad_value("head_dim", c.head_dim, "head_count * head_dim within reason");
    }
    c.ffn_size = width(m, "ffn_size");
    c.norm_eps = static_cast<float>(positive("norm_eps", m.get_float("norm_eps")));
    c.activation = named(m, "activation", kActivations, Activation::kSilu);
    c.context_length = static_cast<uint32_t>(m.get_int("context_length", 2, kMaxContext));
    c.tie_embeddings = m.find_bool("tie_embeddings").value_or(!m.find_tensor("output.weight").has_value());
    if (has_rope) c.rope = read_rope(m, c);
    c.sliding_window = read_windows(m, c.layer_count);
    c.attention_scale =
        static_cast<float>(find_positive(m, "attention.scale", 1.0 / std::sqrt(static_cast<double>(c.head_dim))));
    return c;
}

ModelConfig read_config(const Manifest& m) {
    const Architecture& architecture = find_architecture(m.architecture());
    ModelConfig c = read_sizes(m, m.find_string("rope.style") != "none");
    c.qk_norm = architecture.qk_norm;
    c.biases = find_biases(m, architecture.qkv_bias);
    read_switches(m, c);
    return c;
}

}  // namespace gantry::transformer
