#pragma once

/// The last things that happened to models, for clients that watch.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <cstdint>
#include <deque>
#include <string>

#include "runtime/fleet/signal.hpp"

namespace gantry::fleet {

struct FleetEvent {
    uint64_t number = 0;  ///< 1, 2, ... in this run of the server
    int64_t time_ms = 0;  ///< Unix time
    std::string type;     ///< "state", "progress", "launched", ...
    boost::json::object data;
};

/// Bounded: who reads too slowly misses events, and is told how many. Used on the io thread.
class EventLog {
  public:
    static constexpr size_t kKept = 1024;

    explicit EventLog(const boost::asio::any_io_executor& executor);

    void add(std::string type, boost::json::object data);

    /// The first kept event behind `number`; nullptr when there is none yet. Valid until add().
    const FleetEvent* after(uint64_t number) const;
    uint64_t last() const { return last_; }
    /// Returns at the next add().
    boost::asio::awaitable<void> wait() { return added_.wait(); }
    /// Which run of the server the numbers belong to.
    const std::string& run() const { return run_; }
    const std::deque<FleetEvent>& all() const { return events_; }

  private:
    std::deque<FleetEvent> events_;
    uint64_t last_ = 0;
    std::string run_;
    Signal added_;
};

}  // namespace gantry::fleet
