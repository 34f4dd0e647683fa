#pragma once

/// Which models exist: resolves what a user typed to files on this machine, and reads those files.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "registry/catalog.hpp"
#include "registry/hf_cache.hpp"
#include "registry/manifest.hpp"

namespace gantry::registry {

struct Reference;

struct RegistryPaths {
    std::filesystem::path share;   ///< share/gantry: built-in models lie below it, its catalog/ is read
    std::filesystem::path hf_hub;  ///< Hugging Face's cache; HfCache::default_hub() is the usual one. Empty: none
    /// What Gantry downloaded from elsewhere, in the same layout; a folder for each source. Empty: none.
    std::filesystem::path downloads{};

    /// Those of this user and machine.
    static RegistryPaths standard(std::filesystem::path share);
};

/// What a user may say besides the name; empty fields choose the first that is on this machine.
struct ResolveOptions {
    std::string format{};            ///< "gguf", "safetensors" (also Xinference's "ggufv2", "pytorch")
    std::string size_in_billions{};  ///< "0.5" or "0_5"
    std::string quantization{};      ///< "Q4_K_M"; without regard to case
};

/// A model whose files are here.
struct ModelRef {
    std::string name;  ///< catalog name, hub id or file name
    ModelKind kind = ModelKind::kLlm;
    std::filesystem::path path;    ///< a GGUF file (of several parts the first) or a folder: for load_manifest
    std::string format;            ///< "gguf" or "safetensors"
    std::string size_in_billions;  ///< empty where the catalog was not asked
    std::string quantization;      ///< likewise
    std::optional<CatalogEntry> entry;
};

/// Not synchronised: resolve() is const and may run concurrently, changes to the catalog may not.
class Registry {
  public:
    /// Reads the catalog below `paths.share`; its errors are those of Catalog::load.
    static Result<Registry> open(RegistryPaths paths);

    /// In this order: a reference with a source ("hf:org/name", see reference.hpp) among what was downloaded from it, a
    /// catalog name (bare words only, "name[:size][:quantization]"), an existing file or folder, a hub id ("org/name")
    /// in the Hugging Face cache. kNotFound for unknown names, with the nearest known ones as hint; kFailedPrecondition
    /// for known models whose files are not on this machine, with what to download; kInvalidArgument where a folder
    /// leaves a choice.
    Result<ModelRef> resolve(std::string_view reference, const ResolveOptions& options = {}) const;

    /// A catalog name with what is behind its colons; nullptr where it is none. What `options` has already stays.
    const CatalogEntry* find_entry(std::string_view reference, ResolveOptions& options) const;

    const Catalog& catalog() const { return catalog_; }
    const RegistryPaths& paths() const { return paths_; }
    Catalog& catalog() { return catalog_; }

  private:
    Registry(RegistryPaths paths, Catalog catalog)
        : paths_(std::move(paths)), hf_cache_(paths_.hf_hub), catalog_(std::move(catalog)) {}
    Result<ModelRef> resolve_entry(const CatalogEntry& entry, const ResolveOptions& options) const;
    std::optional<std::filesystem::path> locate(const ModelSpec& spec, const std::string& quantization) const;

    Result<ModelRef> resolve_download(const Reference& reference, std::string_view text,
                                      const ResolveOptions& options) const;

    RegistryPaths paths_;
    HfCache hf_cache_;
    Catalog catalog_;
};

/// The published forms of a model that a user may mean, and of one of them the quantisations: best first.
std::vector<const ModelSpec*> matching_specs(const CatalogEntry& entry, const ResolveOptions& options);
std::vector<std::string> wanted_quantizations(const ModelSpec& spec, const std::string& wanted);
/// `word` stands in a file's name between separators: "q4_k_m" in "m-q4_k_m.gguf" but not in "m-iq4_k_m.gguf".
bool has_word(std::string_view name, std::string_view word);
/// The quantisations that people want who do not say which: a good compromise first.
const std::vector<std::string>& preferred_quantizations();

/// Picks a folder's model: a GGUF file by quantisation, or the folder itself where it holds safetensors.
Result<std::filesystem::path> model_in_folder(const std::filesystem::path& folder, const ResolveOptions& options);

/// Reads a GGUF file, a folder, or a .safetensors file (with the config.json beside it). Maps the files; copies no
/// weights.
Result<ModelManifest> load_manifest(const std::filesystem::path& path);

}  // namespace gantry::registry
