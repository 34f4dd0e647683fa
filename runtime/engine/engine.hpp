#pragma once

/// One model's engine: a thread that owns the scheduler, the block manager and the model, and turns requests into
/// events by continuous batching (Orca, OSDI 2022; vLLM, arXiv:2309.06180).

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/causal_model.hpp"
#include "runtime/engine/constraint.hpp"
#include "runtime/engine/fair_share.hpp"
#include "runtime/engine/prefix_archive.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/text/output/parser.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::engine {

/// A request whose prompt is tokens already (the runner renders and tokenises on its own thread).
struct EngineRequest {
    std::string id;
    std::vector<int32_t> prompt;
    GenerateRequest params;           ///< `input` is ignored
    std::vector<int32_t> prediction;  ///< a text that the answer is likely to quote
    std::string echo_text;            ///< put before the answer, where echo was asked for
    /// Made of params.grammar by whoever knows grammars; none: any text.
    TokenConstraintFactory constraint;
    uint64_t truncated = 0;                          ///< tokens that submit() has cut from the prompt
    std::shared_ptr<const text::OutputPlan> output;  ///< how the answers are read; null: all of it is text
};

class Drafter;

struct EngineOptions {
    uint32_t step_tokens = 0;     ///< token budget of one step; 0: the model's max_step_tokens
    uint32_t queue_limit = 1024;  ///< waiting requests; more get kResourceExhausted
    bool prefix_cache = true;
    std::chrono::milliseconds priority_ageing{10'000};  ///< of waiting that make up for one priority; 0: never
    FairShare::Weights share_weights;                   ///< of share keys; others have 1
    uint64_t swap_bytes = 0;  ///< host memory for the blocks of preempted sequences, where the plugin can move blocks
    uint64_t cache_host_bytes = 0;  ///< host memory for blocks that the prefix cache evicts, in the same case
    /// Tokens that a token sees in every layer, itself included; blocks before them are given back. 0: all.
    uint32_t window = 0;
    DraftSource speculative = DraftSource::kOff;
    uint32_t draft_tokens = 8;         ///< guesses for one sequence in one step, at most
    bool draft_adaptive = true;        ///< false: always so many, whatever comes of it
    std::shared_ptr<Drafter> drafter;  ///< what kDraft means; used by the engine's thread alone
    std::vector<int32_t> eos_ids;      ///< the model's end tokens
    GenerateRequest defaults;          ///< only `sampling` is read: the publisher's values
    /// Called on the engine thread when all events of a turn (a step, as a rule) have been handed to their sinks, so
    /// that what carries them further can do so once.
    std::function<void()> after_turn;
    std::map<std::string, uint32_t> adapters;  ///< that the model has loaded already, by name
};

struct EngineStats {
    uint64_t waiting = 0, running = 0;
    uint64_t blocks_total = 0, blocks_free = 0, blocks_cached = 0;
    uint64_t requests = 0, finished = 0, cancelled = 0, failed = 0, preemptions = 0, steps = 0;
    uint64_t swaps_out = 0, swaps_in = 0;          ///< preemptions that moved the blocks to host memory, and back
    uint64_t cache_spills = 0, cache_fetches = 0;  ///< blocks of the prefix cache moved to host memory, and back
    uint64_t refused = 0;                          ///< their deadline could not be met; they count as failed, too
    uint64_t expired = 0;                          ///< their deadline has passed; they count as failed, too
    /// Between two admissions while others wait; 0 before it has been measured.
    double seconds_per_admission = 0;
    uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
    uint64_t drafted_tokens = 0, accepted_tokens = 0, draft_steps = 0;
    double busy_seconds = 0;
    /// Scheduling plus sampling, without the model's own time.
    double overhead_seconds = 0;
};

struct EngineMeter;  // meter.hpp

/// Events of one request, several at a time. Called on the engine thread, in order; must not block. After the call
/// with Usage or Error none follows.
using EventSink = std::function<void(std::vector<Event> events)>;

class Engine {
  public:
    /// Starts the thread. `model` and `tokenizer` are used by it alone from now on (the tokenizer is shared: const).
    Engine(std::unique_ptr<CausalModel> model, std::shared_ptr<const text::Tokenizer> tokenizer, EngineOptions options);
    /// Stops the thread; every request still there ends with kUnavailable first.
    ~Engine();

    /// Takes a request, or says at once why not: kInvalidArgument for a prompt longer than the context (both counts
    /// in the message; a request with truncate_prompt_tokens is cut first) or parameters out of range,
    /// kNotFound for an adapter that is not loaded, kResourceExhausted when the queue is full, kAlreadyExists for an id
    /// in use. Any thread.
    Status submit(EngineRequest request, EventSink sink);

    /// Ends a request within one step; its sink gets Finish(kCancelled) and Usage. False, and nothing else, for an id
    /// that is not in use. Any thread.
    bool cancel(const std::string& id);

    /// Has `load` called on the engine thread, between two steps; on success requests may name the adapter. `done` is
    /// called once, on some thread: kAlreadyExists for a name in use, or what `load` said. Any thread.
    using AdapterLoad = std::function<Result<uint32_t>(CausalModel& model)>;
    using AdapterDone = std::function<void(Status)>;
    void load_adapter(std::string name, AdapterLoad load, AdapterDone done);
    /// From now on no request may name it; it is dropped when the last one that does has ended, and `done` called.
    /// kNotFound where there is none. Any thread.
    void drop_adapter(std::string name, AdapterDone done);
    /// Names of those that requests may name. Any thread.
    std::vector<std::string> adapters() const;

    /// A computed text out of the prefix cache, and back into it; see prefix_transfer.hpp. `done` is called once, on
    /// the engine thread; must not block. Any thread.
    void export_prefix(std::vector<int32_t> tokens, std::string salt, std::function<void(Result<PrefixArchive>)> done);
    /// `done` gets how many tokens the cache has now.
    void import_prefix(PrefixArchive archive, std::string salt, std::function<void(Result<uint32_t>)> done);

    /// Refuses new requests; returns when the rest has finished, or false after `timeout`. Any thread.
    bool drain(std::chrono::milliseconds timeout);

    EngineStats stats() const;         ///< any thread
    const EngineMeter& meter() const;  ///< any thread
    const ModelLimits& limits() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::engine
