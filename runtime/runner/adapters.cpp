#include "runtime/runner/adapters.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>

#include "registry/adapter.hpp"
#include "runtime/plugins/manifest_adapter.hpp"

namespace gantry::runner {

Result<std::function<Result<uint32_t>(engine::CausalModel&)>> open_adapter(const std::string& path) {
    if (::access(path.c_str(), R_OK) != 0 && (errno == EACCES || errno == EPERM)) {
        return Error{Code::kPermissionDenied, "the model's process may not read the adapter " + path,
                     "launch the model with the folder above it in 'adapter_dirs'"};
    }
    auto manifest = registry::load_adapter(path);
    if (!manifest) {
        return manifest.error().code == Code::kPermissionDenied
                   ? Error{Code::kPermissionDenied, manifest.error().message,
                           "launch the model with the folder above the adapter in 'adapter_dirs'"}
                   : manifest.error();
    }
    const auto shown = std::make_shared<plugins::ManifestAdapter>(
        std::make_shared<const registry::ModelManifest>(std::move(*manifest)), plugins::ManifestAdapter::Data::kMapped);
    return std::function<Result<uint32_t>(engine::CausalModel&)>(
        [shown](engine::CausalModel& model) { return model.load_adapter(*shown->table(), 1.0); });
}

}  // namespace gantry::runner
