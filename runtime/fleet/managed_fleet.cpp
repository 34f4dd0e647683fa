// Launches and stops of managed models, and what is passed on to their processes.

#include "runtime/fleet/managed_fleet.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "base/log.hpp"
#include "runtime/fleet/managed_set.hpp"
#include "runtime/fleet/uid.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace {

constexpr uint32_t kMaxReplicas = 64;

}  // namespace

/// Takes a launch back that does not come to its acknowledgement, whatever the way it ends.
class ManagedFleet::LaunchUndo {
  public:
    LaunchUndo(ManagedFleet& fleet, GroupPtr group) : fleet_(&fleet), group_(std::move(group)) {}
    LaunchUndo(const LaunchUndo&) = delete;
    LaunchUndo& operator=(const LaunchUndo&) = delete;
    ~LaunchUndo() {
        if (fleet_ == nullptr || alive_.expired()) {
            return;
        }
        group_->busy = false;
        fleet_->stop_detached(std::exchange(group_->members, {}), {});
        fleet_->forget(group_);
        group_->changed.notify();
    }
    void commit() {
        group_->busy = false;
        group_->changed.notify();
        fleet_ = nullptr;
    }

  private:
    ManagedFleet* fleet_;
    GroupPtr group_;
    std::weak_ptr<int> alive_ = fleet_->alive_;
};

ManagedFleet::ManagedFleet(asio::any_io_executor executor, std::unique_ptr<Fleet> processes, ManagedOptions options)
    : executor_(executor),
      processes_(std::move(processes)),
      options_(options),
      store_(options.state),
      events_(executor),
      aliases_(store_.aliases()),
      idle_timer_(executor) {
    processes_->watch([this, alive = std::weak_ptr(alive_)](const ModelStatus& status) {
        if (!alive.expired()) {
            observe(status);
        }
    });
    asio::co_spawn(executor_, restore(alive_), asio::detached);
    asio::co_spawn(executor_, stop_idle(alive_), asio::detached);
}

Result<GroupPtr> ManagedFleet::find(std::string_view uid) const {
    auto found = groups_.find(uid);
    if (found == groups_.end()) {
        const auto alias = aliases_.find(std::string(uid));
        found = alias == aliases_.end() ? groups_.end() : groups_.find(alias->second);
    }
    if (found != groups_.end()) {
        return found->second;
    }
    std::string known;
    for (const auto& [name, group] : groups_) {
        if (!group->failed) {
            known += (known.empty() ? "" : ", ") + name;
        }
    }
    return Error{Code::kNotFound, "there is no model '" + std::string(uid) + "'",
                 known.empty() ? "no models are launched" : "launched are: " + known};
}

/// A model that failed leaves its uid to the next launch.
bool ManagedFleet::taken(const std::string& uid) const {
    const auto found = groups_.find(uid);
    return (found != groups_.end() && !found->second->failed) || aliases_.contains(uid);
}

Result<std::string> ManagedFleet::choose_uid(const LaunchRequest& request) const {
    if (request.model.empty() && request.model_path.empty()) {
        return Error{Code::kInvalidArgument, "a launch needs a model's name or path"};
    }
    if (request.replicas < 1 || request.replicas > kMaxReplicas) {
        return Error{Code::kInvalidArgument, "a model has 1 to " + std::to_string(kMaxReplicas) + " replicas, not " +
                                                 std::to_string(request.replicas)};
    }
    if (request.uid.empty()) {
        return make_uid(launch_name(request.model, request.model_path),
                        [this](const std::string& uid) { return taken(uid); });
    }
    GANTRY_CHECK_OK(check_uid(request.uid));
    if (aliases_.contains(request.uid)) {
        return Error{Code::kAlreadyExists, "'" + request.uid + "' is an alias of '" + aliases_.at(request.uid) + "'",
                     "drop the alias, or choose another uid"};
    }
    if (taken(request.uid)) {
        return Error{Code::kAlreadyExists,
                     "a model '" + request.uid + "' is already launched (it is already in the model list)",
                     "stop it, or choose another uid"};
    }
    return request.uid;
}

asio::awaitable<Result<std::string>> ManagedFleet::launch(LaunchRequest request) {
    GANTRY_CO_TRY(const std::string uid, choose_uid(request));
    request.uid = uid;
    if (!request.keep_alive && options_.keep_alive.count() >= 0) {
        request.keep_alive = options_.keep_alive;
    }
    const auto group = std::make_shared<Group>(executor_, request);
    const GroupPtr old = std::exchange(groups_[uid], group);
    group->busy = true;
    LaunchUndo undo(*this, group);
    if (old != nullptr) {
        // Only the memory of it is left, but its processes' uids are needed again.
        auto members = std::exchange(old->members, {});
        co_await stop_members(std::move(members), std::chrono::milliseconds(0));
    }
    if (request.on_demand) {
        const auto planned = co_await processes_->plan(request);
        if (!planned) {
            co_return planned.error();
        }
        if (planned->error && planned->error->code != Code::kOutOfMemory) {
            co_return *planned->error;
        }
    } else if (const Status started = co_await start(group); !started) {
        co_return started.error();
    }
    if (const Status kept = store_.put(group->request); !kept) {
        co_return kept.error().in("the launch cannot be recorded");
    }
    undo.commit();
    tell("launched", *group);
    settle(group);
    co_return uid;
}

