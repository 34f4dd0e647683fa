#pragma once

/// Fill in the middle: the prompt with which a model writes what stands between two texts.

#include <boost/asio/awaitable.hpp>
#include <string>

#include "runtime/fleet/fleet.hpp"

namespace gantry::api {

/// The two texts between the tokens that the model has for this; it goes on with what belongs between them.
/// kInvalidArgument where it has no such tokens. `uid` may be anything that Fleet::route() understands.
boost::asio::awaitable<Result<std::string>> infill_prompt(fleet::Fleet& fleet, std::string uid, std::string prefix,
                                                          std::string suffix);

}  // namespace gantry::api
