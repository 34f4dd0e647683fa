#pragma once

/// JSON forms of what probe and runner report.

#include <boost/json.hpp>

#include "base/result.hpp"
#include "runtime/plugins/plugin.hpp"

namespace gantry::plugins {

/// {"code","message","hint"}; hint only where there is one.
boost::json::object error_to_json(const Error& error);
/// kInternal with the text itself where `value` is not of that form.
Error error_from_json(const boost::json::value& value);

boost::json::object to_json(const DeviceInfo& device);
boost::json::object to_json(const Assessment& assessment);
boost::json::object to_json(const LoadSpec& spec);

/// Missing and mistyped members are 0 or empty: both ends are this program.
DeviceInfo device_from_json(const boost::json::value& value);
Assessment assessment_from_json(const boost::json::value& value);
LoadSpec load_spec_from_json(const boost::json::value& value);

/// A member as number, text or truth, else the default.
uint64_t json_number(const boost::json::value& object, std::string_view key, uint64_t otherwise = 0);
std::string json_text(const boost::json::value& object, std::string_view key);
bool json_bool(const boost::json::value& object, std::string_view key, bool otherwise);

}  // namespace gantry::plugins
