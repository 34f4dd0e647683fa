#include "runtime/engine/engine.hpp"

#include <spdlog/fmt/fmt.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <unordered_set>
#include <utility>
#include <variant>

#include "base/retry.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

std::set<std::string> names_of(const std::map<std::string, uint32_t>& adapters) {
    std::set<std::string> names;
    for (const auto& [name, id] : adapters) {
        names.insert(name);
    }
    return names;
}

struct Submission {
    EngineRequest request;
    EventSink sink;
    EngineCore::Clock::time_point at;
};
struct Cancellation {
    std::string id;
};
struct AdapterLoading {
    std::string name;
    Engine::AdapterLoad load;
    Engine::AdapterDone done;
};
struct AdapterDropping {
    std::string name;
    Engine::AdapterDone done;
};
/// Something else to do between two steps.
struct Errand {
    std::function<void(EngineCore&)> run;
};
using Message = std::variant<Submission, Cancellation, AdapterLoading, AdapterDropping, Errand>;

Error shutting_down() { return {Code::kUnavailable, "the model is being stopped", "try again, or another replica"}; }

Error queue_full(size_t waiting, double seconds_per_admission) {
    const double wait = seconds_per_admission * static_cast<double>(waiting + 1);
    std::string message = fmt::format(
        "the model's queue is full: {} requests are waiting; this one would be at position {}", waiting, waiting + 1);
    if (wait > 0) {
        message += fmt::format(", which is reached in about {:.1f} s at the measured rate", wait);
    }
    return {Code::kResourceExhausted, std::move(message), retry_hint(wait)};
}

}  // namespace

/// Threads: `core` belongs to the engine thread (but for check() and limits()); the rest is guarded by `mutex`, which
/// is never held across a call of the model or of a sink.
struct Engine::Impl {
    Impl(std::unique_ptr<CausalModel> model, std::shared_ptr<const text::Tokenizer> tokenizer, EngineOptions options)
        : queue_limit(options.queue_limit),
          after_turn(options.after_turn),
          adapters(names_of(options.adapters)),
          core(std::move(model), std::move(tokenizer), std::move(options),
               [this](const std::string& id) { forget(id); }),
          refusal(core.broken()),
          published(core.stats()) {
        thread = std::thread([this] { run(); });
    }

    /// 1. refuse and wake; 2. the thread ends every request; 3. join.
    ~Impl() {
        {
            std::lock_guard lock(mutex);
            stopping = true;
            refusal = shutting_down();
        }
        wake.notify_one();
        thread.join();
    }

    void forget(const std::string& id) {
        std::lock_guard lock(mutex);
        ids.erase(id);
    }

    void run() {
        while (true) {
            std::vector<Message> messages;
            {
                std::unique_lock lock(mutex);
                wake.wait(lock, [&] { return stopping || !inbox.empty() || core.requests() > 0; });
                messages.swap(inbox);
                inbox_requests = 0;
            }
            try {
                turn(std::move(messages));
            } catch (const std::exception& e) {
                give_up({Code::kInternal, std::string("the engine has failed: ") + e.what(), "launch the model again"});
            }
            if (after_turn) {
                after_turn();
            }
            std::lock_guard lock(mutex);
            queued = core.unadmitted() + inbox_requests;
            live = core.requests() + inbox_requests;
            published = core.stats();
            if (core.broken() && !stopping) {
                refusal = core.broken();
            }
            idle.notify_all();
            if (stopping && live == 0 && inbox.empty()) {
                return;
            }
        }
    }

    void turn(std::vector<Message> messages) {
        for (Message& message : messages) {
            std::visit([this](auto& m) { take(m); }, message);
        }
        std::optional<Error> over;
        {
            std::lock_guard lock(mutex);
            over = stopping ? std::optional(shutting_down()) : core.broken();
        }
        if (over) {
            core.fail_all(*over);
        } else {
            core.step();
        }
    }

    void take(Submission& m) { core.add(std::move(m.request), std::move(m.sink), m.at); }
    void take(const Cancellation& m) { core.cancel(m.id); }
    void take(const Errand& m) { m.run(core); }
    void take(AdapterLoading& m) {
        const Status loaded = core.load_adapter(m.name, m.load);
        if (loaded) {
            std::lock_guard lock(mutex);
            adapters.insert(m.name);
        }
        m.done(loaded);
    }
    void take(AdapterDropping& m) { core.drop_adapter(m.name, std::move(m.done)); }

    void post(Message message) {
        {
            std::lock_guard lock(mutex);
            inbox.push_back(std::move(message));
        }
        wake.notify_one();
    }

