#pragma once

/// The class behind managed_fleet.hpp, in several files by responsibility.

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/fleet/event_log.hpp"
#include "runtime/fleet/launch_store.hpp"
#include "runtime/fleet/managed_fleet.hpp"
#include "runtime/fleet/managed_group.hpp"
#include "runtime/fleet/replica_choice.hpp"

namespace gantry::fleet {

class ManagedFleet final : public Fleet {
  public:
    ManagedFleet(boost::asio::any_io_executor executor, std::unique_ptr<Fleet> processes, ManagedOptions options);

    // managed_fleet.cpp: launches, stops and what is passed on
    boost::asio::awaitable<Result<std::string>> launch(LaunchRequest request) override;
    boost::asio::awaitable<Status> wait_ready(std::string uid) override;
    boost::asio::awaitable<Status> cancel(std::string uid) override;
    boost::asio::awaitable<Status> stop(std::string uid) override;
    boost::asio::awaitable<Status> drain_and_stop(std::string uid, std::chrono::milliseconds patience) override;
    boost::asio::awaitable<Status> sleep(std::string uid) override;
    boost::asio::awaitable<Status> wake(std::string uid) override;
    boost::asio::awaitable<void> stop_all() override;
    boost::asio::awaitable<Result<boost::json::value>> backends() override { return processes_->backends(); }
    boost::asio::awaitable<Result<std::vector<EngineFit>>> assess(LaunchRequest request) override {
        return processes_->assess(std::move(request));
    }
    Ledger ledger() const override { return processes_->ledger(); }
    boost::asio::awaitable<Result<LaunchPlan>> plan(LaunchRequest request) override;

    // managed_view.cpp: what can be seen
    std::vector<ModelStatus> list() const override;
    std::optional<uint64_t> revision() const override;
    Result<ModelStatus> describe(std::string_view uid) const override;
    Result<std::pair<std::string, std::string>> route(std::string_view name) const override;
    void watch(std::function<void(const ModelStatus&)> watcher) override { watcher_ = std::move(watcher); }
    EventLog* events() override { return &events_; }
    std::vector<DesiredLaunch> desired() const override;
    Result<std::string> remember(LaunchRequest request) override;
    Status unremember(const std::string& uid) override { return store_.remove(uid); }

    // managed_use.cpp: requests, and what follows from use and its absence
    boost::asio::awaitable<Result<std::unique_ptr<EventStream>>> generate(std::string uid,
                                                                          engine::GenerateRequest request) override;
    boost::asio::awaitable<Result<encoder::EncodeResult>> encode(std::string uid,
                                                                 encoder::EncodeRequest request) override;
    boost::asio::awaitable<Result<boost::json::value>> call(std::string uid, std::string path,
                                                            boost::json::value body) override;
    Status touch(std::string_view uid, std::optional<std::chrono::seconds> keep_alive) override;

    // managed_adapters.cpp
    boost::asio::awaitable<Status> load_adapter(std::string uid, std::string name, std::string path) override;
    boost::asio::awaitable<Status> drop_adapter(std::string uid, std::string name) override;

    // managed_replicas.cpp
    boost::asio::awaitable<Result<std::vector<ReplicaStatus>>> add_replicas(std::string uid, uint32_t count) override;
    boost::asio::awaitable<Result<size_t>> remove_replica(std::string uid, int id,
                                                          std::chrono::milliseconds patience) override;
    boost::asio::awaitable<Status> replace(std::string uid, LaunchRequest request,
                                           std::chrono::milliseconds patience) override;
    std::map<std::string, std::string> aliases() const override { return aliases_; }
    Status set_alias(std::string name, std::string uid) override;
    Status drop_alias(const std::string& name) override;

  private:
    class Use;
    class UsedStream;
    class LaunchUndo;

    Result<GroupPtr> find(std::string_view uid) const;
    /// The replica that "UID-repN" names; null for any other name, and where there is none.
    MemberPtr find_replica(std::string_view name) const;
    /// Ends a request on the one of a group's processes that has it.
    boost::asio::awaitable<Result<boost::json::value>> abort(GroupPtr group, boost::json::value body);
    /// Puts an adapter, or its absence where `path` is empty, to the model's launch.
    Status record_adapter(Group& group, const std::string& name, const std::string& path);
    bool taken(const std::string& uid) const;
    Result<std::string> choose_uid(const LaunchRequest& request) const;
    /// Forgets a group of which nothing runs.
    void forget(const GroupPtr& group);
    boost::asio::awaitable<Status> stop_group(GroupPtr group, std::chrono::milliseconds patience);
    boost::asio::awaitable<void> stop_members(std::vector<MemberPtr> members, std::chrono::milliseconds patience);
    void stop_detached(std::vector<MemberPtr> members, std::chrono::milliseconds patience);

    /// Starts members until there are as many as wanted. On failure all that it began are gone again.
    boost::asio::awaitable<Status> start(GroupPtr group);
    boost::asio::awaitable<Status> start_member(GroupPtr group);
    /// Stops idle models for a launch that does not fit. False: there are not enough of them.
    boost::asio::awaitable<bool> make_room(LaunchRequest request, GroupPtr group);
    std::vector<EvictionCandidate> evictable(const std::string& but) const;

    boost::asio::awaitable<void> restore(std::weak_ptr<int> alive);
    boost::asio::awaitable<void> stop_idle(std::weak_ptr<int> alive);
    boost::asio::awaitable<void> load(GroupPtr group);
    /// `waking`: somebody asked for just that, so that what died asleep is started again, too.
    boost::asio::awaitable<Status> ensure_loaded(GroupPtr group, bool waking = false);
    boost::asio::awaitable<void> unload(GroupPtr group, std::string_view why);

    void observe(const ModelStatus& status);
    /// Draws the consequences when no member of a group is left alive.
    void settle(const GroupPtr& group);
    void tell(std::string type, const Group& group, boost::json::object more = {});
    ModelStatus status_of(const Group& group) const;
    /// Null without members but those `tried` and, with `within_limit`, those that run what the launch allows; one that
    /// is not ready, which tells the client why, where none is.
    static MemberPtr choose_member(Group& group, uint64_t key, const std::vector<MemberPtr>& tried = {},
                                   bool within_limit = true);

    boost::asio::any_io_executor executor_;
    std::unique_ptr<Fleet> processes_;
    ManagedOptions options_;
    LaunchStore store_;
    EventLog events_;
    std::map<std::string, GroupPtr, std::less<>> groups_;
    std::map<std::string, std::string> aliases_;
    uint64_t observed_ = 0;                    ///< changes of processes so far
    std::map<std::string, std::string> told_;  ///< by member: what its last event said, so that none repeats it
    std::function<void(const ModelStatus&)> watcher_;
    boost::asio::steady_timer idle_timer_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace gantry::fleet
