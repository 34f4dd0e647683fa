#pragma once

/// From a DeviceProvider to a complete plugin.

#include <gantry/backend.h>
#include <gantry/transformer/device.hpp>

#include <memory>

namespace gantry::transformer {

/// The body of gantry_backend_entry: negotiates the version and sets args->backend to a backend that assesses and
/// loads every architecture that the library knows, and whose models offer gantry.causal-lm/1. The provider lives as
/// long as the backend. [main]
///
/// Options of every such plugin, beside the provider's own: "kv_dtype" (f32, f16, bf16, q8_0, q4_0, as far as the
/// device has them) and "threads" (1 to the host's budget).
gantry_error_t* make_backend(gantry_entry_args_t* args, std::unique_ptr<DeviceProvider> provider) noexcept;

}  // namespace gantry::transformer
