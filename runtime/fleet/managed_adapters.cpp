// Adapters of managed models: all processes of a model have the same ones, those to come too.

#include <filesystem>
#include <utility>

#include "runtime/fleet/managed_set.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;

Status ManagedFleet::record_adapter(Group& group, const std::string& name, const std::string& path) {
    LaunchRequest changed = group.request;
    if (path.empty()) {
        changed.adapters.erase(name);
    } else {
        changed.adapters[name] = path;
    }
    GANTRY_CHECK_OK(store_.put(changed));
    group.request = std::move(changed);
    return ok();
}

asio::awaitable<Status> ManagedFleet::load_adapter(std::string uid, std::string name, std::string path) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    GANTRY_CO_CHECK_OK(co_await ensure_loaded(group));
    std::error_code ec;
    // The next server may be started in another folder.
    const std::string absolute = std::filesystem::absolute(path, ec).string();
    const auto before = group->request.adapters.find(name);
    const std::string old = before == group->request.adapters.end() ? std::string() : before->second;
    const auto members = group->members;
    Status loaded = ok();
    size_t done = 0;
    while (loaded && done < members.size()) {
        loaded = co_await processes_->load_adapter(members[done]->uid, name, absolute);
        done += loaded ? 1 : 0;
    }
    if (loaded) {
        loaded = record_adapter(*group, name, absolute);
    }
    if (loaded) {
        co_return ok();
    }
    // All or none: a request must not find it on one replica and miss it on the next.
    for (size_t i = 0; i < done; ++i) {
        if (old.empty()) {
            (void)co_await processes_->drop_adapter(members[i]->uid, name);
        } else {
            (void)co_await processes_->load_adapter(members[i]->uid, name, old);
        }
    }
    co_return loaded;
}

asio::awaitable<Status> ManagedFleet::drop_adapter(std::string uid, std::string name) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    const auto members = group->members;
    for (const MemberPtr& member : members) {
        const Status dropped = co_await processes_->drop_adapter(member->uid, name);
        // One that never had it, because it is just starting, costs nothing; it gets none after this.
        if (!dropped && (member == members.front() || dropped.error().code != Code::kNotFound)) {
            co_return dropped;
        }
    }
    co_return record_adapter(*group, name, {});
}

}  // namespace gantry::fleet
