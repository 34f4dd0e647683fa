#include "registry/convert/mixture.hpp"

#include <gantry/abi.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "registry/formats/dtype.hpp"

namespace gantry::registry {
namespace {

constexpr auto kMixtures = std::to_array<Mixture>({
    {"F32", GANTRY_DTYPE_F32, 0},
    {"F16", GANTRY_DTYPE_F16, 1},
    {"BF16", GANTRY_DTYPE_BF16, 32},
    {"Q8_0", GANTRY_DTYPE_Q8_0, 7},
    {"Q6_K", GANTRY_DTYPE_Q6_K, 18},
    {"Q5_K_M", GANTRY_DTYPE_Q5_K, 17, 'M'},
    {"Q5_K_S", GANTRY_DTYPE_Q5_K, 16, 'S'},
    {"Q5_1", GANTRY_DTYPE_Q5_1, 9},
    {"Q5_0", GANTRY_DTYPE_Q5_0, 8},
    {"Q4_K_M", GANTRY_DTYPE_Q4_K, 15, 'M'},
    {"Q4_K_S", GANTRY_DTYPE_Q4_K, 14, 'S'},
    {"Q4_1", GANTRY_DTYPE_Q4_1, 3},
    {"Q4_0", GANTRY_DTYPE_Q4_0, 2},
});

/// Small tensors that steer the model: rounding them costs more than it saves.
constexpr auto kKept =
    std::to_array<std::string_view>({"_norm.weight", "ffn_gate_inp", "position_embd", "token_types", "ssm_conv1d",
                                     "shortconv", "time_mix", "attn_rel_b", "altup", "laurel", "per_layer_model_proj"});

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

uint64_t layer_of(std::string_view name) {
    uint64_t layer = 0;
    if (name.starts_with("blk.")) {
        std::from_chars(name.data() + 4, name.data() + name.size(), layer);
    }
    return layer;
}

/// The first and the last eighth of the layers, and every third between them.
bool deserves_more(uint64_t layer, uint64_t layers) {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

int32_t important_type(const Mixture& mixture, const MixtureModel& model, std::string_view name) {
    const uint64_t layer = layer_of(name);
    const bool four = mixture.dtype == GANTRY_DTYPE_Q4_K;
    const bool medium = mixture.size == 'M';
    if (contains(name, "attn_v.weight")) {
        if (model.experts == 8) {
            return GANTRY_DTYPE_Q8_0;  // small beside eight experts
        }
        if (medium && deserves_more(layer, model.layers)) {
            return GANTRY_DTYPE_Q6_K;
        }
        return four && !medium && layer < 4 ? GANTRY_DTYPE_Q5_K : mixture.dtype;
    }
    if (contains(name, "attn_k.weight") && model.experts == 8) {
        return GANTRY_DTYPE_Q8_0;
    }
    if (contains(name, "ffn_down")) {
        if (medium && deserves_more(layer, model.layers)) {
            return GANTRY_DTYPE_Q6_K;
        }
        return four && !medium && layer < model.layers / 8 ? GANTRY_DTYPE_Q5_K : mixture.dtype;
    }
    if (contains(name, "attn_output.weight") && model.experts == 8 && four) {
        return GANTRY_DTYPE_Q5_K;
    }
    if (contains(name, "attn_qkv.weight") && medium) {
        return four ? GANTRY_DTYPE_Q5_K : GANTRY_DTYPE_Q6_K;
    }
    return mixture.dtype;
}

/// The next type whose blocks fit a row.
int32_t fitting(int32_t dtype, uint64_t row) {
    if (row % dtype_traits(dtype)->block_elements == 0) {
        return dtype;
    }
    const int32_t small = dtype == GANTRY_DTYPE_Q4_K   ? GANTRY_DTYPE_Q5_0
                          : dtype == GANTRY_DTYPE_Q5_K ? GANTRY_DTYPE_Q5_1
                          : dtype == GANTRY_DTYPE_Q6_K ? GANTRY_DTYPE_Q8_0
                                                       : GANTRY_DTYPE_F16;
    return row % dtype_traits(small)->block_elements == 0 ? small : int32_t{GANTRY_DTYPE_F16};
}

}  // namespace

std::span<const Mixture> mixtures() { return kMixtures; }

const Mixture* find_mixture(std::string_view name) {
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
    const auto it = std::ranges::find_if(
        kMixtures, [&](const Mixture& m) { return std::ranges::equal(m.name, name, {}, {}, upper); });
    return it == kMixtures.end() ? nullptr : &*it;
}

std::optional<int32_t> mixture_type(const Mixture& mixture, const MixtureModel& model, std::string_view name,
                                    std::span<const uint64_t> shape) {
    if (shape.size() < 2 || !name.ends_with("weight") ||
        std::ranges::any_of(kKept, [&](std::string_view kept) { return contains(name, kept); })) {
        return std::nullopt;
    }
    int32_t dtype = mixture.dtype;
    const bool blocks = dtype_traits(dtype)->block_elements > 1;
    if (blocks && dtype != GANTRY_DTYPE_Q8_0) {
        const bool output = name == "output.weight" || (model.tied && name == "token_embd.weight");
        dtype = output ? int32_t{GANTRY_DTYPE_Q6_K} : mixture.size != 0 ? important_type(mixture, model, name) : dtype;
    }
    return fitting(dtype, shape.back());
}

}  // namespace gantry::registry
