#include "base/version.hpp"

namespace gantry {

const std::string_view kVersion = GANTRY_VERSION;
const std::string_view kPluginAbi = GANTRY_PLUGIN_ABI;

}  // namespace gantry
