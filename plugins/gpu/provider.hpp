#pragma once

/// The plugin around a Runtime: what every GPU plugin's entry hands to the transformer library.

#include <gantry/transformer/adapter.hpp>

#include <memory>

#include "plugins/gpu/backend.hpp"

namespace gantry::gpu {

std::unique_ptr<transformer::DeviceProvider> make_provider(std::unique_ptr<Runtime> runtime);
/// Made by each plugin's own source.
std::unique_ptr<Runtime> make_runtime();

}  // namespace gantry::gpu
