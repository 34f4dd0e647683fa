#include <gantry/cpp/error.hpp>

#include <utility>

#include "plugins/gpu/provider.hpp"

GANTRY_EXPORT gantry_error_t* gantry_backend_entry(gantry_entry_args_t* args) {
    std::unique_ptr<gantry::transformer::DeviceProvider> provider;
    const auto make = [&] { provider = gantry::gpu::make_provider(gantry::gpu::make_runtime()); };
    if (auto* error = gantry::sdk::guard(make)) return error;
    return gantry::transformer::make_backend(args, std::move(provider));
}
