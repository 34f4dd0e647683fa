// The processes of one managed model: more of them, fewer, others; and its further names.

#include <algorithm>
#include <utility>

#include "runtime/fleet/managed_set.hpp"
#include "runtime/fleet/uid.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace {

constexpr size_t kMaxReplicas = 64;

/// Marks a group as changing, whatever the way the change ends.
struct Busy {
    explicit Busy(GroupPtr g) : group(std::move(g)) { group->busy = true; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() {
        group->busy = false;
        group->changed.notify();
    }
    GroupPtr group;
};

}  // namespace

asio::awaitable<Result<std::vector<ReplicaStatus>>> ManagedFleet::add_replicas(std::string uid, uint32_t count) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    if (count < 1 || group->members.size() + count > kMaxReplicas) {
        const Code code = count < 1 || count > kMaxReplicas ? Code::kInvalidArgument : Code::kFailedPrecondition;
        co_return Error{code, "a model has 1 to " + std::to_string(kMaxReplicas) + " replicas; '" + group->uid() +
                                  "' has " + std::to_string(group->members.size())};
    }
    if (group->busy || group->stopping || group->members.empty()) {
        co_return Error{Code::kFailedPrecondition, "model '" + uid + "' is not loaded, or is just changing"};
    }
    std::vector<ReplicaStatus> out;
    for (uint32_t i = 0; i < count; ++i) {
        GANTRY_CO_CHECK_OK(co_await start_member(group));
        const MemberPtr member = group->members.back();
        out.push_back({member->id, member->uid, member->state, 0, 0, 0, std::nullopt, {}, 0, 0});
        group->request.replicas = static_cast<uint32_t>(group->members.size());
        GANTRY_CO_CHECK_OK(store_.put(group->request));
        tell("replica_added", *group, {{"replica", member->id}});
    }
    co_return out;
}

asio::awaitable<Result<size_t>> ManagedFleet::remove_replica(std::string uid, int id,
                                                             std::chrono::milliseconds patience) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    const auto found = std::ranges::find_if(group->members, [&](const MemberPtr& m) { return m->id == id; });
    if (found == group->members.end()) {
        co_return Error{Code::kNotFound, "model '" + uid + "' has no replica " + std::to_string(id)};
    }
    if (group->members.size() == 1) {
        GANTRY_CO_CHECK_OK(co_await stop_group(group, patience));
        co_return size_t{0};
    }
    std::vector<MemberPtr> gone{*found};
    group->members.erase(found);
    group->request.replicas = static_cast<uint32_t>(group->members.size());
    GANTRY_CO_CHECK_OK(store_.put(group->request));
    co_await stop_members(std::move(gone), patience);
    tell("replica_removed", *group, {{"replica", id}});
    co_return group->members.size();
}

asio::awaitable<Status> ManagedFleet::replace(std::string uid, LaunchRequest request,
                                              std::chrono::milliseconds patience) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    if (group->busy || group->stopping || group->members.empty()) {
        co_return Error{Code::kFailedPrecondition, "model '" + uid + "' is not loaded, or is just changing"};
    }
    request.uid = group->uid();
    request.replicas = std::max<uint32_t>(1, request.replicas);
    // The new version grows up beside the old one, out of sight of requests, under uids that follow on. What is not
    // used in the end, because it failed or because the caller went away, is stopped.
    std::vector<MemberPtr> members;
    struct Unused {
        ManagedFleet& fleet;
        std::vector<MemberPtr>& members;
        std::weak_ptr<int> alive;
        ~Unused() {
            if (!alive.expired()) {
                fleet.stop_detached(std::move(members), {});
            }
        }
    } unused{*this, members, alive_};
    std::optional<Busy> busy(std::in_place, group);
    for (uint32_t i = 0; i < request.replicas; ++i) {
        const auto member = std::make_shared<Member>();
        member->id = group->next_id() + static_cast<int>(i);
        member->uid = group->uid() + "-rep" + std::to_string(member->id);
        LaunchRequest one = request;
        one.uid = member->uid;
        one.replica_of = group->uid();
        members.push_back(member);
        const auto launched = co_await processes_->launch(std::move(one));
        if (!launched) {
            co_return launched.error().in("the old version stays");
        }
    }
    for (size_t i = 0; i < members.size(); ++i) {
        const Status ready = co_await processes_->wait_ready(members[i]->uid);
        if (!ready) {
            co_return ready.error().in("the old version stays");
        }
        members[i]->state = State::kReady;
    }
    if (group->stopping) {
        co_return Error{Code::kCancelled, "model '" + uid + "' was stopped"};
    }
    GANTRY_CO_CHECK_OK(store_.put(request));
    members.swap(group->members);
    group->request = std::move(request);
    group->keep_alive = group->request.keep_alive;
    busy.reset();
    tell("replaced", *group);
    stop_detached(std::exchange(members, {}), patience);
    co_return ok();
}

Status ManagedFleet::set_alias(std::string name, std::string uid) {
    GANTRY_CHECK_OK(check_uid(name));
    GANTRY_CHECK_OK(check_uid(uid));
    if (groups_.contains(name)) {
        return Error{Code::kAlreadyExists, "'" + name + "' is the uid of a model", "choose another name"};
    }
    if (aliases_.contains(uid)) {
        return Error{Code::kFailedPrecondition, "'" + uid + "' is an alias itself, of '" + aliases_.at(uid) + "'"};
    }
    GANTRY_CHECK_OK(store_.put_alias(name, uid));
    aliases_[name] = uid;
    events_.add("alias", {{"name", name}, {"uid", uid}});
    return ok();
}

Status ManagedFleet::drop_alias(const std::string& name) {
    if (!aliases_.contains(name)) {
        return Error{Code::kNotFound, "there is no alias '" + name + "'"};
    }
    GANTRY_CHECK_OK(store_.remove_alias(name));
    aliases_.erase(name);
    events_.add("alias_dropped", {{"name", name}});
    return ok();
}

}  // namespace gantry::fleet
