#pragma once

/// POST /v1/models: Xinference's launch arguments in the fleet's words.

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "api/http/api_error.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::dialects::xinference {

struct Launch {
    fleet::LaunchRequest request;
    std::vector<std::string> ignored;  ///< arguments that were given and have no effect here
    std::string note;                  ///< for people; may be empty
};

/// null equals absent, except for n_gpu, where it means the CPU.
api::ApiResult<Launch> decode_launch(const boost::json::object& body);

}  // namespace gantry::dialects::xinference
