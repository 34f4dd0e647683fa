#pragma once

/// The catalog: models known by name, with where their files can be found. Data only; files are found by Registry.

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::registry {

enum class ModelKind { kLlm, kEmbedding, kRerank, kImage, kAudio, kVideo, kFlexible };

/// As in Xinference's API: "LLM", "embedding", "rerank", "image", "audio", "video", "flexible".
std::string_view model_kind_name(ModelKind kind);
std::optional<ModelKind> model_kind_from_name(std::string_view name);

/// One published form of a model: a size in a format, in several quantisations perhaps.
struct ModelSpec {
    std::string format;                      ///< one of kFormats
    std::string size_in_billions;            ///< parameters: "0.5", "7"; empty: not known
    std::string activated_in_billions;       ///< of a mixture of experts: parameters that a token passes through
    std::vector<std::string> quantizations;  ///< as in the files' names; empty where there is only one form
    std::map<std::string, std::string>
        hubs;                              ///< "huggingface" → "Qwen/Qwen3-0.6B-GGUF", "{quantization}" perhaps in it
    std::string revision;                  ///< of the Hugging Face repository; empty: main
    std::string file;                      ///< name in the repository, "{quantization}" replaced; GGUF only
    std::string split_file;                ///< the same of split quantisations, with "{part}"; empty: as llama.cpp does
    std::map<std::string, int64_t> parts;  ///< quantization → number of files, where it is split
    std::string path;                      ///< of built-in models, relative to the share folder

    /// The name of the (first) file for a quantisation.
    std::string file_for(const std::string& quantization) const;
    /// The repository of a quantisation on a hub; empty where the hub has none.
    std::string repository(std::string_view hub, const std::string& quantization) const;
    /// Whether a plugin that reads GGUF or safetensors may run it; else only one that says so by itself.
    bool for_any_machine() const { return format != "mlx" && format != "other"; }
};

/// "gguf" is one file (or its parts), all others are folders: "safetensors" unquantised, those behind it quantised
/// safetensors, "mlx" for Apple's machines, "other" what only some plugin knows.
inline constexpr std::array<std::string_view, 9> kFormats{"gguf", "safetensors", "fp8", "awq",  "gptq",
                                                          "fp4",  "bnb",         "mlx", "other"};

struct CatalogEntry {
    std::string name;
    std::vector<std::string> aliases;
    ModelKind kind = ModelKind::kLlm;
    std::string description;
    int64_t context_length = 0;
    int64_t dimensions = 0;              ///< of an embedding's vectors
    std::string family;                  ///< what kind of reranker, audio or image model it is
    std::vector<std::string> abilities;  ///< "chat", "generate", "tools", "reasoning", ...
    std::vector<std::string> languages;
    std::vector<std::string> architectures;  ///< classes as in config.json
    std::vector<std::string> stop;           ///< texts that end an answer, as the publisher lists them
    std::vector<int64_t> stop_token_ids;
    std::string licence;
    std::string tool_parser, reasoning_parser;  ///< as at launch; empty: as the chat template shows
    std::vector<ModelSpec> specs;               ///< in order of preference
    bool built_in = false;                      ///< from the catalog's files, not registered by a user
};

/// "0_5" and "0.5" mean the same.
std::string normalized_size(std::string_view size);
/// "ggufv2" is "gguf", "pytorch" is "safetensors"; others are unchanged.
std::string normalized_format(std::string_view format);
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// A set of entries with unique names and aliases. Not synchronised: one owner, or immutable and shared.
class Catalog {
  public:
    /// Reads every *.toml file of a folder in alphabetical order. Syntax errors, unknown keys, wrong types and names
    /// given twice are kInvalidArgument with file and line. A folder that does not exist gives an empty catalog.
    static Result<Catalog> load(const std::filesystem::path& folder);

    /// kAlreadyExists if the name or an alias is taken, kInvalidArgument if it is not usable as a name.
    Status add(CatalogEntry entry);
    /// kNotFound for an unknown name.
    Status remove(std::string_view name);

    /// By name or alias; an exact match first, then without regard to case. nullptr if there is none.
    const CatalogEntry* find(std::string_view name) const;
    const std::vector<CatalogEntry>& entries() const { return entries_; }
    /// Names that look like `name`, best first.
    std::vector<std::string> nearest(std::string_view name, size_t limit = 3) const;

  private:
    std::vector<CatalogEntry> entries_;
};

}  // namespace gantry::registry
