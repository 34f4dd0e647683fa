#pragma once

/// The named mixtures of GGUF files (Q4_K_M and so on): which tensor gets which type. The rules are those that
/// llama.cpp's quantize publishes, so that a name means the same in both programs.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gantry::registry {

struct Mixture {
    std::string_view name;   ///< "Q4_K_M"
    int32_t dtype = 0;       ///< of most tensors
    uint32_t file_type = 0;  ///< number in the key general.file_type
    char size = 0;           ///< 'S' or 'M' where important tensors get more bits
};

std::span<const Mixture> mixtures();
/// By name, letter case aside; nullptr for an unknown one.
const Mixture* find_mixture(std::string_view name);

/// What the rules need to know of the whole model.
struct MixtureModel {
    uint64_t layers = 0;
    uint64_t experts = 0;
    bool tied = false;  ///< no output.weight: the embedding serves as the output too
};

/// The type for a tensor of a model, or nullopt where the tensor stays as it is (norms, biases, routers, positions).
/// Rows that are not whole blocks get the next type that takes them.
std::optional<int32_t> mixture_type(const Mixture& mixture, const MixtureModel& model, std::string_view name,
                                    std::span<const uint64_t> shape);

}  // namespace gantry::registry
