#include "runtime/fleet/event_log.hpp"

#include <chrono>
#include <utility>

namespace gantry::fleet {
namespace {

int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace

EventLog::EventLog(const boost::asio::any_io_executor& executor) : run_(std::to_string(now_ms())), added_(executor) {}

void EventLog::add(std::string type, boost::json::object data) {
    events_.push_back({++last_, now_ms(), std::move(type), std::move(data)});
    if (events_.size() > kKept) {
        events_.pop_front();
    }
    added_.notify();
}

const FleetEvent* EventLog::after(uint64_t number) const {
    if (number >= last_) {
        return nullptr;
    }
    const uint64_t first = events_.front().number;
    return &events_[number < first ? 0 : static_cast<size_t>(number + 1 - first)];
}

}  // namespace gantry::fleet
