#include "runtime/fleet/fleet.hpp"

namespace gantry::fleet {

std::string_view state_name(State state) {
    switch (state) {
        case State::kResolving:
            return "resolving";
        case State::kPlacing:
            return "placing";
        case State::kStarting:
            return "starting";
        case State::kLoading:
            return "loading";
        case State::kWarming:
            return "warming";
        case State::kAsleep:
            return "asleep";
        case State::kReady:
            return "ready";
        case State::kStopping:
            return "stopping";
        case State::kRestarting:
            return "restarting";
        case State::kFailed:
            return "failed";
    }
    return "failed";
}

}  // namespace gantry::fleet
