#pragma once

/// What each supported architecture calls its hyperparameters and tensors in GGUF and in Hugging Face files, as tables,
/// and the translation into the canonical vocabulary (docs/sdk/vocabulary.md).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "registry/hyper_source.hpp"
#include "registry/manifest.hpp"

namespace gantry::registry {

enum class FileKind { kGguf, kHuggingFace };

/// A tensor dimension in terms of hyperparameters. kNone: the tensor is a vector.
enum class Dim {
    kNone,
    kVocab,
    kHidden,
    kQuery,
    kKeyValue,
    kQkv,  ///< queries, keys and values together
    kHead,
    kFfn,
    kPositions,
    kExperts,
    kExpertFfn,
    kSharedFfn,
    kOne,
};

/// What an architecture does with a module's bias.
enum class Bias { kNone, kOptional, kRequired };

/// Which layers have a module, in models of which only some layers have experts.
enum class LayerKind { kAll, kDense, kExperts };

/// Consecutive rows of a file's tensor that are a module of their own.
struct ModulePart {
    std::string_view canonical;
    Dim out = Dim::kNone;
};

/// A module with a weight (and a bias, perhaps), global or in every layer. Names are without ".weight"; a '*' stands
/// for an expert's number. A rule without a name for a kind of file is not for that kind.
struct ModuleRule {
    std::string_view canonical;  ///< "attn_q"; in a layer the full name is "layers.N.attn_q.weight"
    std::string_view gguf;       ///< "attn_q" ("blk.N.")
    std::string_view hf;         ///< "self_attn.q_proj" ("model.layers.N.")
    Dim out = Dim::kNone;
    Dim in = Dim::kNone;
    Bias bias = Bias::kNone;
    bool required = true;
    /// What the rows are, where they are several modules; `canonical` is empty then.
    std::span<const ModulePart> parts = {};
    bool stacked = false;  ///< the tensors of all experts one after the other, [experts, out, in]
    bool turned = false;   ///< in Hugging Face's files [in, out]
    bool whole = false;    ///< the names are whole, without ".weight" or ".bias" to come
    LayerKind layers = LayerKind::kAll;
};

/// A hyperparameter that a family has always.
struct Constant {
    std::string_view canonical;
    std::variant<int64_t, double, bool, std::string_view> value;
    std::optional<FileKind> only = std::nullopt;  ///< in files of this kind
};

/// An optional hyperparameter under another name; of several names, separated by '|', the first that a file has counts.
struct HyperRule {
    enum class Kind { kNumber, kReciprocal, kInteger, kFlag };
    std::string_view canonical;
    std::string_view gguf;
    std::string_view hf;
    Kind kind = Kind::kNumber;
};

/// Computes what tables cannot say.
using Adjust = Status (*)(const HyperSource& source, bool gguf, ModelManifest& out);

struct Architecture {
    std::string_view name;             ///< canonical, and GGUF's general.architecture
    std::string_view hf_class;         ///< in config.json's `architectures`
    std::string_view gguf_rope_style;  ///< empty: no GGUF file has this architecture
    std::span<const ModuleRule> global_modules;
    std::span<const ModuleRule> layer_modules;
    /// `use_sliding_window` in config.json switches the window on (Qwen); else `sliding_window` alone does.
    bool hf_window_needs_switch = false;
    std::string_view gguf_name = {};               ///< general.architecture, where it is not `name`
    std::string_view hf_base = "model.";           ///< what the names of a model without its head lack
    std::string_view hf_layers = "model.layers.";  ///< before a layer's number
    std::string_view hf_rope_style = "half";       ///< in Hugging Face's files
    std::span<const Constant> constants = {};
    std::span<const HyperRule> numbers = {};
    Adjust adjust = nullptr;
    uint32_t window_period = 0;  ///< every so many layers one without the window; 0: all have it
    uint32_t ffn_multiple = 0;   ///< of hidden_size, what ffn_size is where the file does not say
    bool has_experts = false;
    bool two_norms = false;  ///< the variant of Falcon with a norm for each branch
};

std::span<const Architecture> architectures();

/// kUnimplemented, naming the unknown one and those that are supported.
Result<const Architecture*> find_gguf_architecture(std::string_view name, std::string_view file);
/// By class ("LlamaForCausalLM", or "LlamaModel" of an embedder), else, where `classes` is empty, by `model_type`.
Result<const Architecture*> find_hf_architecture(std::span<const std::string> classes, std::string_view model_type,
                                                 std::string_view file);

/// A tensor as its file names it.
struct SourceTensor {
    std::string_view name;
    int32_t dtype = 0;
    std::span<const uint64_t> shape;
    uint32_t file = 0;
    uint64_t offset = 0;
    uint64_t nbytes = 0;
    uint64_t info_offset = 0;  ///< of its description, for messages
    std::string_view origin;   ///< path of its file, for messages
};

/// What GGUF files keep of the rotation in tensors; empty where the file has none.
struct RotaryTables {
    std::vector<double> divisors;       ///< rope_freqs.weight
    std::vector<double> short_factors;  ///< rope_factors_short.weight: LongRoPE, with the long ones or not at all
    std::vector<double> long_factors;   ///< rope_factors_long.weight
};

/// Fills architecture, hyper, tensors, parameter_count, context_length and quantization of `out`. Reports missing keys
/// and tensors, tensors that the architecture does not have, and shapes that contradict the hyperparameters (kDataLoss
/// or kUnimplemented, with file and offset). Where out.encoder says that the model is an embedder, it has no output
/// head.
Status translate(const Architecture& architecture, FileKind kind, const HyperSource& source,
                 std::span<const SourceTensor> tensors, RotaryTables rotary, ModelManifest& out);

/// The hyperparameters alone (the first half of translate). `tensor_count` bounds what a damaged file may claim;
/// `vocab_size` is the number of rows of the token embedding, `has_output` whether there is a separate output head.
Status translate_hyper(const Architecture& architecture, FileKind kind, const HyperSource& source,
                       uint64_t tensor_count, std::optional<uint64_t> vocab_size, bool has_output, ModelManifest& out);

/// config.json's name of an activation ("gelu_new") as the vocabulary's; kUnimplemented for others.
Result<std::string> canonical_activation(std::string_view name, const HyperSource& source);

/// The sums over `out`'s tensors: parameter_count and quantization.
void sum_up_tensors(ModelManifest& out);

/// Tensors that files carry but no backend needs (precomputed rotary tables and the like).
bool is_ignored_tensor(FileKind kind, std::string_view name);

}  // namespace gantry::registry
