#pragma once

/// One launched model: its process, from start to end and over again after a crash.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/http/client.hpp"
#include "runtime/fleet/child_process.hpp"
#include "runtime/fleet/event_channel.hpp"
#include "runtime/fleet/fleet.hpp"
#include "runtime/fleet/signal.hpp"
#include "runtime/runner/spec.hpp"

namespace gantry::fleet {

/// How a model's processes are started and restarted.
struct SupervisionOptions {
    std::string program;
    int restart_limit = 5;
    std::chrono::seconds restart_window{600};
    std::chrono::milliseconds load_watchdog{120'000};
    std::chrono::milliseconds stop_grace{5'000};   ///< between SIGTERM and SIGKILL
    std::chrono::milliseconds first_backoff{250};  ///< doubled with each crash, up to 30 s
};

/// Lives from the launch request on; becomes a process with start(). Used on the io thread.
class LaunchedModel : public std::enable_shared_from_this<LaunchedModel> {
  public:
    LaunchedModel(boost::asio::any_io_executor executor, std::string uid);

    const ModelStatus& status() const { return status_; }
    /// Sets what is visible, and wakes who waits for changes.
    void update(const std::function<void(ModelStatus&)>& change);
    /// Is called with every change.
    void set_watcher(std::function<void(const ModelStatus&)> watcher) { watcher_ = std::move(watcher); }

    /// Starts the process and watches over it. `on_end` is called once, when no process is left and none will come:
    /// the model was stopped, its first load failed, or it crashed too often.
    void start(runner::RunnerSpec spec, SupervisionOptions options, std::function<void()> on_end);

    /// Asks for the end, in any state; on_end follows. Before start(), whoever launches has to look at
    /// stop_requested().
    void request_stop();
    bool stop_requested() const { return stop_requested_; }
    /// For launches that ended before start().
    void give_up(std::optional<Error> error);

    bool ended() const { return ended_; }
    /// Whether somebody waits for it to wake.
    bool waking() const { return waking_ > 0; }
    boost::asio::awaitable<void> wait_change() { return changed_.wait(); }
    boost::asio::awaitable<void> wait_stop_request() { return stop_signal_.wait(); }

    boost::asio::awaitable<Result<std::unique_ptr<EventStream>>> generate(engine::GenerateRequest request);
    boost::asio::awaitable<Result<encoder::EncodeResult>> encode(encoder::EncodeRequest request);
    boost::asio::awaitable<Result<boost::json::value>> call(std::string path, boost::json::value body);
    /// See Fleet. The ledger is the caller's.
    boost::asio::awaitable<Status> sleep();
    boost::asio::awaitable<Status> wake();
    boost::asio::awaitable<Status> load_adapter(std::string name, std::string path);
    boost::asio::awaitable<Status> drop_adapter(std::string name);
    /// Refuses new requests and waits until none runs, or for `patience`.
    boost::asio::awaitable<void> drain(std::chrono::milliseconds patience);

    /// Which of its processes is or was the last one: 1, 2, ...
    int run_number() const { return run_number_; }
    /// Why a connection to process `run` broke. Waits a moment for the process to be reaped.
    boost::asio::awaitable<Error> why_gone(int run, Error broken);

  private:
    /// This model, counted as in use until the last copy is gone: a request holds one until its answer has come here
    /// whole, which is later than its end in the process.
    std::shared_ptr<LaunchedModel> use();

    struct Outcome {
        bool was_ready = false;
        Error error;
    };
    boost::asio::awaitable<void> supervise();
    boost::asio::awaitable<Outcome> run_once();
    boost::asio::awaitable<std::optional<Error>> follow(ChildProcess& child, bool& was_ready);
    boost::asio::awaitable<ExitStatus> end_process(ChildProcess& child, bool by_us);
    boost::asio::awaitable<bool> back_off();
    void collect_log(const std::shared_ptr<ChildProcess>& child);
    void take_line(const std::string& line, std::optional<Error>& error, bool& was_ready);
    void take_ready(const boost::json::value& ready);
    void end(std::optional<Error> error);
    void disconnect();
    boost::asio::awaitable<Result<boost::json::value>> ask(std::string path, boost::json::value body);
    Status check_ready() const;
    /// That the model does one of these; kInvalidArgument says what it does.
    Status check_ability(bool encodes, std::string_view wanted) const;
    Error not_ready() const;

    boost::asio::any_io_executor executor_;
    ModelStatus status_;
    Signal changed_, stop_signal_, unused_;
    runner::RunnerSpec spec_;
    SupervisionOptions options_;
    std::function<void()> on_end_;
    std::function<void(const ModelStatus&)> watcher_;
    std::optional<http::Client> client_;     ///< to the process that is ready
    std::shared_ptr<EventChannel> channel_;  ///< likewise
    std::deque<std::chrono::steady_clock::time_point> crashes_;
    std::optional<Error> last_crash_;  ///< of run `crashed_run_`
    int run_number_ = 0, crashed_run_ = 0;
    bool stop_requested_ = false, ended_ = false;
    bool draining_ = false;
    size_t uses_ = 0;  ///< requests that it has taken and that have not ended here
    int waking_ = 0;   ///< calls that wait for it to wake
};

}  // namespace gantry::fleet
