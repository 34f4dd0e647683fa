#pragma once

/// POST /v1/models: Xinference's launch arguments in the fleet's words.

#include <boost/json.hpp>
#include <chrono>
#include <optional>
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

/// Seconds as a number, or in Go's form ("1h30m", "-1m"); parts of a second count as one, what is negative is -1.
/// nullopt for anything else.
std::optional<std::chrono::seconds> read_duration(const boost::json::value& value);

/// null equals absent, except for n_gpu, where it means the CPU.
api::ApiResult<Launch> decode_launch(const boost::json::object& body);

}  // namespace gantry::dialects::xinference
