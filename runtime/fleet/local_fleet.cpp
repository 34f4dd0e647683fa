// Fleet on this machine's processes.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/log.hpp"
#include "base/paths.hpp"
#include "runtime/fleet/fleet.hpp"
#include "runtime/fleet/launch_download.hpp"
#include "runtime/fleet/launch_planner.hpp"
#include "runtime/fleet/launched_model.hpp"
#include "runtime/fleet/machine.hpp"
#include "runtime/fleet/memory_ledger.hpp"
#include "runtime/fleet/probe_client.hpp"
#include "runtime/fleet/uid.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;
using namespace asio::experimental::awaitable_operators;
namespace {

using ModelPtr = std::shared_ptr<LaunchedModel>;

/// Sockets are called <pid>-<number>.sock. Those of processes that are gone are in nobody's way, but litter.
void remove_stale_sockets(const fs::path& dir) {
    std::error_code ec;
    for (fs::directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec)) {
        const std::string name = it->path().filename().string();
        int pid = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed.ec == std::errc{} && *parsed.ptr == '-' && name.ends_with(".sock") && pid != ::getpid() &&
            ::kill(pid, 0) != 0 && errno == ESRCH) {
            std::error_code ignored;
            fs::remove(it->path(), ignored);
        }
    }
}

/// Removes a launch that did not come to its start, whatever the way it ends.
class LaunchGuard {
  public:
    LaunchGuard(std::map<std::string, ModelPtr>& models, ModelPtr model) : models_(models), model_(std::move(model)) {}
    LaunchGuard(const LaunchGuard&) = delete;
    LaunchGuard& operator=(const LaunchGuard&) = delete;
    ~LaunchGuard() {
        if (model_ != nullptr) {
            models_.erase(model_->status().uid);
            model_->give_up(error_);
        }
    }
    Error fail(Error error) {
        error_ = error;
        return error;
    }
    void commit() { model_ = nullptr; }

  private:
    std::map<std::string, ModelPtr>& models_;
    ModelPtr model_;
    Error error_{Code::kCancelled, "the launch was cancelled"};
};

class LocalFleet final : public Fleet {
  public:
    LocalFleet(asio::any_io_executor executor, FleetOptions options, std::shared_ptr<sources::Puller> puller)
        : executor_(std::move(executor)),
          options_(std::move(options)),
          puller_(std::move(puller)),
          ledger_(options_.memory_limit != 0 ? options_.memory_limit : memory_for_models(memory_total())),
          planner_(executor_, options_) {
        // A child that dies while it is written to must not take us along; write() tells.
        ::signal(SIGPIPE, SIG_IGN);
        std::error_code ec;
        fs::create_directories(options_.runtime_dir, ec);
        ::chmod(options_.runtime_dir.c_str(), S_IRWXU);
        remove_stale_sockets(options_.runtime_dir);
    }

    asio::awaitable<Result<std::string>> launch(LaunchRequest request) override {
        for (const auto& [name, path] : request.adapters) {
            GANTRY_CO_CHECK_OK(check_adapter_name(name));
        }
        GANTRY_CO_TRY(const std::string uid, choose_uid(request));
        const auto model = std::make_shared<LaunchedModel>(executor_, uid);
        model->set_watcher(watcher_);
        models_[uid] = model;
        LaunchGuard guard(models_, model);
        model->update([&](ModelStatus& s) {
            s.model_name = request.model;
            s.stage = "resolve";
        });
        auto resolved = planner_.resolve(request);
        if (!resolved) {
            Error missing = resolved.error();
            resolved = co_await download_for_launch(executor_, puller_, planner_, model, request, ledger_.total(),
                                                    std::move(missing));
        }
        if (!resolved) {
            co_return guard.fail(resolved.error());
        }
        if (resolved->entry && request.tool_parser.empty()) {
            request.tool_parser = resolved->entry->tool_parser;
        }
        if (resolved->entry && request.reasoning_parser.empty()) {
            request.reasoning_parser = resolved->entry->reasoning_parser;
        }
        model->update([&](ModelStatus& s) {
            s.model_name = resolved->name;
            s.model_path = resolved->path.string();
            s.state = State::kPlacing;
            s.stage = "place";
        });
        auto report = co_await planner_.ask(*model, request, resolved->path);
        if (!report) {
            co_return guard.fail(report.error());
        }
        Draft draft;
        if (!request.draft_model.empty()) {
            auto asked = co_await planner_.ask_about_draft(*model, request);
            if (!asked) {
                co_return guard.fail(asked.error().in("the draft model"));
            }
            draft = std::move(*asked);
        }
        auto placement = LaunchPlanner::find_place(request, *report, draft.report, ledger_);
        if (placement) {
            if (const Status reserved = ledger_.reserve(uid, placement->host_bytes); !reserved) {
                placement = reserved.error();
            }
        }
        if (!placement) {
            co_return guard.fail(placement.error().in("model '" + uid + "'"));
        }
        guard.commit();
        start(model, request, *placement, draft.path);
        co_return uid;
    }

