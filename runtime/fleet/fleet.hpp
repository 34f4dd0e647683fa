#pragma once

/// The launched models: placement, start, stop, restart. Lives on the server's io thread, which makes every call; no
/// model and no plugin code runs in this process.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/encoder/types.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::sqlite {
class Database;
}

namespace gantry::fleet {

/// A launch as a client asks for it; unset fields are chosen.
struct LaunchRequest {
    std::string model;                          ///< catalog name, or a path to a file or folder
    std::string uid;                            ///< empty: made from the model's name
    std::string engine;                         ///< plugin id; empty or "auto": the best for this machine
    std::string format;                         ///< "gguf" or "safetensors", also in Xinference's words; empty: any
    std::string size_in_billions;               ///< "0.5"; empty: any
    std::string quantization;                   ///< empty: the registry's choice
    std::string model_path;                     ///< overrides where the files are
    std::string tool_parser, reasoning_parser;  ///< see runner::RunnerSpec
    std::string template_kwargs;                ///< see runner::RunnerSpec
    std::optional<uint32_t> context;            ///< tokens; default: the model's, as memory allows
    std::optional<uint32_t> max_sequences;
    std::optional<uint32_t> threads;
    std::string speculative;               ///< "off", "auto", "ngram", "suffix", "draft"; empty: off
    std::string draft_model;               ///< catalog name, or a path: guesses for "draft" and "auto"
    std::optional<uint32_t> draft_tokens;  ///< guessed for one sequence in one step, at most
    /// For the plugin; those that begin with "scheduler." are for the engine, over FleetOptions::scheduling.
    std::map<std::string, std::string> options;
    std::map<std::string, std::string> adapters;  ///< LoRA: name -> folder or GGUF file
    std::vector<std::string> adapter_dirs;        ///< from where adapters may be loaded later
    bool wake_on_request = false;                 ///< a request wakes a sleeping model, else it is refused
    /// Time without requests after which it is stopped; negative: never. Unset: FleetOptions::keep_alive.
    std::optional<std::chrono::seconds> keep_alive;
    bool on_demand = false;                 ///< loaded by its first request, and again after an idle stop
    bool pinned = false;                    ///< neither stopped when idle nor evicted
    bool evict = false;                     ///< where it does not fit, idle models give way
    uint32_t replicas = 1;                  ///< processes that serve it together
    std::optional<uint32_t> request_limit;  ///< requests at once on each of them; more are refused, not queued
    std::string replica_of;                 ///< set by the fleet: the uid whose replica this launch is
};

enum class State {
    kResolving,
    kPlacing,
    kStarting,
    kLoading,
    kWarming,
    kReady,
    kAsleep,
    kStopping,
    kRestarting,
    kFailed,
    kUnloaded  ///< on demand, and not loaded now
};
std::string_view state_name(State state);  ///< "resolving", "placing", ...

/// What is told of a model that encodes texts.
struct EncoderStatus {
    uint32_t width = 0;                ///< of a vector, or of a row of scores
    std::vector<uint32_t> dimensions;  ///< to which vectors may be cut; empty: the publisher does not say
    std::vector<std::string> labels;   ///< of the scores
    std::vector<std::string> prompts;  ///< names of those that may go before a text
};

/// One of the processes that serve a model.
struct ReplicaStatus {
    int id = 0;       ///< unique in its model, and never given again while others are there
    std::string uid;  ///< its own: the model's, or the model's with "-rep" and a number
    State state = State::kResolving;
    int pid = 0;
    int64_t created = 0;  ///< Unix seconds
    uint32_t in_use = 0;  ///< requests that run on it
    std::optional<Error> error;
    std::string stage;  ///< as ModelStatus has it
    uint64_t bytes_done = 0, bytes_total = 0;
};

/// Everything visible about one launched model.
struct ModelStatus {
    std::string uid;
    std::string model_name;  ///< as launched (catalog name or file name)
    std::string model_path;
    State state = State::kResolving;
    std::string stage;  ///< finer: "map", "repack", "warm-up"
    uint64_t bytes_done = 0, bytes_total = 0;
    std::optional<Error> error;  ///< why it failed or was last restarted
    std::string engine;          ///< plugin id
    std::string plan;            ///< the plugin's own line
    std::string architecture, format, quantization;
    std::vector<std::string> abilities;    ///< "chat", "generate", ...; or "embed", "rerank" or "classify"
    std::optional<EncoderStatus> encoder;  ///< of models that encode
    std::string chat_template;
    std::string tool_parser;    ///< how calls are found in answers; "none": they are not
    std::string reasoning_tag;  ///< what opens reasoning in answers; empty: nothing
    uint64_t parameter_count = 0;
    uint32_t context_length = 0;
    uint64_t memory_bytes = 0;  ///< reserved in the ledger
    int64_t created = 0;        ///< Unix seconds
    int64_t ready_since = 0;
    std::map<std::string, std::string> adapters;  ///< loaded ones, name -> path
    int pid = 0;
    int restarts = 0;
    std::vector<std::string> log_tail;               ///< the runner's last lines
    uint64_t log_lines = 0;                          ///< lines that there have been; the last of them are in log_tail
    std::optional<std::chrono::seconds> keep_alive;  ///< unset or negative: it is not stopped when idle
    bool on_demand = false, pinned = false;
    bool parked = false;    ///< it failed again and again, and is not brought back before somebody launches it
    uint32_t in_use = 0;    ///< requests that run
    int64_t last_used = 0;  ///< Unix seconds; 0: not yet
    int64_t expires = 0;    ///< Unix seconds of its idle stop, if no request comes; 0: none is due
    std::vector<ReplicaStatus> replicas;
};

/// What a launch would do.
struct LaunchPlan {
    std::string uid, model_name, model_path;
    std::string engine;  ///< the plugin that would run it
    std::string sum;     ///< the memory's sum, for people
    uint64_t host_bytes = 0, device_bytes = 0;
    uint32_t context = 0;             ///< tokens
    bool fits = false;                ///< beside what runs
    std::vector<std::string> evicts;  ///< where it does not fit: idle models that would give way, if it may evict
    std::optional<Error> error;       ///< why it would be refused
};

/// What an engine says to a model's files.
struct EngineFit {
    std::string engine;           ///< plugin id
    std::optional<Error> cannot;  ///< why it cannot run them
};

/// A launch that was acknowledged and is to come back with the server.
struct DesiredLaunch {
    std::string uid;
    LaunchRequest request;
    bool parked = false;
    int attempts = 0;    ///< restores that did not get it ready
    std::string reason;  ///< why it is parked
};

/// The memory of this machine as launches see it.
struct Ledger {
    uint64_t total = 0;  ///< bytes that models may use together
    uint64_t reserved = 0;
};

class EventLog;

/// A running generation. Destroying it cancels.
class EventStream {
  public:
    virtual ~EventStream() = default;
    /// The next event; nullopt after Usage. An Error event comes as the result's error, and nothing follows it. A
    /// runner that dies gives kUnavailable that says so.
    virtual boost::asio::awaitable<Result<std::optional<engine::Event>>> next() = 0;
    /// Whether next() would give something at once: then it is worth while to write several events together.
    virtual bool ready() const { return false; }
};

class Fleet {
  public:
    virtual ~Fleet() = default;

