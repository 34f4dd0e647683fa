#pragma once

/// Bidirectional encoders (BERT and what came of it): what each family calls its hyperparameters and tensors, and the
/// translation into the canonical vocabulary (docs/sdk/vocabulary.md).

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "registry/architectures.hpp"

namespace gantry::registry {

/// Several tensors in one, [a + b, in]: cut into equal parts, which lie one after the other in the file.
struct EncoderModule {
    /// "attn_q", or of a fused one the parts in order: "attn_q attn_k attn_v".
    std::string_view canonical;
    std::string_view hf;    ///< within the layer's prefix; empty: not in such files
    std::string_view gguf;  ///< likewise
};

enum class EncoderHead { kNone, kClassification };

struct EncoderFamily {
    std::string_view name;            ///< canonical: "bert"
    std::string_view model_types;     ///< in config.json, by spaces
    std::string_view stem;            ///< of its classes: "Bert" of "BertModel"
    std::string_view prefix;          ///< of the names in files that hold more than the base model: "bert."
    std::string_view layer_prefixes;  ///< "encoder.layer.", by spaces
    std::string_view gguf{};          ///< general.architecture; empty: no GGUF file has it
    std::span<const EncoderModule> modules;
    std::span<const EncoderModule> layer_modules;
    std::string_view head_activation = "tanh";  ///< between the two layers of the classification head
    double default_norm_eps = 1e-12;            ///< where config.json does not say
    std::string_view gguf_activation{};         ///< GGUF files do not say
    bool pre_norm = false;
    bool positions_after_padding = false;  ///< the position table begins with unused rows, to the padding id (RoBERTa)
    double rope_theta = 0;                 ///< default base of rotary positions; 0: a table of positions instead
    double local_theta = 0;                ///< that of layers with a window; 0: no layer has one
};

std::span<const EncoderFamily> encoder_families();

/// A family with what the class says about the head.
struct EncoderMatch {
    const EncoderFamily* family = nullptr;
    EncoderHead head = EncoderHead::kNone;
};

/// Nothing for classes that are no encoder's.
std::optional<EncoderMatch> find_hf_encoder(std::span<const std::string> classes, std::string_view model_type);
std::optional<EncoderMatch> find_gguf_encoder(std::string_view architecture);

/// Fills architecture, hyper, tensors, parameter_count, context_length and quantization of `out`, as translate does
/// for decoders; shapes are checked by the plugin. Tensors of the classification head are taken only with
/// EncoderHead::kClassification.
Status translate_encoder(const EncoderMatch& match, FileKind kind, const HyperSource& source,
                         std::span<const SourceTensor> tensors, ModelManifest& out);

}  // namespace gantry::registry
