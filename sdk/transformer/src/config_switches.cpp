// The switches that make one decoder out of many families.

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "config_parts.hpp"

namespace gantry::transformer {
namespace {

using sdk::Error;
using sdk::Manifest;

constexpr int64_t kMaxWidth = 1 << 22;
constexpr int64_t kMaxExperts = 1 << 12;

std::string key_text(const char* key) { return "the model's hyperparameter '" + std::string(key) + "'"; }

/// Which of the names a key has; 0 where it is absent.
size_t choice(const Manifest& m, const char* key, std::initializer_list<std::string_view> names) {
    const auto value = m.find_string(key);
    if (!value) return 0;
    std::string known;
    size_t index = 0;
    for (const std::string_view name : names) {
        if (name == *value) return index;
        known.append(known.empty() ? "" : ", ").append(name);
        ++index;
    }
    throw Error(GANTRY_ERR_UNIMPLEMENTED, key_text(key) + " is '" + std::string(*value) + "', which is not supported",
                "supported: " + known);
}

float factor(const Manifest& m, const char* key, double fallback) {
    const double value = m.find_float(key).value_or(fallback);
    if (!std::isfinite(value) || value < 0) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT,
                    key_text(key) + " is " + std::to_string(value) + ", a number that is not negative expected");
    }
    return static_cast<float>(value);
}

/// One flag a layer; empty where the key is absent.
std::vector<uint8_t> layer_flags(const Manifest& m, const char* key, uint32_t layers) {
    const auto values = m.find_int_array(key);
    std::vector<uint8_t> out;
    if (!values) return out;
    if (values->size() != layers) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, key_text(key) + " has " + std::to_string(values->size()) +
                                                     " elements, " + std::to_string(layers) + " expected");
    }
    for (const int64_t value : *values) out.push_back(value != 0 ? 1 : 0);
    return out;
}

ExpertConfig read_experts(const Manifest& m, uint32_t layers) {
    ExpertConfig e;
    e.count = static_cast<uint32_t>(m.find_int("expert.count", 1, kMaxExperts).value_or(0));
    if (e.count == 0) return e;
    e.used = static_cast<uint32_t>(m.get_int("expert.used", 1, e.count));
    e.ffn_size = static_cast<uint32_t>(m.get_int("expert.ffn_size", 1, kMaxWidth));
    e.shared_ffn_size = static_cast<uint32_t>(m.find_int("expert.shared_ffn_size", 1, kMaxWidth).value_or(0));
    e.shared_gate = e.shared_ffn_size != 0 && m.find_bool("expert.shared_gate").value_or(false);
    e.sigmoid = choice(m, "expert.gating", {"softmax", "sigmoid"}) == 1;
    e.normalize = m.find_bool("expert.normalize").value_or(false);
    e.scale = factor(m, "expert.scale", 1);
    e.groups = static_cast<uint32_t>(m.find_int("expert.groups", 1, e.count).value_or(1));
    e.groups_used = static_cast<uint32_t>(m.find_int("expert.groups_used", 1, e.groups).value_or(e.groups));
    if (e.count % e.groups != 0 || e.count / e.groups * e.groups_used < e.used) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, key_text("expert.groups") + " is " + std::to_string(e.groups) +
                                                     ", which does not go with " + std::to_string(e.count) +
                                                     " experts of which " + std::to_string(e.used) + " are used");
    }
    e.choice_bias = m.find_bool("expert.choice_bias").value_or(false);
    e.layers = layer_flags(m, "expert.layers", layers);
    if (e.layers.empty()) e.layers.assign(layers, 1);
    return e;
}

}  // namespace

uint32_t ModelConfig::widest_ffn() const { return std::max({ffn_size, experts.ffn_size, experts.shared_ffn_size}); }

void read_switches(const Manifest& m, ModelConfig& c) {
    const auto has = [&m](const char* name) { return m.find_tensor(name).has_value(); };
    c.has_rope = c.rope.dim != 0;
    c.layer_norm = choice(m, "norm.kind", {"rms", "layer"}) == 1;
    c.norm_bias = c.layer_norm && has("output_norm.bias");
    c.norm_offset = factor(m, "norm.gain_offset", 0);
    c.norm_place = static_cast<NormPlace>(choice(m, "norm.place", {"pre", "branch", "both"}));
    const size_t block = choice(m, "block", {"serial", "parallel", "parallel_shared"});
    c.parallel = block != 0;
    c.shared_norm = block == 2;
    c.gated = m.find_bool("ffn.gated").value_or(true);
    c.qkv_layout = static_cast<QkvLayout>(choice(m, "attention.qkv", {"split", "joined", "grouped"}));
    c.transposed = m.find_bool("linear.transposed").value_or(false);
    const size_t norm = choice(m, "attention.qk_norm", {"default", "head", "all"});
    c.qk_norm = c.qk_norm || norm != 0;
    c.qk_norm_whole = norm == 2;
    c.qk_norm_after_rope = m.find_bool("attention.qk_norm_after_rope").value_or(false);
    c.rotated = layer_flags(m, "rope.layers", c.layer_count);
    c.local_theta = m.find_float("rope.local_theta").value_or(0);
    c.position_count = static_cast<uint32_t>(m.find_int("position.count", 1, 1 << 28).value_or(0));
    c.position_offset = static_cast<uint32_t>(m.find_int("position.offset", 0, 1 << 16).value_or(0));
    c.embedding_scale = factor(m, "embedding.scale", 1);
    c.residual_scale = factor(m, "residual.scale", 1);
    c.logit_scale = factor(m, "logit.scale", 1);
    c.logit_softcap = factor(m, "logit.softcap", 0);
    c.attention_softcap = factor(m, "attention.softcap", 0);
    c.output_bias = has("output.bias");
    c.unit_head = !c.tie_embeddings && m.find_bool("output.normalized").value_or(false);
    c.experts = read_experts(m, c.layer_count);
    c.experts.scale *= c.residual_scale;  // experts add to the residual themselves
    if (c.parallel && c.norm_place != NormPlace::kBefore) {
        throw Error(GANTRY_ERR_UNIMPLEMENTED, "parallel blocks with norms after their branches are not supported");
    }
    if (c.experts.count != 0 && c.norm_after()) {
        throw Error(GANTRY_ERR_UNIMPLEMENTED, "experts with a norm after them are not supported");
    }
    if (c.experts.count != 0 && !c.gated) {
        throw Error(GANTRY_ERR_UNIMPLEMENTED, "experts without a gate are not supported");
    }
    if (c.position_count != 0 && c.context_length + c.position_offset > c.position_count) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, key_text("context_length") + " is " +
                                                     std::to_string(c.context_length) + ", the position table has " +
                                                     std::to_string(c.position_count) + " rows");
    }
}

}  // namespace gantry::transformer
