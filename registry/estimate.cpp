#include "registry/estimate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "registry/architectures.hpp"
#include "registry/encoders.hpp"

namespace gantry::registry {
namespace {

/// Longer names first: the first that the quantisation begins with counts.
constexpr std::array<std::pair<std::string_view, double>, 36> kGguf{{
    {"IQ1_S", 1.6},   {"IQ1_M", 1.8},  {"IQ2_XXS", 2.1}, {"IQ2_XS", 2.4}, {"IQ2_S", 2.5},  {"IQ2_M", 2.7},
    {"IQ3_XXS", 3.1}, {"IQ3_XS", 3.3}, {"IQ3_S", 3.5},   {"IQ3_M", 3.7},  {"IQ4_XS", 4.3}, {"IQ4_NL", 4.5},
    {"Q2_K_L", 3.1},  {"Q2_K_S", 2.9}, {"Q2_K", 3.0},    {"Q3_K_S", 3.5}, {"Q3_K_L", 4.3}, {"Q3_K_XL", 4.4},
    {"Q3_K", 3.9},    {"Q4_0", 4.6},   {"Q4_1", 5.0},    {"Q4_K_S", 4.6}, {"Q4_K_L", 5.0}, {"Q4_K", 4.9},
    {"Q5_0", 5.5},    {"Q5_1", 6.0},   {"Q5_K_S", 5.5},  {"Q5_K", 5.7},   {"Q6", 6.6},     {"Q8", 8.5},
    {"MXFP4", 4.3},   {"BF16", 16.0},  {"F16", 16.0},    {"FP16", 16.0},  {"F32", 32.0},   {"FP32", 32.0},
}};

std::string upper(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return out;
}

/// The first number in a name: 4 of "Int4-W4A16", "4bit" and "nvfp4"; 0 where there is none.
int first_number(std::string_view name) {
    const size_t at = name.find_first_of("0123456789");
    int out = 0;
    if (at != std::string_view::npos) {
        std::from_chars(name.data() + at, name.data() + name.size(), out);
    }
    return out;
}

}  // namespace

double bits_per_weight(std::string_view format, std::string_view quantization) {
    std::string name = upper(quantization);
    if (format == "gguf") {
        if (name.starts_with("UD-")) {
            name.erase(0, 3);
        }
        const auto it = std::ranges::find_if(kGguf, [&](const auto& known) { return name.starts_with(known.first); });
        return it == kGguf.end() ? 16.0 : it->second;
    }
    const int bits = first_number(name.empty() || name == "NONE" ? format : name);
    if (bits == 0) {
        return format == "awq" || format == "gptq" || format == "bnb" ? 4.3 : 16.0;
    }
    return bits >= 16 ? bits : bits + (format == "mlx" ? 0.5 : 0.25);
}

int64_t weight_bytes(const ModelSpec& spec, const std::string& quantization) {
    double billions = 0;
    const std::string size = normalized_size(spec.size_in_billions);
    std::from_chars(size.data(), size.data() + size.size(), billions);
    return static_cast<int64_t>(billions * 1e9 * bits_per_weight(spec.format, quantization) / 8);
}

std::optional<Choice> best_fit(const CatalogEntry& entry, uint64_t memory) {
    std::optional<Choice> best;
    const auto rank = [](const Choice& c) {
        constexpr std::array<std::string_view, 4> kUsual{"Q4_K_M", "Q5_K_M", "Q8_0", "Q4_0"};
        const auto at = std::ranges::find_if(kUsual, [&](auto q) { return equal_ignoring_case(q, c.quantization); });
        return at - kUsual.begin();
    };
    const auto size = [](const Choice& c) { return weight_bytes(*c.spec, "F16"); };
    for (const ModelSpec& spec : entry.specs) {
        if (spec.format != "gguf" && spec.format != "safetensors") {
            continue;
        }
        const std::vector<std::string> all =
            spec.quantizations.empty() ? std::vector<std::string>{""} : spec.quantizations;
        for (const std::string& quantization : all) {
            const Choice choice{&spec, quantization, weight_bytes(spec, quantization)};
            if (choice.bytes == 0 || static_cast<double>(choice.bytes) * 1.2 > static_cast<double>(memory)) {
                continue;
            }
            // What is left of a large model at two bits a weight is worse than a smaller one at four.
            if (spec.format == "gguf" && bits_per_weight(spec.format, quantization) < 4) {
                continue;
            }
            if (!best || size(choice) > size(*best) || (size(choice) == size(*best) && rank(choice) < rank(*best))) {
                best = choice;
            }
        }
    }
    return best;
}

bool architecture_known(const CatalogEntry& entry) {
    if (entry.architectures.empty()) {
        return entry.kind == ModelKind::kLlm || entry.kind == ModelKind::kEmbedding || entry.kind == ModelKind::kRerank;
    }
    return find_hf_encoder(entry.architectures, "").has_value() ||
           find_hf_architecture(entry.architectures, "", "catalog").has_value();
}

}  // namespace gantry::registry
