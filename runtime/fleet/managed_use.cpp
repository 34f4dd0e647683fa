// Requests to managed models: which process takes one, and what is known of their use.

#include <algorithm>
#include <charconv>
#include <utility>

#include "runtime/fleet/managed_set.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;

/// A request that runs, for as long as this lives.
class ManagedFleet::Use {
  public:
    Use(ManagedFleet& fleet, GroupPtr group, MemberPtr member)
        : fleet_(fleet), alive_(fleet.alive_), group_(std::move(group)), member_(std::move(member)) {
        ++group_->in_use;
        ++member_->in_use;
        group_->used();
    }
    Use(Use&&) = default;
    Use& operator=(Use&&) = delete;
    ~Use() {
        if (group_ == nullptr) {
            return;
        }
        --group_->in_use;
        --member_->in_use;
        group_->used();
        if (!alive_.expired()) {
            fleet_.idle_timer_.cancel();
        }
    }

  private:
    ManagedFleet& fleet_;
    std::weak_ptr<int> alive_;
    GroupPtr group_;  ///< null: moved from
    MemberPtr member_;
};

class ManagedFleet::UsedStream final : public EventStream {
  public:
    UsedStream(std::unique_ptr<EventStream> stream, Use use) : use_(std::move(use)), stream_(std::move(stream)) {}
    asio::awaitable<Result<std::optional<engine::Event>>> next() override { return stream_->next(); }
    bool ready() const override { return stream_->ready(); }

  private:
    Use use_;  // ends after the stream
    std::unique_ptr<EventStream> stream_;
};

bool Group::has_ready() const {
    for (const MemberPtr& member : members) {
        if (member->state == State::kReady) {
            return true;
        }
    }
    return false;
}

MemberPtr Group::member(const std::string& member_uid) const {
    for (const MemberPtr& candidate : members) {
        if (candidate->uid == member_uid) {
            return candidate;
        }
    }
    return nullptr;
}

bool Group::full(const Member& member) const {
    return request.request_limit && member.in_use >= *request.request_limit;
}

int Group::next_id() const {
    int next = 0;
    for (const MemberPtr& member : members) {
        next = std::max(next, member->id + 1);
    }
    return next;
}

std::optional<Group::Clock::time_point> Group::idle_end() const {
    if (!keep_alive || keep_alive->count() < 0 || request.pinned || in_use > 0 || busy || stopping || !has_ready()) {
        return std::nullopt;
    }
    if (keep_alive->count() == 0 && last_used == 0) {
        return std::nullopt;  // "until its first request is through", or it would never serve one
    }
    return last_use + *keep_alive;
}

MemberPtr ManagedFleet::choose_member(Group& group, uint64_t key, const std::vector<MemberPtr>& tried,
                                      bool within_limit) {
    std::vector<ReplicaLoad> loads;
    std::vector<MemberPtr> able;
    MemberPtr other;
    bool full = false;
    for (const MemberPtr& member : group.members) {
        if (std::ranges::find(tried, member) != tried.end()) {
            continue;
        }
        if (member->state == State::kReady && within_limit && group.full(*member)) {
            full = true;
            continue;
        }
        if (member->state == State::kReady) {
            loads.push_back({member->id, member->in_use});
            able.push_back(member);
        } else if (other == nullptr) {
            other = member;
        }
    }
    return able.empty() ? (full ? nullptr : other) : able[choose_replica(loads, key, group.turn++)];
}

