#pragma once

/// What this program is; both come from the one place that the build reads them from.

#include <string_view>

namespace gantry {

extern const std::string_view kVersion;    ///< "0.1.0", the file VERSION
extern const std::string_view kPluginAbi;  ///< "0.9", <gantry/abi.h>

}  // namespace gantry