asio::awaitable<Status> ManagedFleet::wait_ready(std::string uid) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    while (group->busy) {
        co_await group->changed.wait();
    }
    if (group->failed || (group->members.empty() && !group->request.on_demand)) {
        co_return group->error.value_or(Error{Code::kCancelled, "model '" + uid + "' was stopped"});
    }
    const auto members = group->members;
    for (const MemberPtr& member : members) {
        GANTRY_CO_CHECK_OK(co_await processes_->wait_ready(member->uid));
    }
    co_return ok();
}

void ManagedFleet::forget(const GroupPtr& group) {
    const auto found = groups_.find(group->uid());
    if (found != groups_.end() && found->second == group) {
        groups_.erase(found);
    }
}

asio::awaitable<void> ManagedFleet::stop_members(std::vector<MemberPtr> members, std::chrono::milliseconds patience) {
    for (const MemberPtr& member : members) {
        // One that has gone by itself is as good as stopped.
        if (patience.count() > 0) {
            (void)co_await processes_->drain_and_stop(member->uid, patience);
        } else {
            (void)co_await processes_->stop(member->uid);
        }
        told_.erase(member->uid);
    }
}

void ManagedFleet::stop_detached(std::vector<MemberPtr> members, std::chrono::milliseconds patience) {
    if (!members.empty()) {
        asio::co_spawn(executor_, stop_members(std::move(members), patience), asio::detached);
    }
}

asio::awaitable<Status> ManagedFleet::stop_group(GroupPtr group, std::chrono::milliseconds patience) {
    GANTRY_CO_CHECK_OK(store_.remove(group->uid()));
    group->stopping = true;
    auto members = group->members;
    co_await stop_members(std::move(members), patience);
    group->members.clear();
    forget(group);
    group->changed.notify();
    tell("stopped", *group);
    co_return ok();
}

asio::awaitable<Status> ManagedFleet::cancel(std::string uid) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    if (group->has_ready() || group->members.empty()) {
        co_return Error{Code::kFailedPrecondition, "model '" + uid + "' is not launching, it is " +
                                                       std::string(state_name(status_of(*group).state))};
    }
    group->stopping = true;  // what its processes' end means is known
    const Status cancelled = co_await processes_->cancel(group->members.front()->uid);
    if (!cancelled) {
        group->stopping = false;
        co_return cancelled;
    }
    co_return co_await stop_group(group, std::chrono::milliseconds(0));
}

asio::awaitable<Status> ManagedFleet::stop(std::string uid) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    co_return co_await stop_group(group, std::chrono::milliseconds(0));
}

asio::awaitable<Status> ManagedFleet::drain_and_stop(std::string uid, std::chrono::milliseconds patience) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    co_return co_await stop_group(group, patience);
}

asio::awaitable<Status> ManagedFleet::sleep(std::string uid) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    const auto members = group->members;
    for (const MemberPtr& member : members) {
        GANTRY_CO_CHECK_OK(co_await processes_->sleep(member->uid));
    }
    co_return ok();
}

asio::awaitable<Status> ManagedFleet::wake(std::string uid) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    const bool lost = group->lost_asleep;
    GANTRY_CO_CHECK_OK(co_await ensure_loaded(group, true));
    const auto members = group->members;
    for (const MemberPtr& member : members) {
        if (lost && member->state != State::kAsleep) {
            GANTRY_CO_CHECK_OK(co_await processes_->wait_ready(member->uid));
        } else {
            GANTRY_CO_CHECK_OK(co_await processes_->wake(member->uid));
        }
    }
    co_return ok();
}

/// The server's way out: what is recorded comes back with the next one.
asio::awaitable<void> ManagedFleet::stop_all() {
    for (const auto& [uid, group] : groups_) {
        group->stopping = true;
    }
    co_await processes_->stop_all();
}

asio::awaitable<Result<LaunchPlan>> ManagedFleet::plan(LaunchRequest request) {
    GANTRY_CO_TRY(request.uid, choose_uid(request));
    GANTRY_CO_TRY(LaunchPlan out, co_await processes_->plan(request));
    if (!out.fits && request.evict && out.host_bytes > 0) {
        const Ledger memory = processes_->ledger();
        const uint64_t free = memory.total - std::min(memory.total, memory.reserved);
        out.evicts = choose_victims(evictable(request.uid), out.host_bytes - std::min(out.host_bytes, free));
    }
    co_return out;
}

std::unique_ptr<Fleet> make_managed_fleet(asio::any_io_executor executor, std::unique_ptr<Fleet> processes,
                                          ManagedOptions options) {
    return std::make_unique<ManagedFleet>(std::move(executor), std::move(processes), options);
}

}  // namespace gantry::fleet