    /// Takes a launch: checks, resolves and reserves, or says why not (kNotFound, kAlreadyExists, kOutOfMemory with the
    /// sum, kInvalidArgument). The uid is taken when it returns; loading goes on behind it.
    virtual boost::asio::awaitable<Result<std::string>> launch(LaunchRequest request) = 0;
    /// Waits until the model is ready, failed or gone.
    virtual boost::asio::awaitable<Status> wait_ready(std::string uid) = 0;
    /// Cancels a launch in any stage. kFailedPrecondition when it is not launching.
    virtual boost::asio::awaitable<Status> cancel(std::string uid) = 0;
    /// Stops a model and returns when its process is gone and its memory is back.
    virtual boost::asio::awaitable<Status> stop(std::string uid) = 0;
    /// The same, after what runs has ended, or after `patience`; new requests are refused at once.
    virtual boost::asio::awaitable<Status> drain_and_stop(std::string uid, std::chrono::milliseconds patience) = 0;
    /// Gives back a ready model's memory for weights and KV; its process stays. kFailedPrecondition when it is neither
    /// ready nor asleep.
    virtual boost::asio::awaitable<Status> sleep(std::string uid) = 0;
    /// Loads it again; returns when it is ready. kOutOfMemory, with the sum, when its memory has gone to others.
    virtual boost::asio::awaitable<Status> wake(std::string uid) = 0;
    /// Loads an adapter into a ready model, or drops one when no request names it any more.
    virtual boost::asio::awaitable<Status> load_adapter(std::string uid, std::string name, std::string path) = 0;
    virtual boost::asio::awaitable<Status> drop_adapter(std::string uid, std::string name) = 0;
    /// Stops all; the server's way out.
    virtual boost::asio::awaitable<void> stop_all() = 0;

    virtual std::vector<ModelStatus> list() const = 0;
    /// Another number after each change of what list() tells, except for uses and logs; nullopt: ask list() itself.
    virtual std::optional<uint64_t> revision() const { return std::nullopt; }
    /// kNotFound lists the uids that there are.
    virtual Result<ModelStatus> describe(std::string_view uid) const = 0;

    /// The model that answers to a name: a uid, "uid:adapter", or the name of an adapter that only one model has. The
    /// second is the adapter's name, or empty. kNotFound lists the uids that there are.
    virtual Result<std::pair<std::string, std::string>> route(std::string_view name) const = 0;

