#pragma once

#include <memory>

#include "base/http/client.hpp"
#include "runtime/fleet/event_channel.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::fleet {

class LaunchedModel;

/// The events of a runner's answer: lines of JSON in its body or, with an `inbox`, on the process's channel. `run` says
/// which of the model's processes it comes from.
std::unique_ptr<EventStream> make_event_stream(std::unique_ptr<http::ResponseStream> response,
                                               std::unique_ptr<EventChannel::Inbox> inbox,
                                               std::shared_ptr<LaunchedModel> model, int run);

}  // namespace gantry::fleet
