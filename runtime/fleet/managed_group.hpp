#pragma once

/// One model as clients see it, with the processes behind it. Internal to managed_fleet.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/fleet/fleet.hpp"
#include "runtime/fleet/signal.hpp"

namespace gantry::fleet {

struct Member {
    int id = 0;
    std::string uid;  ///< of the process's model in the fleet below
    State state = State::kResolving;
    uint32_t in_use = 0;
};
using MemberPtr = std::shared_ptr<Member>;

struct Group {
    using Clock = std::chrono::steady_clock;

    Group(const boost::asio::any_io_executor& executor, LaunchRequest what)
        : request(std::move(what)), keep_alive(request.keep_alive), changed(executor) {}

    const std::string& uid() const { return request.uid; }
    bool has_ready() const;
    /// The member with a uid, or null.
    MemberPtr member(const std::string& member_uid) const;
    /// Whether one runs as many requests as the launch allows.
    bool full(const Member& member) const;
    /// For the next member: behind all that there are.
    int next_id() const;
    void used() {
        last_use = Clock::now();
        last_used =
            std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                .count();
    }
    /// When it is to be stopped if no request comes; nullopt: not by itself.
    std::optional<Clock::time_point> idle_end() const;

    LaunchRequest request;
    std::vector<MemberPtr> members;  ///< none: not loaded
    std::optional<std::chrono::seconds> keep_alive;
    Clock::time_point last_use = Clock::now();
    int64_t last_used = 0;  ///< Unix seconds
    uint32_t in_use = 0;
    uint64_t turn = 0;
    bool busy = false;      ///< members are being started or stopped
    bool stopping = false;  ///< for good
    bool was_ready = false, restored = false, failed = false, parked = false;
    bool lost_asleep = false;                    ///< a process of it ended while it slept: what wakes it starts another
    std::optional<Error> error;                  ///< why it failed
    std::optional<Clock::time_point> forget_at;  ///< of a first load that failed
    Signal changed;                              ///< of `busy` and `members`
};
using GroupPtr = std::shared_ptr<Group>;

}  // namespace gantry::fleet