    /// Why a request cannot have this adapter. Holding the mutex.
    Status check_adapter(const std::string& name) const {
        if (name.empty() || adapters.contains(name)) {
            return ok();
        }
        std::string known;
        for (const std::string& other : adapters) {
            known += (known.empty() ? "" : ", ") + other;
        }
        return Error{Code::kNotFound, "the model has no adapter '" + name + "'",
                     known.empty() ? "none are loaded" : "loaded are: " + known};
    }

    /// A library threw where nothing may throw: no state is to be trusted but the list of requests.
    void give_up(const Error& error) {
        {
            std::lock_guard lock(mutex);
            refusal = Error{Code::kUnavailable, error.message, error.hint};
        }
        core.fail_all(error);
    }

    const size_t queue_limit;
    const std::function<void()> after_turn;
    mutable std::mutex mutex;
    std::condition_variable wake, idle;
    std::vector<Message> inbox;
    size_t inbox_requests = 0;            ///< submissions among the messages
    std::unordered_set<std::string> ids;  ///< in use
    std::set<std::string> adapters;       ///< that requests may name
    size_t queued = 0;                    ///< requests that have not run yet, as of the last turn and newer ones
    size_t live = 0;                      ///< requests that have not got their last event, likewise
    bool stopping = false;
    EngineCore core;
    std::optional<Error> refusal;  ///< set: no new requests
    EngineStats published;
    std::thread thread;
};

Engine::Engine(std::unique_ptr<CausalModel> model, std::shared_ptr<const text::Tokenizer> tokenizer,
               EngineOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(tokenizer), std::move(options))) {}

Engine::~Engine() = default;

Status Engine::submit(EngineRequest request, EventSink sink) {
    impl_->core.truncate(request);
    GANTRY_CHECK_OK(impl_->core.check(request));
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->refusal) {
            return *impl_->refusal;
        }
        GANTRY_CHECK_OK(impl_->check_adapter(request.params.adapter));
        if (impl_->queued >= impl_->queue_limit) {
            return queue_full(impl_->queued, impl_->published.seconds_per_admission);
        }
        if (!impl_->ids.insert(request.id).second) {
            return Error{Code::kAlreadyExists, "a request with the id \"" + request.id + "\" is being answered",
                         "give every request an id of its own"};
        }
        impl_->inbox.emplace_back(Submission{std::move(request), std::move(sink), EngineCore::Clock::now()});
        ++impl_->inbox_requests;
        ++impl_->queued;
        ++impl_->live;
    }
    impl_->wake.notify_one();
    return ok();
}

bool Engine::cancel(const std::string& id) {
    {
        std::lock_guard lock(impl_->mutex);
        if (!impl_->ids.contains(id)) {
            return false;
        }
        impl_->inbox.emplace_back(Cancellation{id});
    }
    impl_->wake.notify_one();
    return true;
}

void Engine::load_adapter(std::string name, AdapterLoad load, AdapterDone done) {
    impl_->post(AdapterLoading{std::move(name), std::move(load), std::move(done)});
}

void Engine::drop_adapter(std::string name, AdapterDone done) {
    Status known = ok();
    {
        std::lock_guard lock(impl_->mutex);
        known = impl_->check_adapter(name);
        impl_->adapters.erase(name);
    }
    if (!known) {
        done(known);
        return;
    }
    impl_->post(AdapterDropping{std::move(name), std::move(done)});
}

std::vector<std::string> Engine::adapters() const {
    std::lock_guard lock(impl_->mutex);
    return {impl_->adapters.begin(), impl_->adapters.end()};
}

void Engine::export_prefix(std::vector<int32_t> tokens, std::string salt,
                           std::function<void(Result<PrefixArchive>)> done) {
    impl_->post(Errand{[tokens = std::move(tokens), salt = std::move(salt), done = std::move(done)](EngineCore& core) {
        done(core.export_prefix(tokens, salt));
    }});
}

void Engine::import_prefix(PrefixArchive archive, std::string salt, std::function<void(Result<uint32_t>)> done) {
    impl_->post(Errand{[archive = std::make_shared<PrefixArchive>(std::move(archive)), salt = std::move(salt),
                        done = std::move(done)](EngineCore& core) { done(core.import_prefix(*archive, salt)); }});
}

bool Engine::drain(std::chrono::milliseconds timeout) {
    std::unique_lock lock(impl_->mutex);
    if (!impl_->refusal) {
        impl_->refusal = shutting_down();
    }
    return impl_->idle.wait_for(lock, timeout, [&] { return impl_->live == 0; });
}

EngineStats Engine::stats() const {
    std::lock_guard lock(impl_->mutex);
    EngineStats stats = impl_->published;
    stats.waiting += impl_->inbox_requests;
    return stats;
}

const EngineMeter& Engine::meter() const { return impl_->core.meter(); }

const ModelLimits& Engine::limits() const { return impl_->core.limits(); }

}  // namespace gantry::engine
