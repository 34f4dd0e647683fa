#pragma once

/// A fleet without processes: it records what it is asked, and plays back scripted events.

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "runtime/fleet/event_log.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::test {

namespace asio = boost::asio;
namespace bj = boost::json;

/// One scripted event: an event, an error of the stream, or a wait until the client goes.
struct Scripted {
    enum class Kind { kEvent, kError, kWait, kEnd };
    Kind kind = Kind::kEvent;
    engine::Event event;
    Error error;
};

inline Scripted event(engine::Event e) { return {Scripted::Kind::kEvent, std::move(e), {}}; }
inline Scripted failure(Error e) { return {Scripted::Kind::kError, {}, std::move(e)}; }
inline Scripted wait() { return {Scripted::Kind::kWait, {}, {}}; }
inline Scripted text(std::string t, uint32_t index = 0) {
    engine::Delta delta;
    delta.index = index;
    delta.text = std::move(t);
    return event(std::move(delta));
}
inline Scripted finish(engine::FinishReason reason = engine::FinishReason::kStop, uint32_t index = 0) {
    return event(engine::Finish{index, reason});
}
inline Scripted usage(uint64_t prompt, uint64_t completion, uint64_t cached = 0) {
    engine::Usage u;
    u.prompt_tokens = prompt;
    u.completion_tokens = completion;
    u.cached_tokens = cached;
    return event(u);
}

using Script = std::vector<Scripted>;

class FakeStream final : public fleet::EventStream {
  public:
    FakeStream(asio::any_io_executor executor, Script script, int* cancelled)
        : executor_(std::move(executor)), script_(script.begin(), script.end()), cancelled_(cancelled) {}
    ~FakeStream() override {
        if (!script_.empty()) {
            ++*cancelled_;
        }
    }
    asio::awaitable<Result<std::optional<engine::Event>>> next() override {
        using Next = Result<std::optional<engine::Event>>;
        co_await asio::post(executor_, asio::use_awaitable);
        if (script_.empty()) {
            co_return Next(boost::system::in_place_value, std::nullopt);
        }
        if (script_.front().kind == Scripted::Kind::kWait) {
            asio::steady_timer forever(executor_, std::chrono::hours(1));
            co_await forever.async_wait(asio::use_awaitable);
        }
        Scripted now = std::move(script_.front());
        script_.pop_front();
        if (now.kind == Scripted::Kind::kError) {
            script_.clear();
            co_return Next(boost::system::in_place_error, std::move(now.error));
        }
        co_return Next(boost::system::in_place_value, std::move(now.event));
    }

    bool ready() const override {
        return !script_.empty() && script_.front().kind == Scripted::Kind::kEvent && together_;
    }
    void set_together(bool together) { together_ = together; }

  private:
    asio::any_io_executor executor_;
    std::deque<Scripted> script_;
    int* cancelled_;
    bool together_ = false;
};

