#pragma once

/// A model as it lies on disk, in one form whatever its file format was. The registry's readers produce it, the
/// runtime hands it to plugins and to the tokenizer, and nothing above the registry looks at model files.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.hpp"
#include "registry/encoder_info.hpp"

namespace gantry::registry {

/// A hyperparameter's value. Names are canonical: see docs/sdk/vocabulary.md.
using HyperValue = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>,
                                std::vector<std::string>>;

/// One tensor; `dtype` is GANTRY_DTYPE_* of <gantry/abi.h>, shape row-major (last dimension fastest, [out, in]).
struct TensorEntry {
    std::string name;  ///< canonical ("layers.3.attn_q.weight")
    int32_t dtype = 0;
    std::vector<uint64_t> shape;
    uint32_t file = 0;    ///< index into ModelManifest::files
    uint64_t offset = 0;  ///< bytes from the start of that file
    uint64_t nbytes = 0;
};

/// The contents of a Hugging Face tokenizer.json and tokenizer_config.json (the latter may be empty).
struct TokenizerJson {
    std::string tokenizer_json;
    std::string tokenizer_config_json;
};

/// A tokenizer from GGUF keys (tokenizer.ggml.*).
struct TokenizerGguf {
    std::string model;  ///< "gpt2", "llama", "t5", "bert"
    std::string pre;    ///< pre-tokenizer name, "llama-bpe", "qwen2", ... ("" where absent)
    std::vector<std::string> tokens;
    std::vector<float> scores;   ///< may be empty
    std::vector<int32_t> types;  ///< ggml token types; may be empty
    std::vector<std::string> merges;
    std::optional<int32_t> bos, eos, eot, unk, pad, sep, cls, mask;
    std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
    std::string precompiled_charsmap;  ///< bytes
};

using TokenizerSource = std::variant<std::monostate, TokenizerJson, TokenizerGguf>;

/// Sampling defaults and end-of-generation ids that the model's publisher gives.
struct GenerationDefaults {
    std::vector<int32_t> eos_token_ids;
    std::optional<double> temperature, top_p, min_p, repetition_penalty;
    std::optional<int64_t> top_k;
};

struct ModelManifest {
    std::string name;          ///< for people
    std::string format;        ///< "gguf" or "safetensors"
    std::string architecture;  ///< canonical: "llama", "qwen3", "bert"
    std::string quantization;  ///< the commonest weight type, "Q4_K", "BF16", ...
    uint64_t parameter_count = 0;
    uint64_t context_length = 0;
    std::map<std::string, HyperValue, std::less<>> hyper;
    std::vector<TensorEntry> tensors;
    std::vector<std::filesystem::path> file_paths;
    std::vector<std::shared_ptr<const MappedFile>> files;  ///< parallel to file_paths
    TokenizerSource tokenizer;
    std::string chat_template;                          ///< the default one; empty where there is none
    std::map<std::string, std::string> chat_templates;  ///< by name, where there are several ("tool_use")
    std::string bos_token, eos_token;                   ///< texts, as template variables
    GenerationDefaults generation;
    std::optional<EncoderInfo> encoder;  ///< of models that give vectors or scores (gantry.encoder/1)

    /// The bytes of a tensor; bounds were checked when the file was read.
    std::span<const std::byte> data(const TensorEntry& t) const;
    const TensorEntry* find(std::string_view tensor_name) const;
    uint64_t weight_bytes() const;  ///< sum over all tensors
};

}  // namespace gantry::registry
