#include <gantry/backend.h>

#include <mutex>
#include <utility>

#include "runtime/plugins/abi_convert.hpp"
#include "runtime/plugins/host_table.hpp"
#include "runtime/plugins/library.hpp"
#include "runtime/plugins/manifest_adapter.hpp"
#include "runtime/plugins/plugin.hpp"
#include "runtime/plugins/plugin_encoder.hpp"
#include "runtime/plugins/plugin_model.hpp"

namespace gantry::plugins {
namespace {

/// The oldest contract that this host speaks. The newest is GANTRY_ABI_VERSION.
constexpr uint32_t kHostAbiMin = GANTRY_MAKE_VERSION(0, 9);

Error broken(const std::string& id, std::string_view what) {
    return {Code::kInternal, "plugin '" + id + "' breaks the contract: " + std::string(what),
            "report this to the plugin's author"};
}

/// A plugin that said hello: its table and the host that it talks to. Models keep it alive.
struct LoadedPlugin {
    LoadedPlugin(const std::string& id, uint32_t thread_count) : host(id, thread_count) {}
    LoadedPlugin(const LoadedPlugin&) = delete;
    LoadedPlugin& operator=(const LoadedPlugin&) = delete;
    ~LoadedPlugin() {
        if (backend != nullptr) {
            try {
                backend->destroy(backend);
            } catch (...) {  // against the contract, and nobody is left to tell
            }
        }
    }

    HostTable host;
    gantry_backend_t* backend = nullptr;
};

Status check_backend(const std::string& id, const gantry_backend_t* backend) {
    if (backend == nullptr) {
        return broken(id, "its entry reported success without a backend");
    }
    const std::pair<const char*, bool> required[] = {
        {"id", GANTRY_COVERS(backend, gantry_backend_t, id)},
        {"version", GANTRY_COVERS(backend, gantry_backend_t, version)},
        {"devices", GANTRY_HAS(backend, gantry_backend_t, devices)},
        {"assess", GANTRY_HAS(backend, gantry_backend_t, assess)},
        {"load", GANTRY_HAS(backend, gantry_backend_t, load)},
        {"destroy", GANTRY_HAS(backend, gantry_backend_t, destroy)},
    };
    for (const auto& [name, present] : required) {
        if (!present) {
            return broken(id, std::string("its backend has no ") + name);
        }
    }
    if (from_abi(backend->id) != id) {
        return broken(id, "its library calls itself '" + std::string(from_abi(backend->id)) + "'");
    }
    return ok();
}

Status check_version(const std::string& id, uint32_t chosen) {
    if (chosen < kHostAbiMin || chosen > GANTRY_ABI_VERSION) {
        return Error{Code::kFailedPrecondition, "plugin '" + id + "' answered with plugin contract " +
                                                    version_text(chosen) + " where " + version_text(kHostAbiMin) +
                                                    " to " + version_text(GANTRY_ABI_VERSION) + " was offered"};
    }
    return ok();
}

const char* kind_name(int32_t kind) {
    switch (kind) {
        case GANTRY_DEVICE_CPU:
            return "cpu";
        case GANTRY_DEVICE_GPU:
            return "gpu";
        default:
            return "accelerator";
    }
}

/// A LoadSpec in the contract's form; borrows from it.
class SpecAdapter {
  public:
    explicit SpecAdapter(const LoadSpec& spec) {
        for (const auto& [key, value] : spec.options) {
            options_.push_back({to_abi(key), to_abi(value)});
        }
        table_ = {};
        table_.struct_size = GANTRY_SIZE(gantry_load_spec_t, options);
        table_.device_count = static_cast<uint32_t>(spec.devices.size());
        table_.devices = spec.devices.data();
        table_.block_size = spec.block_size;
        table_.block_count = spec.block_count;
        table_.max_step_tokens = spec.max_step_tokens;
        table_.max_sequences = spec.max_sequences;
        table_.max_logit_rows = spec.max_logit_rows;
        table_.max_context = spec.max_context;
        table_.option_count = static_cast<uint32_t>(options_.size());
        table_.options = options_.data();
    }
    SpecAdapter(const SpecAdapter&) = delete;
    SpecAdapter& operator=(const SpecAdapter&) = delete;
    const gantry_load_spec_t* table() const { return &table_; }

  private:
    std::vector<gantry_option_t> options_;
    gantry_load_spec_t table_;
};

/// A LoadProgress in the contract's form. The plugin's workers may report too, one at a time.
class ProgressAdapter {
  public:
    explicit ProgressAdapter(const LoadProgress& progress) : progress_(progress) {
        table_ = {GANTRY_SIZE(gantry_progress_t, report), 0, this, &ProgressAdapter::keep_going,
                  &ProgressAdapter::report};
    }
    ProgressAdapter(const ProgressAdapter&) = delete;
    ProgressAdapter& operator=(const ProgressAdapter&) = delete;
    const gantry_progress_t* table() const { return &table_; }

  private:
    static int32_t keep_going(void* ctx) {
        auto& self = *static_cast<ProgressAdapter*>(ctx);
        const std::lock_guard lock(self.mutex_);
        self.ask(self.stage_, self.done_, self.total_);
        return self.stopped_ ? 0 : 1;
    }
    static void report(void* ctx, gantry_str_t stage, uint64_t done, uint64_t total) {
        auto& self = *static_cast<ProgressAdapter*>(ctx);
        const std::lock_guard lock(self.mutex_);
        self.stage_ = from_abi(stage), self.done_ = done, self.total_ = total;
        self.ask(self.stage_, done, total);
    }
    void ask(std::string_view stage, uint64_t done, uint64_t total) noexcept {
        try {
            stopped_ = stopped_ || (progress_ && !progress_(stage, done, total));
        } catch (...) {
            stopped_ = true;
        }
    }