class FakeFleet : public fleet::Fleet {
  public:
    explicit FakeFleet(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    fleet::ModelStatus& add(const std::string& uid, fleet::State state = fleet::State::kReady) {
        fleet::ModelStatus model;
        model.uid = uid;
        model.model_name = "tiny";
        model.model_path = "/models/tiny.gguf";
        model.state = state;
        model.engine = "cpu";
        model.architecture = "llama";
        model.format = "gguf";
        model.quantization = "Q4_K";
        model.abilities = {"chat", "generate"};
        model.parameter_count = 500'000'000;
        model.context_length = 2048;
        model.created = 1'700'000'000;
        models.push_back(std::move(model));
        return models.back();
    }

    asio::awaitable<Result<std::string>> launch(fleet::LaunchRequest request) override {
        launches.push_back(request);
        if (launch_error) {
            co_return *launch_error;
        }
        const std::string uid = request.uid.empty() ? request.model : request.uid;
        const auto& model = add(uid, wait_error ? fleet::State::kFailed : fleet::State::kReady);
        if (watcher) {
            watcher(model);
        }
        co_return uid;
    }
    asio::awaitable<Result<std::vector<fleet::EngineFit>>> assess(fleet::LaunchRequest request) override {
        assessed.push_back(request);
        const auto found = fits.find(request.quantization);
        if (found == fits.end()) {
            co_return Error(Code::kFailedPrecondition, "its files are not on this machine");
        }
        co_return found->second;
    }
    std::vector<fleet::DesiredLaunch> desired() const override { return wanted; }
    asio::awaitable<Status> replace(std::string uid, fleet::LaunchRequest request,
                                    std::chrono::milliseconds patience) override {
        request.uid = uid;
        drained = patience;
        if (launch_error) {
            co_return *launch_error;
        }
        launches.push_back(std::move(request));
        co_return ok();
    }
    asio::awaitable<Status> wait_ready(std::string) override {
        ++waits;
        co_return wait_error ? Status(*wait_error) : ok();
    }
    asio::awaitable<Status> cancel(std::string uid) override {
        const auto model = describe(uid);
        if (!model) {
            co_return model.error();
        }
        if (model->state == fleet::State::kReady) {
            co_return Error(Code::kFailedPrecondition, "model '" + uid + "' is not launching");
        }
        remove(uid);
        co_return ok();
    }
    asio::awaitable<Status> stop(std::string uid) override {
        const auto model = describe(uid);
        if (!model) {
            co_return model.error();
        }
        remove(uid);
        co_return ok();
    }
    asio::awaitable<Status> drain_and_stop(std::string uid, std::chrono::milliseconds patience) override {
        drained = patience;
        co_return co_await stop(std::move(uid));
    }
    asio::awaitable<Status> sleep(std::string uid) override { co_return set_state(uid, fleet::State::kAsleep); }
    asio::awaitable<Status> wake(std::string uid) override { co_return set_state(uid, fleet::State::kReady); }
    asio::awaitable<Status> load_adapter(std::string uid, std::string name, std::string path) override {
        if (uid == no_adapters_on) {
            co_return Error(Code::kOutOfMemory, "no room for the adapter");
        }
        for (auto& model : models) {
            if (model.uid == uid) {
                model.adapters[name] = path;
                co_return ok();
            }
        }
        co_return describe(uid).error();
    }
    asio::awaitable<Status> drop_adapter(std::string uid, std::string name) override {
        for (auto& model : models) {
            if (model.uid == uid && model.adapters.erase(name) > 0) {
                co_return ok();
            }
        }
        co_return Error(Code::kNotFound, "model '" + uid + "' has no adapter '" + name + "'");
    }
    Result<std::pair<std::string, std::string>> route(std::string_view name) const override {
        for (const auto& model : models) {
            if (model.uid == name) {
                return std::pair(model.uid, std::string());
            }
            if (model.adapters.contains(std::string(name))) {
                return std::pair(model.uid, std::string(name));
            }
        }
        return Error(Code::kNotFound, "there is no model '" + std::string(name) + "'");
    }
    Status set_state(const std::string& uid, fleet::State state) {
        for (auto& model : models) {
            if (model.uid == uid) {
                model.state = state;
                if (watcher) {
                    watcher(model);
                }
                return ok();
            }
        }
        return describe(uid).error();
    }
    std::chrono::milliseconds drained{0};
    asio::awaitable<void> stop_all() override {
        models.clear();
        ++stopped_all;
        co_return;
    }
    std::vector<fleet::ModelStatus> list() const override { return {models.begin(), models.end()}; }
    Result<fleet::ModelStatus> describe(std::string_view uid) const override {
        for (const auto& model : models) {
            if (model.uid == uid) {
                return model;
            }
        }
        return Error(Code::kNotFound, "there is no model '" + std::string(uid) + "'", "launched are: others");
    }
    asio::awaitable<Result<std::unique_ptr<fleet::EventStream>>> generate(std::string uid,
                                                                          engine::GenerateRequest request) override {
        const auto model = describe(uid);
        if (!model) {
            co_return model.error();
        }
        requests.push_back(std::move(request));
        ++generating;
        if (generate_error) {
            co_return *generate_error;
        }
        Script script = scripts.empty() ? Script{text("Hello"), finish(), usage(3, 1)} : scripts.front();
        if (!scripts.empty()) {
            scripts.pop_front();
        }
        auto stream = std::make_unique<FakeStream>(executor_, std::move(script), &cancelled);
        stream->set_together(together);
        co_return stream;
    }
    /// Vectors: the input's number, its length, 1. Scores: the length of the pair's second text / 10.
    asio::awaitable<Result<encoder::EncodeResult>> encode(std::string uid, encoder::EncodeRequest request) override {
        const auto model = describe(uid);
        if (!model) {
            co_return model.error();
        }
        if (encode_error) {
            co_return *encode_error;
        }
        encoder::EncodeResult out;
        const bool embeds = request.task == encoder::Task::kEmbed;
        out.width = embeds ? request.dimensions.value_or(3) : request.task == encoder::Task::kScore ? 1 : 2;
        for (size_t i = 0; i < request.inputs.size(); ++i) {
            const auto* text = std::get_if<std::string>(&request.inputs[i]);
            const auto* pair = std::get_if<encoder::TextPair>(&request.inputs[i]);
            const auto length = static_cast<float>(text != nullptr ? text->size() : pair ? pair->second.size() : 1);
            const std::vector<float> row = {embeds ? static_cast<float>(i) : length / 10, length, 1};
            out.values.insert(out.values.end(), row.begin(), row.begin() + static_cast<std::ptrdiff_t>(out.width));
            out.prompt_tokens.push_back(2);
        }
        encodes.push_back(std::move(request));
        co_return out;
    }
    asio::awaitable<Result<bj::value>> call(std::string uid, std::string path, bj::value body) override {
        const auto model = describe(uid);
        if (!model) {
            co_return model.error();
        }
        if (path == "/stats" && stats) {
            co_return *stats;
        }
        calls.push_back(uid + path);
        if (path == "/abort" && !aborts_on.empty() && uid != aborts_on) {
            co_return Error(Code::kNotFound, "no such request runs");
        }
        bj::object answer{{"path", path}, {"body", body}};
        if (path == "/template") {
            answer["prompt"] = bj::serialize(body);
        } else if (path == "/tokenize") {
            const bj::value* text = body.is_object() ? body.get_object().if_contains("text") : nullptr;
            const bool one = infill && text != nullptr && text->as_string().starts_with("<fim_");
            answer["ids"] = one ? bj::array{1} : bj::array{1, 1, 1, 1, 1};
        }
        co_return bj::value(std::move(answer));
    }
    asio::awaitable<Result<bj::value>> backends() override {
        co_return bj::parse(R"({"abi":"0.9","plugins":[
            {"id":"cpu","state":"ok","devices":[{"index":0,"kind":"cpu"}]},
            {"id":"cuda","state":"ok","devices":[],"why":"no driver"},
            {"id":"bad","state":"failed","devices":[],"error":{"code":"internal","message":"it crashed"}}]})");
    }
    fleet::Ledger ledger() const override { return {1000, 300}; }
    asio::awaitable<Result<fleet::LaunchPlan>> plan(fleet::LaunchRequest request) override {
        plans.push_back(request);
        if (launch_error) {
            co_return *launch_error;
        }
        fleet::LaunchPlan out;
        out.uid = request.uid.empty() ? request.model : request.uid;
        out.model_name = request.model;
        out.engine = "cpu";
        out.sum = "1 KiB of weights";
        out.host_bytes = 1024;
        out.fits = true;
        co_return out;
    }
    void watch(std::function<void(const fleet::ModelStatus&)> w) override { watcher = std::move(w); }
    Status touch(std::string_view uid, std::optional<std::chrono::seconds> keep_alive) override {
        const auto model = describe(uid);
        if (!model) {
            return model.error();
        }
        touches.emplace_back(std::string(uid), keep_alive);
        return ok();
    }
    fleet::EventLog* events() override { return &event_log; }

    std::deque<fleet::ModelStatus> models;
    std::vector<fleet::LaunchRequest> launches, plans;
    std::vector<std::pair<std::string, std::optional<std::chrono::seconds>>> touches;
    std::function<void(const fleet::ModelStatus&)> watcher;
    std::vector<engine::GenerateRequest> requests;
    std::vector<encoder::EncodeRequest> encodes;
    std::optional<Error> encode_error;
    std::deque<Script> scripts;
    std::optional<bj::value> stats;  ///< what models answer to /stats
    std::optional<Error> launch_error, wait_error, generate_error;
    std::atomic<int> generating = 0;  ///< generations begun; may be watched from another thread
    bool together = false;            ///< streams say that events which follow at once are ready
    bool infill = false;              ///< "<fim_..." are tokens of the models
    std::map<std::string, std::vector<fleet::EngineFit>> fits;  ///< by quantisation; others are not on this machine
    std::vector<fleet::LaunchRequest> assessed;
    std::vector<fleet::DesiredLaunch> wanted;
    std::vector<std::string> calls;  ///< uid and path of each call, "/stats" apart
    std::string aborts_on;           ///< the one model that has the request to abort; empty: all do
    std::string no_adapters_on;      ///< a model that can load none
    int waits = 0, cancelled = 0, stopped_all = 0;

  private:
    void remove(const std::string& uid) {
        std::erase_if(models, [&](const auto& model) { return model.uid == uid; });
    }
    asio::any_io_executor executor_;

  public:
    fleet::EventLog event_log{executor_};
};

}  // namespace gantry::test
