#include "runtime/fleet/launched_model.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <filesystem>
#include <utility>

#include "base/http/error_response.hpp"
#include "base/log.hpp"
#include "runtime/fleet/event_stream.hpp"
#include "runtime/plugins/json.hpp"
#include "runtime/plugins/memory_plan.hpp"
#include "runtime/runner/runner.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace json = boost::json;
using namespace asio::experimental::awaitable_operators;
using plugins::json_number;
using plugins::json_text;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kLogLines = 100;
constexpr std::chrono::milliseconds kMaxBackoff{30'000};
/// A broken connection is noticed before the process is reaped; so long the news may take.
constexpr std::chrono::milliseconds kReapTime{2'000};
/// Between the end of a process's status pipe and its own.
constexpr std::chrono::milliseconds kExitTime{5'000};

enum Pipe { kSpec, kStatus, kLog };
const std::vector<PipeSpec> kPipes{{runner::kSpecFd, PipeDirection::kToChild},
                                   {runner::kStatusFd, PipeDirection::kFromChild},
                                   {STDERR_FILENO, PipeDirection::kFromChild}};

int64_t unix_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

asio::awaitable<void> pause_for(asio::any_io_executor executor, Clock::duration time) {
    asio::steady_timer timer(executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

/// A runner's line without the time that it begins with: the line gets one of ours.
std::string without_time(std::string line) {
    constexpr size_t kTime = sizeof("2026-01-31T12:00:00.000Z ") - 1;
    const bool timed = line.size() > kTime && line[10] == 'T' && line[kTime - 2] == 'Z';
    return timed ? line.substr(kTime) : line;
}

/// The last `count` lines as one.
std::string last_words(const std::vector<std::string>& lines, size_t count) {
    std::string out;
    for (size_t i = lines.size() - std::min(count, lines.size()); i < lines.size(); ++i) {
        out += (out.empty() ? "" : " | ") + lines[i];
    }
    return out;
}

std::optional<EncoderStatus> encoder_status(const json::value& ready) {
    const json::value* told = ready.as_object().if_contains("encoder");
    if (told == nullptr) {
        return std::nullopt;
    }
    EncoderStatus out;
    out.width = static_cast<uint32_t>(json_number(*told, "width"));
    for (const json::value& one : told->at("dimensions").as_array()) {
        out.dimensions.push_back(one.to_number<uint32_t>());
    }
    for (const json::value& one : told->at("labels").as_array()) {
        out.labels.emplace_back(one.as_string());
    }
    for (const json::value& one : told->at("prompts").as_array()) {
        out.prompts.emplace_back(one.as_string());
    }
    return out;
}

}  // namespace

LaunchedModel::LaunchedModel(asio::any_io_executor executor, std::string uid)
    : executor_(executor), changed_(executor), stop_signal_(executor), unused_(executor) {
    status_.uid = std::move(uid);
    status_.created = unix_now();
}

void LaunchedModel::update(const std::function<void(ModelStatus&)>& change) {
    change(status_);
    changed_.notify();
    if (watcher_) {
        watcher_(status_);
    }
}

void LaunchedModel::start(runner::RunnerSpec spec, SupervisionOptions options, std::function<void()> on_end) {
    spec_ = std::move(spec);
    options_ = std::move(options);
    on_end_ = std::move(on_end);
    asio::co_spawn(
        executor_, [self = shared_from_this()] { return self->supervise(); }, asio::detached);
}

void LaunchedModel::request_stop() {
    if (ended_) {
        return;
    }
    stop_requested_ = true;
    disconnect();
    update([](ModelStatus& s) { s.state = State::kStopping; });
    stop_signal_.notify();
}

void LaunchedModel::give_up(std::optional<Error> error) { end(std::move(error)); }

void LaunchedModel::end(std::optional<Error> error) {
    ended_ = true;
    disconnect();
    update([&](ModelStatus& s) {
        s.state = State::kFailed;
        s.stage.clear();
        s.pid = 0;
        s.memory_bytes = 0;
        if (error) {
            s.error = std::move(error);
        }
    });
    if (on_end_) {
        std::exchange(on_end_, nullptr)();
    }
}

asio::awaitable<void> LaunchedModel::supervise() {
    while (true) {
        Outcome outcome;
        try {
            outcome = co_await run_once();
        } catch (const std::exception& e) {
            outcome.error = Error{Code::kInternal, std::string("watching over its process failed: ") + e.what()};
        }
        if (stop_requested_) {
            end(Error{Code::kCancelled, "model '" + status_.uid + "' was stopped"});
            co_return;
        }
        log::error("model '{}': {}", status_.uid, outcome.error.text());
        if (status_.state == State::kAsleep) {
            // Its memory has been given back: a new process could not load without asking for it.
            end(outcome.error.in("model '" + status_.uid + "' was asleep"));
            co_return;
        }
        crashes_.push_back(Clock::now());
        while (crashes_.front() < Clock::now() - options_.restart_window) {
            crashes_.pop_front();
        }
        const bool first_load = run_number_ == 1 && !outcome.was_ready;
        if (first_load) {
            end(std::move(outcome.error));
            co_return;
        }
        if (crashes_.size() > static_cast<size_t>(std::max(options_.restart_limit, 0))) {
            Error parked = outcome.error.in("model '" + status_.uid + "' crashed " + std::to_string(crashes_.size()) +
                                            " times and is not restarted any more");
            parked.hint = "see its log, then launch it again";
            end(std::move(parked));
            co_return;
        }
        update([&](ModelStatus& s) {
            s.state = State::kRestarting;
            s.error = outcome.error;
            s.stage.clear();
            ++s.restarts;
        });
        if (!co_await back_off()) {
            end(Error{Code::kCancelled, "model '" + status_.uid + "' was stopped"});
            co_return;
        }
    }
}

/// False when the model is to be stopped instead.
asio::awaitable<bool> LaunchedModel::back_off() {
    const auto doublings = std::min<size_t>(crashes_.size() - 1, 10);
    const auto pause = std::min(options_.first_backoff * (1 << doublings), kMaxBackoff);
    co_await (pause_for(executor_, pause) || stop_signal_.wait());
    co_return !stop_requested_;
}

asio::awaitable<LaunchedModel::Outcome> LaunchedModel::run_once() {
    const int run = ++run_number_;
    Outcome outcome;
    update([](ModelStatus& s) {
        s.state = State::kStarting;
        s.stage = "start";
        s.bytes_done = s.bytes_total = 0;
    });
    // The uid is for people who look at the list of processes.
    auto started = ChildProcess::start(executor_, {options_.program, "runner", status_.uid}, kPipes);
    if (!started) {
        outcome.error = started.error();
        co_return outcome;
    }
    const std::shared_ptr<ChildProcess> child = std::move(*started);
    update([&](ModelStatus& s) { s.pid = child->pid(); });
    collect_log(child);
    spec_.parent_pid = ::getpid();
    std::optional<Error> error;
    if (auto sent = co_await write_all(child->pipe(kSpec), json::serialize(runner::to_json(spec_)) + '\n'); !sent) {
        error = sent.error();
    } else {
        error = co_await follow(*child, outcome.was_ready);
    }
    disconnect();
    const bool by_us = stop_requested_ || error.has_value();
    const ExitStatus exit = co_await end_process(*child, by_us);
    std::error_code ignored;
    std::filesystem::remove(spec_.socket, ignored);
    for (const Pipe pipe : {kSpec, kStatus}) {
        child->pipe(pipe).close();
    }
    if (!error) {
        error = Error{Code::kUnavailable, "its process ended with " + exit.text(),
                      exit.signal == SIGKILL ? "somebody killed it, perhaps the kernel for want of memory" : ""};
        if (exit.signal != 0 && exit.signal != SIGKILL && !status_.log_tail.empty()) {
            error->message += "; its last words: " + last_words(status_.log_tail, 3);
        }
    }
    outcome.error = *error;
    last_crash_ = outcome.error;
    crashed_run_ = run;
    update([](ModelStatus& s) { s.pid = 0; });
    co_return outcome;
}

/// Reads the process's status lines until it ends, fails, stops making progress, or is to be stopped.
asio::awaitable<std::optional<Error>> LaunchedModel::follow(ChildProcess& child, bool& was_ready) {
    PipeLines lines(child.pipe(kStatus));
    while (!stop_requested_) {
        std::optional<Error> error;
        const auto patience = was_ready ? Clock::duration(std::chrono::hours(24 * 365)) : options_.load_watchdog;
        const auto result = co_await (lines.next() || stop_signal_.wait() || pause_for(executor_, patience));
        if (result.index() == 2) {
            co_return Error{Code::kDeadlineExceeded,
                            "loading made no progress for " + std::to_string(options_.load_watchdog.count() / 1000) +
                                " s in stage '" + status_.stage + "' at " + plugins::bytes_text(status_.bytes_done) +
                                " of " + plugins::bytes_text(status_.bytes_total)};
        }
        if (result.index() == 1 || !std::get<0>(result)) {
            co_return std::nullopt;
        }
        take_line(*std::get<0>(result), error, was_ready);
        if (error) {
            co_return error;
        }
    }
    co_return std::nullopt;
}

void LaunchedModel::take_line(const std::string& line, std::optional<Error>& error, bool& was_ready) {
    boost::system::error_code ec;
    const json::value value = json::parse(line, ec);
    const auto* object = ec ? nullptr : value.if_object();
    if (object == nullptr) {
        log::warn("model '{}': its process said '{}' where a status was expected", status_.uid, line);
        return;
    }
    if (const json::value* told = object->if_contains("error")) {
        error = plugins::error_from_json(*told);
    } else if (object->contains("asleep")) {
        update([](ModelStatus& s) {
            s.state = State::kAsleep;
            s.stage.clear();
        });
    } else if (const json::value* ready = object->if_contains("ready")) {
        was_ready = true;
        take_ready(*ready);
    } else {
        update([&](ModelStatus& s) {
            s.stage = json_text(value, "stage");
            s.state = s.stage == "warm-up" ? State::kWarming : State::kLoading;
            s.bytes_done = json_number(value, "done");
            s.bytes_total = json_number(value, "total");
        });
    }
}

void LaunchedModel::take_ready(const json::value& ready) {
    if (!client_) {  // a process that wakes keeps its connections
        http::Endpoint endpoint;
        endpoint.unix_socket = true;
        endpoint.host = spec_.socket;
        client_.emplace(executor_, endpoint);
        channel_ = std::make_shared<EventChannel>(executor_);
        channel_->open(*client_);
    }
    update([&](ModelStatus& s) {
        s.state = State::kReady;
        s.stage.clear();
        s.bytes_done = s.bytes_total;
        s.ready_since = unix_now();
        s.plan = json_text(ready, "plan");
        s.architecture = json_text(ready, "architecture");
        s.format = json_text(ready, "format");
        s.quantization = json_text(ready, "quantization");
        s.chat_template = json_text(ready, "chat_template");
        s.tool_parser = json_text(ready, "tool_parser");
        s.reasoning_tag = json_text(ready, "reasoning_tag");
        s.parameter_count = json_number(ready, "parameter_count");
        s.context_length = static_cast<uint32_t>(json_number(ready.at("limits"), "max_context"));
        s.adapters = spec_.adapters;
        s.abilities.clear();
        for (const json::value& ability : ready.at("abilities").as_array()) {
            s.abilities.emplace_back(ability.as_string());
        }
        s.encoder = encoder_status(ready);
    });
    log::info("model '{}' is ready: {}", status_.uid, status_.plan);
}

/// No more requests to the process; those that it has go on.
void LaunchedModel::disconnect() {
    client_.reset();
    channel_.reset();  // it reads on until the process closes it
}

/// Waits for the process's end, helping it along where it is to end or does not.
asio::awaitable<ExitStatus> LaunchedModel::end_process(ChildProcess& child, bool by_us) {
    if (by_us) {
        child.kill(SIGTERM);
    }
    auto exit = co_await child.wait(by_us ? options_.stop_grace : kExitTime);
    if (!exit) {
        log::warn("model '{}': its process does not end by itself and is killed", status_.uid);
        child.kill(SIGKILL);
        exit = co_await child.wait();
    }
    co_return exit.value_or(ExitStatus{});
}

void LaunchedModel::collect_log(const std::shared_ptr<ChildProcess>& child) {
    asio::co_spawn(
        executor_,
        [self = shared_from_this(), child]() -> asio::awaitable<void> {
            PipeLines lines(child->pipe(kLog));
            while (auto line = co_await lines.next()) {
                log::info("[{}] {}", self->status_.uid, without_time(*line));
                std::vector<std::string>& tail = self->status_.log_tail;
                if (tail.size() >= kLogLines) {
                    tail.erase(tail.begin());
                }
                tail.push_back(std::move(*line));
                ++self->status_.log_lines;
            }
        },
        asio::detached);
}

Error LaunchedModel::not_ready() const {
    const std::string name = "model '" + status_.uid + "'";
    switch (status_.state) {
        case State::kStopping:
            return {Code::kUnavailable, name + " is stopping"};
        case State::kAsleep:
            return {Code::kUnavailable, name + " is asleep",
                    "wake it: POST /gantry/v1/models/" + status_.uid + "/wake"};
        case State::kRestarting: {
            const std::string why = status_.error ? ": " + status_.error->message : "";
            return {Code::kUnavailable, name + " is restarting after a crash" + why, "repeat the request in a moment"};
        }
        case State::kFailed: {
            const std::string why = status_.error ? ": " + status_.error->message : "";
            return {Code::kUnavailable, name + " has failed" + why, "launch it again"};
        }
        default:
            return {Code::kUnavailable, name + " is still " + std::string(state_name(status_.state)),
                    "repeat the request in a moment"};
    }
}

Status LaunchedModel::check_ready() const {
    if (draining_) {
        return Error{Code::kUnavailable, "model '" + status_.uid + "' is stopping"};
    }
    return client_ && status_.state == State::kReady ? ok() : Status(not_ready());
}

asio::awaitable<Error> LaunchedModel::why_gone(int run, Error broken) {
    const auto until = Clock::now() + kReapTime;
    while (!ended_ && !stop_requested_ && crashed_run_ < run && Clock::now() < until) {
        co_await (changed_.wait() || pause_for(executor_, until - Clock::now()));
    }
    const std::string name = "model '" + status_.uid + "'";
    if (stop_requested_) {
        co_return Error{Code::kUnavailable, name + " was stopped before the answer was complete"};
    }
    if (crashed_run_ != run || !last_crash_) {
        co_return broken.in(name);
    }
    const bool comes_back = !ended_;
    co_return Error{Code::kUnavailable,
                    name + " broke off: " + last_crash_->message +
                        (comes_back ? "; it is being restarted" : "; it is not restarted any more"),
                    comes_back ? "repeat the request in a moment" : "launch it again"};
}

asio::awaitable<Result<std::unique_ptr<EventStream>>> LaunchedModel::generate(engine::GenerateRequest request) {
    GANTRY_CO_CHECK_OK(check_ready());
    GANTRY_CO_CHECK_OK(check_ability(false, "generate text"));
    const auto self = use();
    const int run = run_number_;
    http::Request message;
    message.method = "POST";
    message.path = message.target = "/generate";
    message.headers.set("Content-Type", "application/json");
    if (!request.traceparent.empty()) {
        message.headers.set("traceparent", request.traceparent);
    }
    message.body = json::serialize(engine::to_json(request));
    std::unique_ptr<EventChannel::Inbox> inbox;
    if (channel_->usable()) {
        inbox = std::make_unique<EventChannel::Inbox>(channel_);
        message.headers.set("X-Gantry-Channel", channel_->name());
        message.headers.set("X-Gantry-Stream", std::to_string(inbox->number()));
    }
    http::Client client = *client_;
    auto response = co_await client.open(std::move(message));
    if (!response) {
        co_return co_await why_gone(run, response.error());
    }
    if (!(*response)->headers().find("X-Gantry-Channel")) {
        inbox.reset();  // it answers in the body
    }
    const int status = (*response)->status();
    if (status != 200) {
        auto body = co_await (*response)->read_all();
        if (!body) {
            co_return co_await why_gone(run, body.error());
        }
        co_return http::error_from_response(status, *body);
    }
    co_return make_event_stream(std::move(*response), std::move(inbox), self, run);
}

asio::awaitable<Result<json::value>> LaunchedModel::call(std::string path, json::value body) {
    GANTRY_CO_CHECK_OK(check_ready());
    co_return co_await ask(std::move(path), std::move(body));
}

asio::awaitable<Result<json::value>> LaunchedModel::ask(std::string path, json::value body) {
    const auto self = shared_from_this();
    const int run = run_number_;
    if (!client_) {  // its process has just ended, and its state does not say so yet
        Error broken{Code::kUnavailable, "its process has ended"};
        co_return co_await why_gone(run, std::move(broken));
    }
    http::Request message;
    message.path = message.target = path;
    if (path != "/stats" && path != "/health") {
        message.method = "POST";
        message.headers.set("Content-Type", "application/json");
        message.body = json::serialize(body);
    }
    http::Client client = *client_;
    auto response = co_await client.request(std::move(message));
    if (!response) {
        co_return co_await why_gone(run, response.error());
    }
    if (response->status != 200) {
        co_return http::error_from_response(response->status, response->body);
    }
    boost::system::error_code ec;
    json::value answer = json::parse(response->body, ec);
    if (ec) {
        co_return Error{Code::kInternal, "the model's process answered " + path + " with something that is not JSON"};
    }
    co_return answer;
}

}  // namespace gantry::fleet
