#pragma once

/// The engine without its thread: requests in, one step at a time, events out. engine.hpp runs it on a thread; tests
/// step it by hand, which makes every schedule repeatable.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/engine/batch_builder.hpp"
#include "runtime/engine/beam_run.hpp"
#include "runtime/engine/block_manager.hpp"
#include "runtime/engine/deadlines.hpp"
#include "runtime/engine/device_draws.hpp"
#include "runtime/engine/drafters.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/engine/load_estimate.hpp"
#include "runtime/engine/meter.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/engine/scheduler.hpp"
#include "runtime/engine/sequence.hpp"
#include "runtime/engine/speculation.hpp"
#include "runtime/engine/swap_store.hpp"

namespace gantry::engine {

/// Used by one thread, but for check() and limits().
class EngineCore {
  public:
    using Clock = std::chrono::steady_clock;
    /// Called with a request's id before its last events are delivered.
    using EndHook = std::function<void(const std::string& id)>;

    EngineCore(std::unique_ptr<CausalModel> model, std::shared_ptr<const text::Tokenizer> tokenizer,
               EngineOptions options, EndHook on_end = {});
    ~EngineCore();

    /// Why a request cannot be taken whatever the load, if so. Any thread.
    Status check(const EngineRequest& request) const;

    /// Cuts the prompt where the request asks for it. Any thread.
    void truncate(EngineRequest& request) const;

    /// Takes a request that has passed check() and whose id is not in use.
    void add(EngineRequest request, EventSink sink, Clock::time_point submitted = Clock::now());
    void cancel(const std::string& id);
    /// Runs one step of the model and delivers what it gave. False if there was nothing to do. All decisions see the
    /// time `now`.
    bool step(Clock::time_point now = Clock::now());
    /// Makes an adapter usable by requests; the name must be new.
    Status load_adapter(const std::string& name, const Engine::AdapterLoad& load);
    /// Drops an adapter as soon as no request names it; then `done` is called. The name is free at once.
    void drop_adapter(const std::string& name, Engine::AdapterDone done);
    /// See prefix_transfer.hpp.
    Result<PrefixArchive> export_prefix(std::span<const int32_t> tokens, const std::string& salt);
    Result<uint32_t> import_prefix(const PrefixArchive& archive, const std::string& salt);
    /// Ends every request with this error.
    void fail_all(const Error& error);

    /// Set once the model has failed for good: every request is gone and none may be added.
    const std::optional<Error>& broken() const { return broken_; }
    size_t requests() const { return requests_.size(); }
    /// Requests that have never run yet.
    size_t unadmitted() const { return unadmitted_; }
    const ModelLimits& limits() const { return limits_; }
    EngineStats stats() const;
    /// Any thread.
    const EngineMeter& meter() const { return meter_; }
    /// See BlockManager::audit().
    std::string audit() const { return blocks_.audit(options_.window > 0); }

  private:
    struct Request;
    struct Branch;
    /// Blocks are shared within one salt of the client's and one adapter (0: none).
    static std::string block_salt(const std::string& own, uint32_t adapter);
    struct Adapter {
        uint32_t id = 0;
        size_t users = 0;
        Engine::AdapterDone dropped = nullptr;  ///< set: to be dropped with its last user
    };

    static SequenceId sequence_id(const Request& request, uint32_t index);
    Request* find(SequenceId id);
    void note_admissions(const StepPlan& plan, Clock::time_point now);
    /// After its sequence has been added: deadline and reports. May refuse it.
    void queue(Request& request);
    void end_expired(Clock::time_point now);
    void report_queue(Clock::time_point now);
    void note_load(const StepPlan& plan, double seconds);
    /// Blocks that the prefix cache has evicted, into host memory.
    void save_evicted();
    /// What the plan moves between the model and host memory, and within the model.
    Status move_blocks(const StepPlan& plan);
    Status run_model(const StepPlan& plan);
    void fail_step(const StepPlan& plan, const Error& error);
    void sample(const StepPlan& plan);
    std::unique_ptr<BeamRun> start_beams(const Request& request, TokenHistory history);
    /// The draws of a step, where the model can make all of them; else none.
    void plan_device_draws(const StepPlan& plan);
    /// At what scales the model is to sum up the rows of a step's logits, for Sampler.
    std::vector<float> mass_scales(const StepPlan& plan);
    /// Which answers a step's item gives a token to.
    std::pair<uint32_t, uint32_t> answers_of(const Request& request, const StepItem& item) const;
    /// Goes on with a beam search whose beams may have given their logits; shows its result at the end.
    void settle_beams(Request& request);
    void sample_one(Request& request, uint32_t index, DraftWalk& walk, size_t first_row);
    /// Adds a token, sampled or forced, to an unfinished answer.
    void take_token(Request& request, uint32_t index, DraftWalk& walk, SampledToken token);
    void finish_if_done(Request& request, uint32_t index);
    Speculation::Wish draft_wish(SequenceId id);
    void fork_answers(Request& request);
    /// Counts a token, of the step whose sampling began at sampling_since_.
    void note_token(Request& request, Branch& branch);
    void remove_sequence(SequenceId id);
    void shift_context(Request& request, uint32_t index);
    void end_answer(Request& request, uint32_t index, FinishReason reason);
    void fail(Request& request, const Error& error);
    /// Hands over the request's events; forgets it if it has ended.
    void deliver(Request& request);
    void deliver_all();
    void unload_if_unused(const Adapter& adapter);

    std::unique_ptr<CausalModel> model_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    EngineOptions options_;
    EndHook on_end_;
    ModelLimits limits_;
    uint32_t context_ = 0;  ///< tokens that one sequence can have: the model's limit or all KV blocks
    std::optional<Error> broken_;
    BlockManager blocks_;
    Scheduler scheduler_;
    BatchBuilder batch_;
    Drafters drafters_;
    Speculation speculation_;
    Sampler sampler_;
    std::vector<uint32_t> allowed_;  ///< scratch: the tokens that a constraint allows
    DeviceDraws device_draws_;
    uint64_t entropy_;
    uint64_t last_arrival_ = 0;
    std::map<uint64_t, std::unique_ptr<Request>> requests_;  ///< by arrival
    std::unordered_map<std::string, uint64_t> arrival_of_;
    std::vector<uint64_t> touched_;  ///< requests with events to deliver
    std::map<std::string, std::shared_ptr<Adapter>> adapters_;
    size_t unadmitted_ = 0;
    Deadlines deadlines_;
    LoadEstimate load_;
    SwapStore swap_;
    double move_seconds_ = 0;  ///< that moving blocks has taken, for swap_blocks_ blocks
    uint64_t moved_blocks_ = 0;
    std::set<uint64_t> reporting_;  ///< requests that wait and have asked for their position
    Clock::time_point next_report_ = Clock::time_point::min();
    EngineStats stats_;
    EngineMeter meter_;
    Clock::time_point sampling_since_{};
};

}  // namespace gantry::engine
