// How managed models get their processes: at a launch, after a restart of the server, on demand; and how they lose
// them.

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/log.hpp"
#include "runtime/fleet/managed_set.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace {

/// Restores that fail before a launch is parked.
constexpr int kMaxAttempts = 3;

}  // namespace

asio::awaitable<Status> ManagedFleet::start_member(GroupPtr group) {
    const auto member = std::make_shared<Member>();
    member->id = group->next_id();
    member->uid = member->id == 0 ? group->uid() : group->uid() + "-rep" + std::to_string(member->id);
    group->members.push_back(member);
    LaunchRequest request = group->request;
    request.uid = member->uid;
    request.replica_of = group->uid();
    auto launched = co_await processes_->launch(request);
    if (!launched && launched.error().code == Code::kOutOfMemory && request.evict) {
        const bool room = co_await make_room(request, group);
        if (room) {
            launched = co_await processes_->launch(std::move(request));
        }
    }
    if (launched && group->stopping) {
        (void)co_await processes_->stop(member->uid);
        launched = Error{Code::kCancelled, "the launch was cancelled"};
    }
    if (!launched) {
        std::erase(group->members, member);
        co_return launched.error();
    }
    co_return ok();
}

asio::awaitable<Status> ManagedFleet::start(GroupPtr group) {
    const size_t before = group->members.size();
    while (group->members.size() < group->request.replicas) {
        const Status started = co_await start_member(group);
        if (!started) {
            std::vector<MemberPtr> begun(
                group->members.begin() + static_cast<ptrdiff_t>(std::min(before, group->members.size())),
                group->members.end());
            group->members.resize(std::min(before, group->members.size()));
            co_await stop_members(std::move(begun), std::chrono::milliseconds(0));
            co_return started;
        }
    }
    co_return ok();
}

std::vector<EvictionCandidate> ManagedFleet::evictable(const std::string& but) const {
    std::vector<EvictionCandidate> out;
    for (const auto& [uid, group] : groups_) {
        if (uid != but && group->in_use == 0 && !group->busy && !group->stopping && !group->request.pinned &&
            group->has_ready()) {
            out.push_back({uid, status_of(*group).memory_bytes, group->last_use.time_since_epoch().count()});
        }
    }
    return out;
}

asio::awaitable<bool> ManagedFleet::make_room(LaunchRequest request, GroupPtr group) {
    const auto planned = co_await processes_->plan(std::move(request));
    if (!planned) {
        co_return false;
    }
    const Ledger memory = processes_->ledger();
    const uint64_t free = memory.total - std::min(memory.total, memory.reserved);
    if (planned->host_bytes <= free) {
        co_return true;
    }
    const auto victims = choose_victims(evictable(group->uid()), planned->host_bytes - free);
    for (const std::string& uid : victims) {
        const auto found = groups_.find(uid);
        if (found != groups_.end() && found->second->in_use == 0) {
            const GroupPtr victim = found->second;
            co_await unload(victim, "evicted");
        }
    }
    co_return !victims.empty();
}

asio::awaitable<void> ManagedFleet::restore(std::weak_ptr<int> alive) {
    std::vector<GroupPtr> todo;
    for (DesiredLaunch& launch : store_.all()) {
        const auto group = std::make_shared<Group>(executor_, std::move(launch.request));
        group->restored = true;
        groups_[launch.uid] = group;
        if (launch.parked) {
            group->failed = group->parked = true;
            group->error = Error{Code::kUnavailable, launch.reason, "launch it again when the cause is gone"};
            log::warn("model '{}' is parked and does not come back: {}", launch.uid, launch.reason);
        } else if (!group->request.on_demand) {
            group->busy = true;
            todo.push_back(group);
        }
    }
    for (const GroupPtr& group : todo) {
        if (alive.expired() || group->stopping) {
            continue;
        }
        log::info("model '{}' ran when the server ended, and is launched again", group->uid());
        const Status started = co_await start(group);
        if (alive.expired()) {
            co_return;
        }
        group->busy = false;
        group->changed.notify();
        if (started) {
            tell("restored", *group);
            settle(group);
        } else if (!group->stopping) {
            group->error = started.error();
            settle(group);
        }
    }
}

asio::awaitable<void> ManagedFleet::load(GroupPtr group) {
    const std::weak_ptr<int> alive = alive_;
    const Status started = co_await start(group);
    if (alive.expired()) {
        co_return;
    }
    group->busy = false;
    group->lost_asleep &= !started.has_value();
    group->error = started ? std::nullopt : std::optional<Error>(started.error());
    group->changed.notify();
}

