#pragma once

/// A backend and its models as C++ classes: derive from Backend and Model, and let the plugin's entry be
///
///     GANTRY_EXPORT gantry_error_t* gantry_backend_entry(gantry_entry_args_t* args) {
///         return gantry::sdk::enter(args, [](gantry::sdk::Host host) { return std::make_unique<MyBackend>(host); });
///     }
///
/// Methods throw gantry::sdk::Error (or anything else, which becomes GANTRY_ERR_INTERNAL).

#include <gantry/backend.h>
#include <gantry/cpp/error.hpp>
#include <gantry/cpp/host.hpp>
#include <gantry/cpp/structs.hpp>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::sdk {

/// One loaded model. Destroyed by the host through the table that export_model makes. [engine]
class Model {
  public:
    virtual ~Model() = default;
    /// Members left 0 mean "none"; strings live as long as the model.
    virtual gantry_model_info_t info() = 0;
    /// Table of an extension, or null. Its functions reach their object with model_cast.
    virtual const void* extension(std::string_view id) = 0;
};

/// What one plugin offers. [main]
class Backend {
  public:
    virtual ~Backend() = default;
    /// As in plugin.toml; both live as long as the backend.
    virtual std::string_view id() const = 0;
    virtual std::string_view version() const = 0;
    virtual const std::vector<gantry_device_t>& devices() = 0;
    /// Why there are no devices, or fewer than expected; may be empty. Lives as long as the backend.
    virtual std::string_view why_no_devices() const { return {}; }
    virtual gantry_assessment_t assess(const gantry_manifest_t* manifest, const gantry_load_spec_t& spec) = 0;
    /// `progress` is a copy whose members may be null.
    virtual std::unique_ptr<Model> load(const gantry_manifest_t* manifest, const gantry_load_spec_t& spec,
                                        const gantry_progress_t& progress) = 0;
    /// Table of a backend-wide extension, or null. [any]
    virtual const void* extension(std::string_view) { return nullptr; }
};

namespace detail {

/// The ABI table is the first member, so that the pointer that the host holds is the object's own.
struct ExportedModel {
    gantry_model_t abi{};
    std::unique_ptr<Model> model;
};

struct ExportedBackend {
    gantry_backend_t abi{};
    std::unique_ptr<Backend> backend;
};

inline Backend& backend_of(gantry_backend_t* self) { return *reinterpret_cast<ExportedBackend*>(self)->backend; }

inline void need(const void* pointer, const char* what) {
    if (pointer == nullptr) throw Error(GANTRY_ERR_INVALID_ARGUMENT, std::string(what) + " is NULL");
}

}  // namespace detail

/// The object behind a model's table; T must be what export_model was given.
template <class T>
T& model_cast(gantry_model_t* self) {
    detail::need(self, "the model");
    return static_cast<T&>(*reinterpret_cast<detail::ExportedModel*>(self)->model);
}

/// Gives the model to the host, whose destroy call deletes it.
inline gantry_model_t* export_model(std::unique_ptr<Model> model) {
    auto exported = std::make_unique<detail::ExportedModel>();
    exported->model = std::move(model);
    gantry_model_t& abi = exported->abi;
    abi.struct_size = GANTRY_SIZE(gantry_model_t, destroy);
    abi.info = [](gantry_model_t* self, gantry_model_info_t* out) {
        return guard([&] {
            detail::need(out, "out");
            gantry_model_info_t info = model_cast<Model>(self).info();
            info.struct_size = GANTRY_SIZE(gantry_model_info_t, plan);
            fill_struct(out, info, GANTRY_SIZE(gantry_model_info_t, plan));
        });
    };
    abi.get_extension = [](gantry_model_t* self, const char* id) -> const void* {
        const void* table = nullptr;
        if (id == nullptr) return nullptr;
        if (auto* error = guard([&] { table = model_cast<Model>(self).extension(id); })) error->destroy(error);
        return table;
    };
    abi.destroy = [](gantry_model_t* self) { delete reinterpret_cast<detail::ExportedModel*>(self); };
    return &exported.release()->abi;
}

