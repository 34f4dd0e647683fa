#include "runtime/encoder/encoder_engine.hpp"

#include <spdlog/fmt/fmt.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>
#include <variant>

#include "base/retry.hpp"
#include "runtime/encoder/encoder_core.hpp"

namespace gantry::encoder {
namespace {

Error shutting_down() { return {Code::kUnavailable, "the model is being stopped", "try again, or another replica"}; }

Error queue_full(size_t waiting, uint64_t tokens, double tokens_per_second) {
    const double wait = tokens_per_second > 0 ? static_cast<double>(tokens) / tokens_per_second : 0;
    std::string message =
        fmt::format("the model's queue is full: {} requests with {} tokens are waiting", waiting, tokens);
    if (wait > 0) {
        message += fmt::format(", which takes about {:.1f} s at the measured rate", wait);
    }
    return {Code::kResourceExhausted, std::move(message), retry_hint(wait)};
}

Status check_input(const Sequence& input, size_t index, const EncoderLimits& limits) {
    const std::string where = fmt::format("input {}", index);
    if (input.ids.empty()) {
        return Error{Code::kInvalidArgument, where + " has no tokens", "send a text that is not empty"};
    }
    if (input.ids.size() > limits.max_context) {
        return Error{Code::kInvalidArgument,
                     fmt::format("{} has {} tokens, but the model takes at most {}", where, input.ids.size(),
                                 limits.max_context),
                     "split it, or set truncate_prompt_tokens to -1 to have its end cut off"};
    }
    for (const int32_t id : input.ids) {
        if (id < 0 || static_cast<uint32_t>(id) >= limits.vocab_size) {
            return Error{Code::kInvalidArgument, fmt::format("{} has the token {}, but the model's tokens are 0 to {}",
                                                             where, id, limits.vocab_size - 1)};
        }
    }
    return ok();
}

}  // namespace

/// Threads: `core` belongs to the engine thread (but for limits() and meter()); the rest is guarded by `mutex`, which
/// is never held across a call of the model or of a sink.
struct EncoderEngine::Impl {
    Impl(std::unique_ptr<EncoderModel> model, EncoderOptions o)
        : options(std::move(o)), core(std::move(model), options) {
        thread = std::thread([this] { run(); });
    }

    ~Impl() {
        {
            std::lock_guard lock(mutex);
            stopping = true;
            refusal = shutting_down();
        }
        wake.notify_one();
        thread.join();
    }

    void run() {
        while (true) {
            std::vector<std::variant<Job, std::string>> messages;
            bool last = false;
            {
                std::unique_lock lock(mutex);
                wake.wait(lock, [&] { return stopping || !inbox.empty() || core.jobs() > 0; });
                messages.swap(inbox);
                last = stopping;
            }
            for (auto& message : messages) {
                if (auto* job = std::get_if<Job>(&message)) {
                    core.add(std::move(*job));
                } else {
                    core.cancel(std::get<std::string>(message));
                }
            }
            turn(last);
            std::vector<EncoderCore::Ended> ended = core.take_ended();
            const bool over = publish(ended);
            for (EncoderCore::Ended& one : ended) {
                one.sink(std::move(one.result));
            }
            if (over) {
                return;
            }
        }
    }

    /// Before the sinks are called: who has an answer finds it counted. True when nothing will come any more.
    bool publish(const std::vector<EncoderCore::Ended>& ended) {
        std::lock_guard lock(mutex);
        for (const EncoderCore::Ended& one : ended) {
            ids.erase(one.id);
        }
        published = core.stats();
        queued = published.waiting;
        for (const auto& message : inbox) {
            queued += std::holds_alternative<Job>(message) ? 1 : 0;
        }
        return stopping && inbox.empty() && core.jobs() == 0;
    }

    void turn(bool last) {
        if (last) {
            core.fail_all(shutting_down());
            return;
        }
        core.expire(Job::Clock::now());
        if (core.begin_step()) {
            publish({});  // what the step has taken waits no more
            core.finish_step();
        }
        if (core.broken()) {
            {
                std::lock_guard lock(mutex);
                refusal = Error{Code::kUnavailable, core.broken()->message, core.broken()->hint};
            }
            core.fail_all(*core.broken());
            if (options.on_broken) {
                std::exchange(options.on_broken, nullptr)(*core.broken());
            }
        }
    }

    EncoderOptions options;
    mutable std::mutex mutex;
    std::condition_variable wake;
    std::vector<std::variant<Job, std::string>> inbox;  ///< requests, and ids to cancel
    std::unordered_set<std::string> ids;                ///< in use
    size_t queued = 0;  ///< requests that no step has begun, as of the last turn and newer
    bool stopping = false;
    EncoderCore core;
    std::optional<Error> refusal;  ///< set: no new requests
    EncoderStats published;
    std::thread thread;
};

EncoderEngine::EncoderEngine(std::unique_ptr<EncoderModel> model, EncoderOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(options))) {}

EncoderEngine::~EncoderEngine() = default;

Status EncoderEngine::submit(EncodeWork work, EncodeSink sink) {
    const EncoderLimits& limits = impl_->core.limits();
    const bool scores = work.pooling == GANTRY_POOLING_SCORES;
    if ((scores ? limits.score_width : limits.embed_width) == 0) {
        return Error{Code::kInvalidArgument, scores ? "the model gives no scores" : "the model gives no embeddings"};
    }
    if (work.inputs.empty()) {
        return Error{Code::kInvalidArgument, "there is no input"};
    }
    for (size_t i = 0; i < work.inputs.size(); ++i) {
        GANTRY_CHECK_OK(check_input(work.inputs[i], i, limits));
    }
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->refusal) {
            return *impl_->refusal;
        }
        if (impl_->queued >= impl_->options.queue_limit) {
            return queue_full(impl_->queued, impl_->published.waiting_tokens, impl_->published.tokens_per_second);
        }
        if (!impl_->ids.insert(work.id).second) {
            return Error{Code::kAlreadyExists, "a request with the id \"" + work.id + "\" is being answered",
                         "give every request an id of its own"};
        }
        Job job;
        job.work = std::move(work);
        job.sink = std::move(sink);
        job.arrival = Job::Clock::now();
        impl_->inbox.emplace_back(std::move(job));
        ++impl_->queued;
    }
    impl_->wake.notify_one();
    return ok();
}

bool EncoderEngine::cancel(const std::string& id) {
    {
        std::lock_guard lock(impl_->mutex);
        if (!impl_->ids.contains(id)) {
            return false;
        }
        impl_->inbox.emplace_back(id);
    }
    impl_->wake.notify_one();
    return true;
}

EncoderStats EncoderEngine::stats() const {
    std::lock_guard lock(impl_->mutex);
    EncoderStats out = impl_->published;
    out.waiting = impl_->queued;  // with those that the thread has not seen yet
    return out;
}

const EncoderMeter& EncoderEngine::meter() const { return impl_->core.meter(); }
const EncoderLimits& EncoderEngine::limits() const { return impl_->core.limits(); }

}  // namespace gantry::encoder
