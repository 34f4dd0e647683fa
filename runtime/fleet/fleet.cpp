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
        case State::kUnloaded:
            return "unloaded";
    }
    return "failed";
}

namespace {
Error unmanaged(const char* what) {
    return {Code::kUnimplemented, std::string(what) + " need a fleet that manages them"};
}
}  // namespace

boost::asio::awaitable<Result<std::vector<EngineFit>>> Fleet::assess(LaunchRequest) {
    co_return Error{Code::kUnimplemented, "this fleet has no engines"};
}

boost::asio::awaitable<Result<std::vector<ReplicaStatus>>> Fleet::add_replicas(std::string, uint32_t) {
    co_return unmanaged("replicas");
}

boost::asio::awaitable<Result<size_t>> Fleet::remove_replica(std::string, int, std::chrono::milliseconds) {
    co_return unmanaged("replicas");
}

boost::asio::awaitable<Status> Fleet::replace(std::string, LaunchRequest, std::chrono::milliseconds) {
    co_return unmanaged("replacements");
}

Result<std::string> Fleet::remember(LaunchRequest) { return unmanaged("recorded launches"); }

Status Fleet::unremember(const std::string&) { return unmanaged("recorded launches"); }

Status Fleet::set_alias(std::string, std::string) { return unmanaged("aliases"); }

Status Fleet::drop_alias(const std::string&) { return unmanaged("aliases"); }

}  // namespace gantry::fleet