    const LoadProgress& progress_;
    std::mutex mutex_;
    std::string stage_;
    uint64_t done_ = 0, total_ = 0;
    bool stopped_ = false;
    gantry_progress_t table_;
};

class PluginBackend final : public Backend {
  public:
    explicit PluginBackend(std::shared_ptr<LoadedPlugin> plugin) : plugin_(std::move(plugin)) {}

    std::string id() const override { return std::string(from_abi(table()->id)); }
    std::string version() const override { return std::string(from_abi(table()->version)); }
    std::map<std::string, double> metrics() const override { return plugin_->host.metrics(); }

    Result<std::vector<DeviceInfo>> devices(std::string& why) override {
        const gantry_device_t* list = nullptr;
        uint32_t count = 0;
        gantry_str_t reason{nullptr, 0};
        GANTRY_CHECK_OK(call_plugin("devices", [&] { return table()->devices(table(), &list, &count, &reason); }));
        why = from_abi(reason);
        std::vector<DeviceInfo> out;
        // The array's stride is the plugin's own struct size, which may be larger than ours.
        const char* at = reinterpret_cast<const char*>(list);
        for (uint32_t i = 0; i < count && list != nullptr; ++i) {
            const auto* device = reinterpret_cast<const gantry_device_t*>(at);
            if (!GANTRY_COVERS(device, gantry_device_t, memory_free)) {
                return broken(id(), "its device " + std::to_string(i) + " is too short");
            }
            out.push_back({device->index, kind_name(device->kind), std::string(from_abi(device->name)),
                           std::string(from_abi(device->features)), device->memory_total, device->memory_free,
                           device->unified != 0});
            at += device->struct_size;
        }
        return out;
    }

    Result<Assessment> assess(const registry::ModelManifest& manifest, const LoadSpec& spec) override {
        // Not owned: the call returns before the reference ends.
        const std::shared_ptr<const registry::ModelManifest> borrowed(std::shared_ptr<void>(), &manifest);
        const ManifestAdapter adapter(borrowed, ManifestAdapter::Data::kHidden);
        const SpecAdapter spec_adapter(spec);
        gantry_assessment_t out{};
        out.struct_size = GANTRY_SIZE(gantry_assessment_t, max_context);
        GANTRY_CHECK_OK(call_plugin(
            "assess", [&] { return table()->assess(table(), adapter.table(), spec_adapter.table(), &out); }));
        if (out.block_size == 0 || out.max_context == 0) {
            return broken(id(), "assess left block_size or max_context at 0");
        }
        return Assessment{out.score,         out.weights_bytes,        out.mapped_bytes, out.kv_bytes_per_block,
                          out.scratch_bytes, out.state_bytes_per_slot, out.block_size,   out.max_context};
    }

    Result<std::unique_ptr<engine::CausalModel>> load_causal(std::shared_ptr<const registry::ModelManifest> manifest,
                                                             const LoadSpec& spec, const LoadProgress& progress,
                                                             std::string& plan) override {
        GANTRY_TRY(Raw raw, load_raw(std::move(manifest), spec, progress));
        return wrap_causal_model(raw.model, plugin_, std::move(raw.manifest), plan);
    }

    Result<AnyModel> load_any(std::shared_ptr<const registry::ModelManifest> manifest, const LoadSpec& spec,
                              const LoadProgress& progress, std::string& plan) override {
        GANTRY_TRY(Raw raw, load_raw(std::move(manifest), spec, progress));
        return wrap_any_model(raw.model, plugin_, std::move(raw.manifest), plan);
    }

  private:
    /// What load gave, unjudged; whoever wraps it destroys it.
    struct Raw {
        gantry_model_t* model = nullptr;
        std::unique_ptr<ManifestAdapter> manifest;
    };
    Result<Raw> load_raw(std::shared_ptr<const registry::ModelManifest> manifest, const LoadSpec& spec,
                         const LoadProgress& progress) {
        Raw raw;
        raw.manifest = std::make_unique<ManifestAdapter>(std::move(manifest), ManifestAdapter::Data::kMapped);
        const SpecAdapter spec_adapter(spec);
        ProgressAdapter progress_adapter(progress);
        GANTRY_CHECK_OK(call_plugin("load", [&] {
            return table()->load(table(), raw.manifest->table(), spec_adapter.table(), progress_adapter.table(),
                                 &raw.model);
        }));
        return raw;
    }

    gantry_backend_t* table() const { return plugin_->backend; }

    std::shared_ptr<LoadedPlugin> plugin_;
};

}  // namespace

Result<std::unique_ptr<Backend>> Backend::load(const PluginFile& file, uint32_t thread_count) {
    if (file.rejected) {
        return *file.rejected;
    }
    GANTRY_TRY(const gantry_backend_entry_fn entry, open_plugin_library(file.library));
    auto plugin = std::make_shared<LoadedPlugin>(file.id, thread_count);
    gantry_entry_args_t args{};
    args.struct_size = GANTRY_SIZE(gantry_entry_args_t, backend);
    args.host_abi_min = kHostAbiMin;
    args.host_abi_max = GANTRY_ABI_VERSION;
    args.host = plugin->host.table();
    if (auto status = call_plugin("its entry", [&] { return entry(&args); }); !status) {
        return status.error().in("plugin '" + file.id + "'");
    }
    // The version first: what the rest of the answer means depends on it.
    GANTRY_CHECK_OK(check_version(file.id, args.plugin_abi));
    GANTRY_CHECK_OK(check_backend(file.id, args.backend));
    plugin->backend = args.backend;
    return std::unique_ptr<Backend>(std::make_unique<PluginBackend>(std::move(plugin)));
}

}  // namespace gantry::plugins
