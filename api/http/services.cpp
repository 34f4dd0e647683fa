#include "api/http/services.hpp"

#include <fmt/core.h>

namespace gantry::api {

std::string Services::new_id() { return fmt::format("{:08x}{:016x}", salt_, ++last_id_ * 0x9e3779b97f4a7c15ULL); }

}  // namespace gantry::api
