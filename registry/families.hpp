#pragma once

/// The decoder families beyond Llama's as rows of tables, and what of their hyperparameters has to be computed.

#include <array>

#include "registry/architectures.hpp"

namespace gantry::registry {

// Short names for rows.

constexpr ModuleRule vector_rule(std::string_view canonical, std::string_view gguf, std::string_view hf,
                                 Dim out = Dim::kHidden, Bias bias = Bias::kNone) {
    ModuleRule r;
    r.canonical = canonical;
    r.gguf = gguf;
    r.hf = hf;
    r.out = out;
    r.bias = bias;
    return r;
}

constexpr ModuleRule linear_rule(std::string_view canonical, std::string_view gguf, std::string_view hf, Dim out,
                                 Dim in, Bias bias = Bias::kNone) {
    ModuleRule r = vector_rule(canonical, gguf, hf, out, bias);
    r.in = in;
    return r;
}

/// Several modules' rows one after the other.
constexpr ModuleRule joined_rule(std::span<const ModulePart> parts, std::string_view gguf, std::string_view hf, Dim in,
                                 Bias bias = Bias::kNone) {
    ModuleRule r = linear_rule("", gguf, hf, Dim::kNone, in, bias);
    r.parts = parts;
    return r;
}

constexpr ModuleRule optional(ModuleRule r) {
    r.required = false;
    return r;
}
constexpr ModuleRule stacked(ModuleRule r) {
    r.stacked = true;
    return r;
}
constexpr ModuleRule turned(ModuleRule r) {
    r.turned = true;
    return r;
}
constexpr ModuleRule whole(ModuleRule r) {
    r.whole = true;
    return r;
}
constexpr ModuleRule in_layers(ModuleRule r, LayerKind kind) {
    r.layers = kind;
    return r;
}

template <size_t... N>
constexpr auto concat(const std::array<ModuleRule, N>&... lists) {
    std::array<ModuleRule, (N + ...)> out{};
    size_t at = 0;
    const auto add = [&](const auto& list) {
        for (const ModuleRule& rule : list) out[at++] = rule;
    };
    (add(lists), ...);
    return out;
}

template <class... Rules>
constexpr std::array<ModuleRule, sizeof...(Rules)> list(Rules... rules) {
    return {{rules...}};
}

inline constexpr std::array<ModulePart, 3> kQkvParts = {
    {{"attn_q", Dim::kQuery}, {"attn_k", Dim::kKeyValue}, {"attn_v", Dim::kKeyValue}}};
inline constexpr std::array<ModulePart, 2> kGateUpParts = {{{"ffn_gate", Dim::kFfn}, {"ffn_up", Dim::kFfn}}};

/// Families with RMS norms and gated feed-forwards (families_gated.cpp), with experts (families_experts.cpp), and with
/// layer norms (families_layer_norm.cpp).
std::span<const Architecture> gated_families();
std::span<const Architecture> expert_families();
std::span<const Architecture> layer_norm_families();

// What tables cannot say; called when the rest is translated.
Status adjust_gemma(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_smollm3(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_minicpm(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_baichuan(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_hunyuan(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_experts(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_glm4_experts(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_parallel(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_opt(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_falcon(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_gpt2(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_cohere(const HyperSource& in, bool gguf, ModelManifest& out);
Status adjust_chatglm(const HyperSource& in, bool gguf, ModelManifest& out);

}  // namespace gantry::registry
