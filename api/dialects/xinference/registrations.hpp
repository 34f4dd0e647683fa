#pragma once

/// Models that users register: kept in the server's database as the JSON that they sent.

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/http/services.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::dialects::xinference {

struct Registration {
    std::string type, name;
    boost::json::object spec;
};

/// In the order of their names. `type` empty: all. Empty where the server has no database.
std::vector<Registration> registrations(api::Services& services, const std::string& type = {});
/// Checks and keeps one. kInvalidArgument says what is wrong with it, kAlreadyExists that the name is taken. What is
/// not to `persist` is forgotten with the server.
Status add_registration(api::Services& services, const std::string& type, const std::string& spec, bool persist);
/// An unknown one is fine.
Status remove_registration(api::Services& services, const std::string& type, const std::string& name);

/// Sets the files of a launch that names a registered model: the first of its specs that has the wanted format, size
/// and quantisation. kNotFound when none has.
Status apply_registration(api::Services& services, fleet::LaunchRequest& request);

/// One item of /v1/model_registrations.
boost::json::object registration_item(const Registration& registration, bool detailed);

}  // namespace gantry::dialects::xinference
