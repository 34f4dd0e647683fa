// A plugin that breaks the rule that no exception crosses the boundary.
#include <gantry/backend.h>

#include <stdexcept>

GANTRY_EXPORT gantry_error_t* gantry_backend_entry(gantry_entry_args_t*) {
    throw std::runtime_error("thrown out of the entry");
}
