#pragma once

/// Finds, judges and loads backend plugins. The server itself never loads one: `gantry probe` and `gantry runner` do.

#include <gantry/backend.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/manifest.hpp"
#include "runtime/encoder/encoder_model.hpp"
#include "runtime/engine/causal_model.hpp"

namespace gantry::plugins {

/// What plugin.toml says; read before any of the plugin's code runs.
struct PluginFile {
    std::string id;
    std::string version;
    std::string description;
    std::string licence;
    uint32_t abi_min = 0, abi_max = 0;  ///< GANTRY_MAKE_VERSION
    std::filesystem::path folder;
    std::filesystem::path library;  ///< absolute
    std::optional<Error> rejected;  ///< why it will not be loaded
};

struct DeviceInfo {
    uint32_t index = 0;
    std::string kind;  ///< "cpu", "gpu", "accelerator"
    std::string name, features;
    uint64_t memory_total = 0, memory_free = 0;
    bool unified = false;
};

struct LoadSpec {
    std::vector<uint32_t> devices;
    uint32_t block_size = 0;
    uint64_t block_count = 0;
    uint32_t max_step_tokens = 0, max_sequences = 0, max_logit_rows = 0, max_context = 0;
    std::map<std::string, std::string> options;
};

/// `spec` with the limits of a step that this model needs: an encoder takes texts whole, and many of them at once.
LoadSpec spec_for(const registry::ModelManifest& manifest, LoadSpec spec);

struct Assessment {
    int32_t score = 0;
    uint64_t weights_bytes = 0, mapped_bytes = 0, kv_bytes_per_block = 0, scratch_bytes = 0, state_bytes_per_slot = 0;
    uint32_t block_size = 0, max_context = 0;
};

/// Reported from the loading thread. Returning false cancels.
using LoadProgress = std::function<bool(std::string_view stage, uint64_t done, uint64_t total)>;

/// Every plugin folder below these directories, sorted by id, the rejected ones with their reason. A directory that
/// does not exist is skipped. Relative paths, files that others may write, foreign ABI ranges, bad TOML: rejected.
std::vector<PluginFile> discover(const std::vector<std::filesystem::path>& directories);

/// A model by what it does; one of the two is set.
struct AnyModel {
    std::unique_ptr<engine::CausalModel> causal;
    std::unique_ptr<encoder::EncoderModel> encoder;
};

/// A loaded plugin. The library stays mapped for the life of the process. One thread at a time.
class Backend {
  public:
    /// dlopens (RTLD_NOW | RTLD_LOCAL, absolute path), negotiates and keeps the tables.
    static Result<std::unique_ptr<Backend>> load(const PluginFile& file, uint32_t thread_count);
    virtual ~Backend() = default;

    virtual std::string id() const = 0;
    virtual std::string version() const = 0;
    /// Devices, and in `why` the reason where there are none.
    virtual Result<std::vector<DeviceInfo>> devices(std::string& why) = 0;
    virtual Result<Assessment> assess(const registry::ModelManifest& manifest, const LoadSpec& spec) = 0;
    /// Loads a causal language model. The manifest's files stay mapped as long as the model lives.
    virtual Result<std::unique_ptr<engine::CausalModel>> load_causal(
        std::shared_ptr<const registry::ModelManifest> manifest, const LoadSpec& spec, const LoadProgress& progress,
        std::string& plan) = 0;
    /// Loads whatever the model is: a causal language model, or an encoder where it is no such thing.
    virtual Result<AnyModel> load_any(std::shared_ptr<const registry::ModelManifest> manifest, const LoadSpec& spec,
                                      const LoadProgress& progress, std::string& plan) = 0;
    /// Counters and gauges that the plugin has set, by name. Any thread.
    virtual std::map<std::string, double> metrics() const = 0;
};

}  // namespace gantry::plugins
