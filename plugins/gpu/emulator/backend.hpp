#pragma once

/// The emulator as a gpu::Backend; device memory is the host's.

#include <memory>

#include "plugins/gpu/backend.hpp"
#include "plugins/gpu/emulator/emulator.hpp"

namespace gantry::gpu::emulator {

/// warp_size is 32 or 64.
std::unique_ptr<Backend> make_backend(uint32_t warp_size, Checks checks);

}  // namespace gantry::gpu::emulator
