#include <gantry/cpp/error.hpp>
#include <gantry/transformer/adapter.hpp>

#include <utility>

#include "plugins/cpu/provider.hpp"

GANTRY_EXPORT gantry_error_t* gantry_backend_entry(gantry_entry_args_t* args) {
    std::unique_ptr<gantry::transformer::DeviceProvider> provider;
    const auto make = [&] {
        provider = std::make_unique<gantry::cpu::CpuProvider>(args == nullptr ? nullptr : args->host);
    };
    if (auto* error = gantry::sdk::guard(make)) return error;
    return gantry::transformer::make_backend(args, std::move(provider));
}
