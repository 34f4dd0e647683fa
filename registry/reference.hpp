#pragma once

/// A model as people name it: "qwen3:0.6:q4_k_m", "hf:org/repo@v1:Q4_K_M", "ollama:llama3.2:3b", a path, a URL.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::registry {

enum class Source {
    kName,         ///< of the catalog, or a path: which of them only the machine knows
    kHuggingFace,  ///< "hf:org/repo[@revision][:file or quantisation]"
    kModelScope,   ///< "ms:" likewise
    kOllama,       ///< "ollama:[namespace/]name[:tag]"
    kFile,         ///< "file:/path" or "file:///path"
    kUrl,          ///< "https://host/path/model.gguf[#sha256=...]"
};

struct Reference {
    Source source = Source::kName;
    std::string name;          ///< the name, "org/repo", the path, or the URL without what is behind "#"
    std::string revision;      ///< branch, tag or commit; Ollama's tag
    std::string file;          ///< in the repository; of a URL its last part
    std::string quantization;  ///< as in files' names
    std::string sha256;        ///< of a URL, where it was given

    /// The folder, below the root of its source, that the Hugging Face layout gives to a repository: of a URL
    /// "url/" and a name made of it.
    std::string repository() const;
};

/// kInvalidArgument says what the form is. What has none of the prefixes is kName, as it is.
Result<Reference> parse_reference(std::string_view text);

/// Whether a file's name in a repository may be used as a path below a folder: relative, no "..", no control codes.
bool is_safe_path(std::string_view name);
/// Whether a branch, tag or commit may be the name of a file: as is_safe_path().
bool is_safe_revision(std::string_view revision);

/// Where the files of a source lie: `hub` for Hugging Face's, a folder in `downloads` for others; empty where there is
/// none.
std::filesystem::path store_of(Source source, const std::filesystem::path& hub, const std::filesystem::path& downloads);

}  // namespace gantry::registry