namespace {

Error no_process(const Group& group) {
    if (group.request.request_limit && group.has_ready()) {
        return {Code::kResourceExhausted,
                "Rate limit reached for the model '" + group.uid() + "': it was launched for " +
                    std::to_string(*group.request.request_limit) + " requests at once on each replica",
                "repeat the request in a moment"};
    }
    if (group.lost_asleep) {
        return {Code::kUnavailable, "model '" + group.uid() + "' is asleep, and its process has ended",
                "wake it: POST /gantry/v1/models/" + group.uid() + "/wake"};
    }
    return {Code::kUnavailable, "model '" + group.uid() + "' has no process",
            group.error ? group.error->message : "it is being launched: repeat the request in a moment"};
}

/// A replica that died a moment ago, or is full, is no reason to refuse what another can do.
bool may_try_another(const Error& error) {
    return error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<EventStream>>> ManagedFleet::generate(std::string uid,
                                                                             engine::GenerateRequest request) {
    GANTRY_CO_TRY(auto target, route(uid));
    GANTRY_CO_TRY(const GroupPtr group, find(target.first));
    if (!target.second.empty()) {
        request.adapter = std::move(target.second);
    }
    GANTRY_CO_CHECK_OK(co_await ensure_loaded(group));
    const uint64_t key = group->members.size() > 1 ? prefix_key(request) : 0;
    Error last = no_process(*group);
    std::vector<MemberPtr> tried;
    while (const MemberPtr member = choose_member(*group, key, tried)) {
        Use use(*this, group, member);
        engine::GenerateRequest copy = request;
        auto stream = co_await processes_->generate(member->uid, std::move(copy));
        if (stream) {
            co_return std::make_unique<UsedStream>(std::move(*stream), std::move(use));
        }
        const bool another_may = may_try_another(stream.error());
        if (tried.empty() || !another_may) {
            last = stream.error();
        }
        if (!another_may) {
            break;
        }
        tried.push_back(member);
    }
    co_return last;
}

asio::awaitable<Result<encoder::EncodeResult>> ManagedFleet::encode(std::string uid, encoder::EncodeRequest request) {
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    GANTRY_CO_CHECK_OK(co_await ensure_loaded(group));
    Error last = no_process(*group);
    std::vector<MemberPtr> tried;
    while (const MemberPtr member = choose_member(*group, 0, tried)) {
        const Use use(*this, group, member);
        encoder::EncodeRequest copy = request;
        auto result = co_await processes_->encode(member->uid, std::move(copy));
        if (result) {
            co_return std::move(*result);
        }
        const bool another_may = may_try_another(result.error());
        if (tried.empty() || !another_may) {
            last = result.error();
        }
        if (!another_may) {
            break;
        }
        tried.push_back(member);
    }
    co_return last;
}

MemberPtr ManagedFleet::find_replica(std::string_view name) const {
    const size_t at = name.rfind("-rep");
    int id = -1;
    if (at == std::string_view::npos) {
        return nullptr;
    }
    const std::string_view number = name.substr(at + 4);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
    const auto group = find(name.substr(0, at));
    if (error != std::errc{} || end != number.data() + number.size() || !group) {
        return nullptr;
    }
    const auto found = std::ranges::find((*group)->members, id, [](const MemberPtr& member) { return member->id; });
    return found == (*group)->members.end() ? nullptr : *found;
}

asio::awaitable<Result<boost::json::value>> ManagedFleet::abort(GroupPtr group, boost::json::value body) {
    Result<boost::json::value> last = no_process(*group);
    const auto members = group->members;
    for (const MemberPtr& member : members) {
        boost::json::value copy = body;
        auto answer = co_await processes_->call(member->uid, "/abort", std::move(copy));
        if (answer) {
            co_return answer;
        }
        // That one process does not know the request says more than that another is not there.
        if (member == members.front() || answer.error().code == Code::kNotFound) {
            last = answer.error();
        }
    }
    co_return last;
}

asio::awaitable<Result<boost::json::value>> ManagedFleet::call(std::string uid, std::string path,
                                                               boost::json::value body) {
    if (const MemberPtr replica = find_replica(uid)) {
        co_return co_await processes_->call(replica->uid, std::move(path), std::move(body));
    }
    GANTRY_CO_TRY(const GroupPtr group, find(uid));
    if (path == "/abort") {
        co_return co_await abort(group, std::move(body));
    }
    const bool counts = path != "/stats";
    if (counts) {
        GANTRY_CO_CHECK_OK(co_await ensure_loaded(group));
    }
    const MemberPtr member = choose_member(*group, 0, {}, false);
    if (member == nullptr) {
        co_return Error{Code::kUnavailable, "model '" + group->uid() + "' is not loaded"};
    }
    std::optional<Use> use;
    if (counts) {
        use.emplace(*this, group, member);
    }
    co_return co_await processes_->call(member->uid, std::move(path), std::move(body));
}

Status ManagedFleet::touch(std::string_view uid, std::optional<std::chrono::seconds> keep_alive) {
    GANTRY_TRY(const GroupPtr group, find(uid));
    group->used();
    if (keep_alive) {
        group->keep_alive = keep_alive;
    }
    idle_timer_.cancel();
    return ok();
}

}  // namespace gantry::fleet
