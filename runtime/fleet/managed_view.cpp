// What can be seen of managed models: states, names, events.

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "runtime/fleet/managed_set.hpp"
#include "runtime/fleet/uid.hpp"

namespace gantry::fleet {
namespace {

/// Of the states of several processes, the one that is shown: the more they can do, the higher.
int rank(State state) {
    switch (state) {
        case State::kReady:
            return 9;
        case State::kAsleep:
            return 8;
        case State::kRestarting:
            return 7;
        case State::kWarming:
            return 6;
        case State::kLoading:
            return 5;
        case State::kStarting:
            return 4;
        case State::kPlacing:
            return 3;
        case State::kResolving:
            return 2;
        case State::kStopping:
            return 1;
        default:
            return 0;
    }
}

}  // namespace

ModelStatus ManagedFleet::status_of(const Group& group) const {
    ModelStatus out;
    bool found = false;
    uint64_t bytes = 0;
    std::vector<ReplicaStatus> replicas;
    for (const MemberPtr& member : group.members) {
        auto status = processes_->describe(member->uid);
        if (!status) {
            continue;
        }
        replicas.push_back({member->id, member->uid, status->state, status->pid, status->created, member->in_use,
                            status->error, status->stage, status->bytes_done, status->bytes_total});
        bytes += status->memory_bytes;
        if (!found || rank(status->state) > rank(out.state)) {
            out = std::move(*status);
            found = true;
        }
    }
    if (!found) {
        out.model_name = group.request.model.empty() ? group.request.model_path : group.request.model;
        out.state = group.failed                             ? State::kFailed
                    : group.lost_asleep && !group.busy       ? State::kAsleep
                    : group.request.on_demand && !group.busy ? State::kUnloaded
                                                             : State::kResolving;
        out.error = group.error;
        out.engine = group.request.engine;
    }
    out.uid = group.uid();
    out.memory_bytes = bytes;
    out.replicas = std::move(replicas);
    out.keep_alive = group.keep_alive;
    out.on_demand = group.request.on_demand;
    out.pinned = group.request.pinned;
    out.parked = group.parked;
    out.in_use = group.in_use;
    out.last_used = group.last_used;
    if (const auto end = group.idle_end()) {
        out.expires = std::chrono::duration_cast<std::chrono::seconds>(
                          (std::chrono::system_clock::now() + (*end - Group::Clock::now())).time_since_epoch())
                          .count();
    }
    return out;
}

std::vector<ModelStatus> ManagedFleet::list() const {
    std::vector<ModelStatus> out;
    for (const auto& [uid, group] : groups_) {
        out.push_back(status_of(*group));
    }
    return out;
}

std::optional<uint64_t> ManagedFleet::revision() const {
    // What processes say of themselves has been counted; which ones a model has is looked up.
    uint64_t out = observed_;
    const auto add = [&out](const void* what) {
        out = (out ^ reinterpret_cast<uintptr_t>(what)) * 0x9e3779b97f4a7c15ULL;
        out ^= out >> 29;
    };
    for (const auto& [uid, group] : groups_) {
        add(group.get());
        for (const MemberPtr& member : group->members) {
            add(member.get());
        }
    }
    return out;
}

Result<ModelStatus> ManagedFleet::describe(std::string_view uid) const {
    GANTRY_TRY(const GroupPtr group, find(uid));
    return status_of(*group);
}

Result<std::pair<std::string, std::string>> ManagedFleet::route(std::string_view name) const {
    if (const auto group = find(name)) {
        return std::pair((*group)->uid(), std::string());
    }
    const size_t colon = name.rfind(':');
    const auto base = colon == std::string_view::npos ? Result<GroupPtr>(Error{}) : find(name.substr(0, colon));
    if (base && !(*base)->members.empty()) {
        const std::string adapter(name.substr(colon + 1));
        const auto inner = processes_->route((*base)->members.front()->uid + ":" + adapter);
        return inner ? Result<std::pair<std::string, std::string>>(std::pair((*base)->uid(), adapter)) : inner.error();
    }
    std::vector<std::string> owners;
    for (const auto& [uid, group] : groups_) {
        const auto status =
            group->members.empty() ? Result<ModelStatus>(Error{}) : processes_->describe(group->members.front()->uid);
        if (status && status->adapters.contains(std::string(name))) {
            owners.push_back(uid);
        }
    }
    if (owners.size() > 1) {
        return Error{Code::kInvalidArgument, "several models have an adapter '" + std::string(name) + "'",
                     "say which: \"" + owners.front() + ":" + std::string(name) + "\""};
    }
    if (owners.empty()) {
        return find(name).error();
    }
    return std::pair(owners.front(), std::string(name));
}

std::vector<DesiredLaunch> ManagedFleet::desired() const {
    if (options_.state != nullptr) {
        return store_.all();
    }
    std::vector<DesiredLaunch> out;
    for (const auto& [uid, group] : groups_) {
        if (!group->failed) {
            out.push_back({uid, group->request, false, 0, {}});
        }
    }
    return out;
}

Result<std::string> ManagedFleet::remember(LaunchRequest request) {
    if (request.uid.empty()) {
        request.uid =
            make_uid(launch_name(request.model, request.model_path), [](const std::string&) { return false; });
    }
    GANTRY_CHECK_OK(check_uid(request.uid));
    GANTRY_CHECK_OK(store_.put(request));
    return request.uid;
}

void ManagedFleet::tell(std::string type, const Group& group, boost::json::object more) {
    more["uid"] = group.uid();
    events_.add(std::move(type), std::move(more));
}

void ManagedFleet::observe(const ModelStatus& status) {
    ++observed_;
    if (watcher_) {
        watcher_(status);
    }
    for (const auto& [uid, group] : groups_) {
        const MemberPtr member = group->member(status.uid);
        if (member == nullptr) {
            continue;
        }
        const bool news = member->state != status.state;
        group->lost_asleep |= status.state == State::kFailed && member->state == State::kAsleep;
        member->state = status.state;
        const uint64_t percent = status.bytes_total == 0 ? 0 : status.bytes_done * 100 / status.bytes_total;
        std::string said = std::string(state_name(status.state)) + '/' + status.stage + '/' + std::to_string(percent);
        if (std::string& before = told_[status.uid]; before != said) {
            before = std::move(said);
            boost::json::object data{{"replica", member->id},
                                     {"state", state_name(status.state)},
                                     {"stage", status.stage},
                                     {"bytes_done", status.bytes_done},
                                     {"bytes_total", status.bytes_total}};
            if (status.error) {
                data["error"] = status.error->message;
            }
            tell(news ? "state" : "progress", *group, std::move(data));
        }
        if (news && status.state == State::kReady) {
            if (group->restored && !group->was_ready) {
                (void)store_.attempt_succeeded(uid);
            }
            group->was_ready = true;
            group->used();
            group->last_used = 0;
            idle_timer_.cancel();
        } else if (news && status.state == State::kFailed) {
            // The fleet below is in the middle of a change: what follows from it waits until that is through.
            boost::asio::post(executor_, [this, group = group, alive = std::weak_ptr(alive_)] {
                if (!alive.expired()) {
                    settle(group);
                }
            });
        }
        return;
    }
}

}  // namespace gantry::fleet