asio::awaitable<Status> ManagedFleet::ensure_loaded(GroupPtr group, bool waking) {
    const bool revives = group->lost_asleep && (waking || group->request.wake_on_request);
    if ((!group->request.on_demand && !revives) || group->has_ready()) {
        co_return ok();
    }
    while (group->busy) {
        co_await group->changed.wait();
    }
    const bool lost = group->lost_asleep && !group->has_ready();
    if (lost) {
        std::vector<MemberPtr> dead;
        std::erase_if(group->members, [&](const MemberPtr& member) {
            const bool gone = member->state == State::kFailed;
            if (gone) {
                dead.push_back(member);
            }
            return gone;
        });
        stop_detached(std::move(dead), {});
    }
    if (group->members.empty() || lost) {
        // Apart from this request, which may be cancelled while others wait for the same model.
        group->busy = true;
        group->error.reset();
        tell("loading", *group);
        asio::co_spawn(executor_, load(group), asio::detached);
        while (group->busy) {
            co_await group->changed.wait();
        }
    }
    if (group->members.empty()) {
        co_return group->error.value_or(Error{Code::kUnavailable, "model '" + group->uid() + "' was stopped"});
    }
    const MemberPtr first = group->members.front();
    // Its sleep is the launch's own affair (wake_on_request).
    if (first->state == State::kAsleep) {
        co_return ok();
    }
    co_return co_await processes_->wait_ready(first->uid);
}

asio::awaitable<void> ManagedFleet::unload(GroupPtr group, std::string_view why) {
    const std::weak_ptr<int> alive = alive_;
    group->busy = true;
    log::info("model '{}' is stopped: {}", group->uid(), why);
    if (!group->request.on_demand) {
        if (const Status removed = store_.remove(group->uid()); !removed) {
            log::error("model '{}' would come back after a restart: {}", group->uid(), removed.error().text());
        }
    }
    auto members = group->members;
    co_await stop_members(std::move(members), std::chrono::milliseconds(0));
    if (alive.expired()) {
        co_return;
    }
    group->members.clear();
    group->busy = false;
    if (!group->request.on_demand) {
        forget(group);
    }
    group->changed.notify();
    tell(group->request.on_demand ? "unloaded" : "stopped", *group, {{"reason", why}});
}

asio::awaitable<void> ManagedFleet::stop_idle(std::weak_ptr<int> alive) {
    while (!alive.expired()) {
        auto next = Group::Clock::time_point::max();
        GroupPtr due;
        for (const auto& [uid, group] : groups_) {
            const auto end = group->failed ? group->forget_at : group->idle_end();
            if (end && *end <= Group::Clock::now()) {
                due = group;
            } else if (end && *end < next) {
                next = *end;
            }
        }
        if (due && due->failed) {
            stop_detached(std::exchange(due->members, {}), {});
            forget(due);
            continue;
        }
        if (due) {
            co_await unload(due, "idle");
            continue;
        }
        idle_timer_.expires_at(next);
        boost::system::error_code ec;
        co_await idle_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
}

void ManagedFleet::settle(const GroupPtr& group) {
    if (group->busy || group->stopping || group->failed || (group->members.empty() && !group->error)) {
        return;
    }
    for (const MemberPtr& member : group->members) {
        if (member->state != State::kFailed) {
            return;
        }
    }
    if (!group->members.empty()) {
        const auto status = processes_->describe(group->members.front()->uid);
        group->error = status && status->error ? *status->error : Error{Code::kUnavailable, "its process has ended"};
    }
    if (group->request.on_demand || group->lost_asleep) {
        stop_detached(std::exchange(group->members, {}), {});  // the next request, or who wakes it, tries anew
        if (group->lost_asleep) {
            tell("unloaded", *group, {{"reason", "died asleep"}});
        } else {
            tell("failed", *group);
        }
        return;
    }
    group->failed = true;
    Status kept = ok();
    if (group->was_ready) {
        group->parked = true;
        kept = store_.park(group->uid(), group->error->message);
    } else if (group->restored) {
        int attempts = kMaxAttempts;
        for (const DesiredLaunch& launch : store_.all()) {
            attempts = launch.uid == group->uid() ? launch.attempts + 1 : attempts;
        }
        group->parked = attempts >= kMaxAttempts;
        kept = group->parked ? store_.park(group->uid(), group->error->message) : store_.attempt_failed(group->uid());
    } else {
        kept = store_.remove(group->uid());
        group->forget_at = Group::Clock::now() + options_.tell_failure;
        idle_timer_.cancel();
    }
    if (!kept) {
        log::error("model '{}': {}", group->uid(), kept.error().text());
    }
    log::error("model '{}' {}: {}", group->uid(), group->parked ? "is parked" : "has failed", group->error->text());
    tell(group->parked ? "parked" : "failed", *group, {{"message", group->error->message}});
}

}  // namespace gantry::fleet
