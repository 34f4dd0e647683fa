#pragma once

#include "api/cli/options.hpp"
#include "base/config.hpp"

namespace gantry::cli {

/// The configuration as `gantry serve` reads it: --config or the usual file, the environment, --set and other flags.
Result<config::Config> read_config(const Arguments& args);

}  // namespace gantry::cli