    asio::awaitable<Result<std::vector<EngineFit>>> assess(LaunchRequest request) override {
        return planner_.assess(std::move(request));
    }

    asio::awaitable<Status> wait_ready(std::string uid) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        while (true) {
            if (model->ended()) {
                co_return model->status().error.value_or(Error{Code::kUnavailable, "model '" + uid + "' has ended"});
            }
            if (model->status().state == State::kReady) {
                co_return ok();
            }
            co_await model->wait_change();
        }
    }

    asio::awaitable<Status> cancel(std::string uid) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        const State state = model->status().state;
        const bool launching = state == State::kResolving || state == State::kPlacing || state == State::kStarting ||
                               state == State::kLoading || state == State::kWarming;
        if (!launching) {
            co_return Error{Code::kFailedPrecondition,
                            "model '" + uid + "' is not launching, it is " + std::string(state_name(state))};
        }
        co_return co_await stop_model(model);
    }

    asio::awaitable<Status> stop(std::string uid) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        co_return co_await stop_model(model);
    }

    asio::awaitable<Status> drain_and_stop(std::string uid, std::chrono::milliseconds patience) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        co_await model->drain(patience);
        co_return co_await stop_model(model);
    }

    asio::awaitable<Status> sleep(std::string uid) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        GANTRY_CO_CHECK_OK(co_await model->sleep());
        if (model->status().state == State::kAsleep) {
            ledger_.release(uid);
        }
        co_return ok();
    }

    asio::awaitable<Status> wake(std::string uid) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        if (model->status().state == State::kAsleep) {
            const auto reserved = ledger_.reserve(uid, launches_.at(uid).host_bytes);
            if (!reserved) {
                co_return reserved.error().in("model '" + uid + "' cannot be woken");
            }
        }
        const Status woken = co_await model->wake();
        if (!woken && model->status().state == State::kAsleep) {
            ledger_.release(uid);
        }
        co_return woken;
    }

    asio::awaitable<Status> load_adapter(std::string uid, std::string name, std::string path) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        GANTRY_CO_CHECK_OK(check_adapter_name(name));
        std::error_code ec;
        std::string absolute = fs::absolute(path, ec).string();
        co_return co_await model->load_adapter(std::move(name), std::move(absolute));
    }

    asio::awaitable<Status> drop_adapter(std::string uid, std::string name) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        if (!model->status().adapters.contains(name)) {
            co_return unknown_adapter(*model, name);
        }
        co_return co_await model->drop_adapter(std::move(name));
    }

    Result<std::pair<std::string, std::string>> route(std::string_view name) const override {
        if (models_.contains(std::string(name))) {
            return std::pair(std::string(name), std::string());
        }
        const size_t colon = name.rfind(':');
        const auto base =
            colon == std::string_view::npos ? models_.end() : models_.find(std::string(name.substr(0, colon)));
        if (base != models_.end()) {
            const std::string adapter(name.substr(colon + 1));
            if (!base->second->status().adapters.contains(adapter)) {
                return unknown_adapter(*base->second, adapter);
            }
            return std::pair(base->first, adapter);
        }
        std::vector<std::string> owners;
        for (const auto& [uid, model] : models_) {
            if (model->status().adapters.contains(std::string(name))) {
                owners.push_back(uid);
            }
        }
        if (owners.size() == 1) {
            return std::pair(owners.front(), std::string(name));
        }
        if (owners.size() > 1) {
            return Error{Code::kInvalidArgument, "several models have an adapter '" + std::string(name) + "'",
                         "say which: \"" + owners.front() + ":" + std::string(name) + "\""};
        }
        return find(name).error();
    }

    asio::awaitable<void> stop_all() override {
        const auto models = models_;
        for (const auto& [uid, model] : models) {
            model->request_stop();
        }
        for (const auto& [uid, model] : models) {
            (void)co_await stop_model(model);
        }
    }

    std::vector<ModelStatus> list() const override {
        std::vector<ModelStatus> out;
        for (const auto& [uid, model] : models_) {
            out.push_back(model->status());
        }
        return out;
    }

    Result<ModelStatus> describe(std::string_view uid) const override {
        GANTRY_TRY(const ModelPtr model, find(uid));
        return model->status();
    }

    asio::awaitable<Result<std::unique_ptr<EventStream>>> generate(std::string uid,
                                                                   engine::GenerateRequest request) override {
        GANTRY_CO_TRY(auto target, route(uid));
        GANTRY_CO_TRY(const ModelPtr model, find(target.first));
        if (!target.second.empty()) {
            request.adapter = std::move(target.second);
        }
        const bool sleeping = model->status().state == State::kAsleep || model->waking();
        if (sleeping && launches_[target.first].wake_on_request) {
            GANTRY_CO_CHECK_OK(co_await wake(target.first));
        }
        co_return co_await model->generate(std::move(request));
    }

    asio::awaitable<Result<encoder::EncodeResult>> encode(std::string uid, encoder::EncodeRequest request) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        const bool sleeping = model->status().state == State::kAsleep || model->waking();
        if (sleeping && launches_[uid].wake_on_request) {
            GANTRY_CO_CHECK_OK(co_await wake(uid));
        }
        co_return co_await model->encode(std::move(request));
    }

    asio::awaitable<Result<json::value>> call(std::string uid, std::string path, json::value body) override {
        GANTRY_CO_TRY(const ModelPtr model, find(uid));
        co_return co_await model->call(std::move(path), std::move(body));
    }

    asio::awaitable<Result<json::value>> backends() override {
        co_return co_await run_probe_process(executor_, options_.program, planner_.probe_request());
    }

    Ledger ledger() const override { return {ledger_.total(), ledger_.reserved()}; }

    asio::awaitable<Result<LaunchPlan>> plan(LaunchRequest request) override {
        GANTRY_CO_TRY(std::string uid, choose_uid(request));
        co_return co_await planner_.plan(std::move(uid), std::move(request), ledger_);
    }

    void watch(std::function<void(const ModelStatus&)> watcher) override { watcher_ = std::move(watcher); }

    /// Use is counted where the set of models is kept (managed_fleet.hpp): here a model runs until it is stopped.
    Status touch(std::string_view uid, std::optional<std::chrono::seconds>) override {
        const auto found = find(uid);
        return found ? ok() : Status(found.error());
    }

  private:
    Result<ModelPtr> find(std::string_view uid) const {
        const auto found = models_.find(std::string(uid));
        if (found != models_.end()) {
            return found->second;
        }
        std::string known;
        for (const auto& [name, model] : models_) {
            known += (known.empty() ? "" : ", ") + name;
        }
        return Error{Code::kNotFound, "there is no model '" + std::string(uid) + "'",
                     known.empty() ? "no models are launched" : "launched are: " + known};
    }

    /// Names go into "uid:name" and into messages.
    static Status check_adapter_name(const std::string& name) {
        const bool fits = !name.empty() && name.size() <= 100 &&
                          std::ranges::all_of(name, [](unsigned char c) { return c > ' ' && c < 127 && c != ':'; });
        return fits ? ok()
                    : Status(Error{Code::kInvalidArgument,
                                   "an adapter's name must have 1 to 100 visible ASCII characters and no ':'"});
    }

    static Error unknown_adapter(const LaunchedModel& model, const std::string& name) {
        std::string known;
        for (const auto& [other, path] : model.status().adapters) {
            known += (known.empty() ? "" : ", ") + other;
        }
        return {Code::kNotFound, "model '" + model.status().uid + "' has no adapter '" + name + "'",
                known.empty() ? "none are loaded" : "loaded are: " + known};
    }

    /// A model that failed leaves its uid to the next launch.
    bool taken(const std::string& uid) const {
        const auto found = models_.find(uid);
        return found != models_.end() && !found->second->ended();
    }

    Result<std::string> choose_uid(const LaunchRequest& request) const {
        if (request.model.empty() && request.model_path.empty()) {
            return Error{Code::kInvalidArgument, "a launch needs a model's name or path"};
        }
        if (request.uid.empty()) {
            const std::string name = launch_name(request.model, request.model_path);
            return make_uid(name, [this](const std::string& uid) { return taken(uid); });
        }
        if (request.replica_of.empty()) {
            GANTRY_CHECK_OK(check_uid(request.uid));
        }
        if (taken(request.uid)) {
            return Error{Code::kAlreadyExists, "a model '" + request.uid + "' is already launched",
                         "stop it, or choose another uid"};
        }
        return request.uid;
    }

    /// Made when it is first needed; empty where that fails.
    std::string state_dir() const {
        if (options_.state_dir.empty()) {
            return {};
        }
        const Status made = paths::make_private(options_.state_dir);
        if (!made) {
            log::warn("computed texts cannot be saved: {}", made.error().text());
        }
        return made ? options_.state_dir : std::string();
    }

    void start(const ModelPtr& model, const LaunchRequest& request, const Placement& placement,
               const std::string& draft_path) {
        const std::string& uid = model->status().uid;
        launches_[uid] = {placement.host_bytes, request.wake_on_request};
        runner::RunnerSpec spec;
        std::error_code ec;
        for (const auto& [name, path] : request.adapters) {
            spec.adapters[name] = fs::absolute(path, ec).string();
        }
        for (const std::string& dir : request.adapter_dirs) {
            spec.adapter_dirs.push_back(fs::absolute(dir, ec).string());
        }
        spec.uid = uid;
        spec.model_path = model->status().model_path;
        for (const fs::path& dir : planner_.probe_request().plugin_dirs) {
            spec.plugin_dirs.push_back(dir.string());
        }
        spec.engine = placement.engine;
        spec.tool_parser = request.tool_parser;
        spec.reasoning_parser = request.reasoning_parser;
        spec.template_kwargs = request.template_kwargs;
        spec.socket = (fs::path(options_.runtime_dir) /
                       (std::to_string(::getpid()) + "-" + std::to_string(++sockets_made_) + ".sock"))
                          .string();
        spec.threads = request.threads.value_or(planner_.threads());
        spec.context = placement.plan.context;
        spec.max_sequences = request.max_sequences.value_or(LaunchPlanner::kMaxSequences);
        spec.memory_bytes = placement.plan.total();
        spec.speculative = request.speculative;
        spec.draft_model_path = draft_path;
        if (placement.draft) {
            spec.draft_context = placement.draft->context;
            spec.draft_memory_bytes = placement.draft->total();
        }
        spec.draft_tokens = request.draft_tokens.value_or(spec.draft_tokens);
        SplitOptions split = split_options(request.options);
        spec.options = std::move(split.plugin);
        spec.scheduling = std::move(split.scheduling);
        spec.scheduling.insert(options_.scheduling.begin(), options_.scheduling.end());
        spec.sandbox = options_.sandbox;
        spec.state_dir = state_dir();
        SupervisionOptions supervision;
        supervision.program = options_.program;
        supervision.restart_limit = options_.restart_limit;
        supervision.restart_window = options_.restart_window;
        supervision.load_watchdog = options_.load_watchdog;
        model->update([&](ModelStatus& s) {
            s.state = State::kStarting;
            s.engine = placement.engine;
            s.context_length = placement.plan.context;
            s.memory_bytes = placement.host_bytes + placement.device_bytes;
        });
        log::info("model '{}' goes to engine '{}': {}", uid, placement.engine, placement.plan.sum());
        model->start(std::move(spec), std::move(supervision),
                     [this, alive = std::weak_ptr(alive_), uid, raw = model.get()] {
                         if (!alive.expired()) {
                             ended(uid, raw);
                         }
                     });
    }

    /// Models that were stopped vanish; those that failed stay visible with their reason until their uid is used again.
    void ended(const std::string& uid, const LaunchedModel* model) {
        const auto found = models_.find(uid);
        if (found == models_.end() || found->second.get() != model) {
            return;
        }
        ledger_.release(uid);
        launches_.erase(uid);
        if (found->second->stop_requested()) {
            models_.erase(found);
        }
    }

    asio::awaitable<Status> stop_model(ModelPtr model) {
        if (model->ended()) {
            // Failed before: there is no process, only the memory of it.
            const auto found = models_.find(model->status().uid);
            if (found != models_.end() && found->second == model) {
                models_.erase(found);
            }
            co_return ok();
        }
        model->request_stop();
        while (!model->ended()) {
            co_await model->wait_change();
        }
        co_return ok();
    }

    asio::any_io_executor executor_;
    FleetOptions options_;
    std::shared_ptr<sources::Puller> puller_;  ///< null: launches download nothing
    MemoryLedger ledger_;
    LaunchPlanner planner_;
    std::function<void(const ModelStatus&)> watcher_;
    std::map<std::string, ModelPtr> models_;
    struct Launch {
        uint64_t host_bytes = 0;  ///< what it holds of the ledger while it is awake
        bool wake_on_request = false;
    };
    std::map<std::string, Launch> launches_;
    uint64_t sockets_made_ = 0;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);  ///< for callbacks that may outlive this
};

}  // namespace

std::unique_ptr<Fleet> make_local_fleet(asio::any_io_executor executor, FleetOptions options,
                                        std::shared_ptr<sources::Puller> puller) {
    return std::make_unique<LocalFleet>(std::move(executor), std::move(options), std::move(puller));
}

std::unique_ptr<Fleet> make_local_fleet(asio::any_io_executor executor, FleetOptions options) {
    return std::make_unique<LocalFleet>(std::move(executor), std::move(options), nullptr);
}

}  // namespace gantry::fleet