/// Gives the backend to the host, whose destroy call deletes it.
inline gantry_backend_t* export_backend(std::unique_ptr<Backend> backend) {
    auto exported = std::make_unique<detail::ExportedBackend>();
    exported->backend = std::move(backend);
    gantry_backend_t& abi = exported->abi;
    abi.struct_size = GANTRY_SIZE(gantry_backend_t, destroy);
    abi.id = to_abi(exported->backend->id());
    abi.version = to_abi(exported->backend->version());
    abi.devices = [](gantry_backend_t* self, const gantry_device_t** out, uint32_t* count, gantry_str_t* why) {
        return guard([&] {
            detail::need(out, "out");
            detail::need(count, "count");
            const auto& devices = detail::backend_of(self).devices();
            *out = devices.data();
            *count = static_cast<uint32_t>(devices.size());
            if (why != nullptr) *why = to_abi(detail::backend_of(self).why_no_devices());
        });
    };
    abi.assess = [](gantry_backend_t* self, const gantry_manifest_t* manifest, const gantry_load_spec_t* spec,
                    gantry_assessment_t* out) {
        return guard([&] {
            detail::need(out, "out");
            gantry_assessment_t assessment = detail::backend_of(self).assess(manifest, read_struct(spec));
            assessment.struct_size = GANTRY_SIZE(gantry_assessment_t, max_context);
            fill_struct(out, assessment, GANTRY_SIZE(gantry_assessment_t, max_context));
        });
    };
    abi.load = [](gantry_backend_t* self, const gantry_manifest_t* manifest, const gantry_load_spec_t* spec,
                  const gantry_progress_t* progress, gantry_model_t** out) {
        return guard([&] {
            detail::need(out, "out");
            *out = export_model(detail::backend_of(self).load(manifest, read_struct(spec), read_struct(progress)));
        });
    };
    abi.get_extension = [](gantry_backend_t* self, const char* id) -> const void* {
        const void* table = nullptr;
        if (id == nullptr) return nullptr;
        if (auto* error = guard([&] { table = detail::backend_of(self).extension(id); })) error->destroy(error);
        return table;
    };
    abi.destroy = [](gantry_backend_t* self) { delete reinterpret_cast<detail::ExportedBackend*>(self); };
    return &exported.release()->abi;
}

inline std::string version_text(uint32_t version) {
    return std::to_string(GANTRY_VERSION_MAJOR(version)) + "." + std::to_string(GANTRY_VERSION_MINOR(version));
}

/// The newest version within both ranges. Throws FAILED_PRECONDITION with both ranges where they do not meet or the
/// majors differ, and INVALID_ARGUMENT where the host's structs are too small to be its own version's.
inline uint32_t negotiate(const gantry_entry_args_t* args, uint32_t plugin_min = GANTRY_ABI_VERSION,
                          uint32_t plugin_max = GANTRY_ABI_VERSION) {
    detail::need(args, "the entry's args");
    if (args->struct_size < GANTRY_SIZE(gantry_entry_args_t, backend)) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT,
                    "the entry's args have " + std::to_string(args->struct_size) + " bytes, at least " +
                        std::to_string(GANTRY_SIZE(gantry_entry_args_t, backend)) + " expected");
    }
    const uint32_t newest = std::min(args->host_abi_max, plugin_max);
    if (args->host_abi_min > args->host_abi_max || newest < args->host_abi_min || newest < plugin_min ||
        GANTRY_VERSION_MAJOR(newest) != GANTRY_VERSION_MAJOR(plugin_max)) {
        throw Error(GANTRY_ERR_FAILED_PRECONDITION,
                    "the host speaks plugin ABI " + version_text(args->host_abi_min) + " to " +
                        version_text(args->host_abi_max) + ", this plugin " + version_text(plugin_min) + " to " +
                        version_text(plugin_max),
                    args->host_abi_max < plugin_min ? "update the host or install an older plugin"
                                                    : "install a plugin that was built for this host");
    }
    const gantry_host_t* host = args->host;
    if (host != nullptr && host->struct_size < GANTRY_SIZE(gantry_host_t, get_extension)) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the host's table has " + std::to_string(host->struct_size) +
                                                     " bytes, at least " +
                                                     std::to_string(GANTRY_SIZE(gantry_host_t, get_extension)) +
                                                     " expected for ABI " + version_text(newest));
    }
    return newest;
}

/// A plugin's whole entry: negotiates and, on success, sets the out members to what `make(Host)` gives.
template <class MakeBackend>
gantry_error_t* enter(gantry_entry_args_t* args, MakeBackend&& make) noexcept {
    return guard([&] {
        const uint32_t version = negotiate(args);
        gantry_backend_t* backend = export_backend(make(Host(args->host)));
        args->plugin_abi = version;
        args->backend = backend;
    });
}

}  // namespace gantry::sdk