    /// Starts a generation on a ready model (kNotFound; kUnavailable while launching or restarting). `uid` may be
    /// anything that route() understands.
    virtual boost::asio::awaitable<Result<std::unique_ptr<EventStream>>> generate(std::string uid,
                                                                                  engine::GenerateRequest request) = 0;
    /// Encodes texts on a ready model: vectors or scores. Destroying the coroutine cancels. Errors as generate(), and
    /// kInvalidArgument where the model does something else.
    virtual boost::asio::awaitable<Result<encoder::EncodeResult>> encode(std::string uid,
                                                                         encoder::EncodeRequest request) = 0;
    /// One call to the runner's own HTTP interface: "/tokenize", "/detokenize", "/template", "/stats",
    /// "/prefix/save", "/prefix/restore", "/abort". `uid` may also be a replica's ("m-rep1"); "/abort" goes to all of
    /// them until one knows the request.
    virtual boost::asio::awaitable<Result<boost::json::value>> call(std::string uid, std::string path,
                                                                    boost::json::value body) = 0;

    /// The plugins with their devices, as `gantry probe` reported them (see runtime/plugins/probe.hpp for the form).
    virtual boost::asio::awaitable<Result<boost::json::value>> backends() = 0;
    virtual Ledger ledger() const = 0;

    /// Which engines can run what a launch means, by their own account. kFailedPrecondition where the files are not on
    /// this machine, kUnimplemented of fleets without engines.
    virtual boost::asio::awaitable<Result<std::vector<EngineFit>>> assess(LaunchRequest request);
    /// What launch() would do. An error is one of asking; that it would be refused stands in the plan.
    virtual boost::asio::awaitable<Result<LaunchPlan>> plan(LaunchRequest request) = 0;
    /// Calls `watcher` with each change of a model; kFailed for the reason kCancelled is the last of one that was
    /// stopped. The watcher must not call the fleet.
    virtual void watch(std::function<void(const ModelStatus&)> watcher) = 0;
    /// Counts as a use of a model; a new keep_alive takes the place of the launch's. Zero: stopped as soon as idle.
    virtual Status touch(std::string_view uid, std::optional<std::chrono::seconds> keep_alive) = 0;

    // What follows is of fleets that manage a set of models (managed_fleet.hpp); others say kUnimplemented.

    /// What has happened to models; null: nobody keeps it.
    virtual EventLog* events() { return nullptr; }
    /// The launches that are to be there, in the order of their launch.
    virtual std::vector<DesiredLaunch> desired() const { return {}; }
    /// Records a launch that is to be there after the next start of the server, without launching it now; gives its
    /// uid.
    virtual Result<std::string> remember(LaunchRequest request);
    /// A model is not to come back; it runs on. An unknown uid is fine.
    virtual Status unremember(const std::string& uid);
    /// Further processes for a model, launched as it was. They are loading when this returns.
    virtual boost::asio::awaitable<Result<std::vector<ReplicaStatus>>> add_replicas(std::string uid, uint32_t count);
    /// Ends one after its requests, or after `patience`; gives how many are left. The last one is the model.
    virtual boost::asio::awaitable<Result<size_t>> remove_replica(std::string uid, int id,
                                                                  std::chrono::milliseconds patience);
    /// Launches `request` beside a model, and, when it is ready, sends it the model's requests. The old processes end
    /// after their requests, or after `patience`. Where the launch fails all stays as it was.
    virtual boost::asio::awaitable<Status> replace(std::string uid, LaunchRequest request,
                                                   std::chrono::milliseconds patience);
    /// Other names of models: name -> uid. A name that is a uid is refused; a uid need not be launched.
    virtual std::map<std::string, std::string> aliases() const { return {}; }
    virtual Status set_alias(std::string name, std::string uid);
    virtual Status drop_alias(const std::string& name);
};

struct FleetOptions {
    std::string program;  ///< path of the gantry binary
    std::vector<std::string> plugin_dirs;
    std::string share_dir;                  ///< catalog and built-in models
    std::vector<std::string> catalog_dirs;  ///< the user's own entries
    std::string runtime_dir;                ///< sockets
    std::string state_dir;                  ///< where models keep saved texts; empty: they cannot save any
    uint64_t memory_limit = 0;              ///< bytes; 0: from the machine (cgroup-aware), less a reserve
    uint32_t threads = 0;                   ///< CPU budget; 0: the cores that this process may use
    int restart_limit = 5;                  ///< crashes within the window before a model is parked as failed
    std::chrono::seconds restart_window{600};
    std::chrono::milliseconds load_watchdog{120'000};  ///< without progress
    bool sandbox = true;
    std::map<std::string, std::string> scheduling;  ///< for every model; see runtime/runner/scheduling.hpp
    /// Where launches are recorded, and from where they come back; null: nowhere. Must outlive the fleet.
    sqlite::Database* state = nullptr;
    std::chrono::seconds keep_alive{-1};  ///< for launches that say nothing; negative: never stopped
};

/// Fleet on this machine's processes. It counts no use and remembers nothing: see managed_fleet.hpp.
std::unique_ptr<Fleet> make_local_fleet(boost::asio::any_io_executor executor, FleetOptions options);

}  // namespace gantry::fleet
