#include "runtime/runner/runner.hpp"

#include <signal.h>
#include <sys/prctl.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/http/server.hpp"
#include "base/log.hpp"
#include "runtime/runner/guarded_model.hpp"
#include "runtime/runner/lifeline.hpp"
#include "runtime/runner/loader.hpp"
#include "runtime/runner/sandbox.hpp"
#include "runtime/runner/service.hpp"
#include "runtime/runner/spec.hpp"
#include "runtime/runner/status.hpp"

namespace gantry::runner {
namespace asio = boost::asio;
namespace {

enum ExitCode { kStopped = 0, kLoadFailed = 1, kModelBroken = 2 };

/// How long answers may take to reach their clients once the model is gone.
constexpr std::chrono::milliseconds kDrain{1000};

/// The server's limits: it has one client, which is trusted and keeps its connections.
http::ServerLimits limits() {
    http::ServerLimits out;
    out.max_body_bytes = size_t{128} << 20;
    out.idle_timeout = std::chrono::hours(24);
    out.header_timeout = std::chrono::hours(24);
    return out;
}

/// Loading on one thread, everything else on the io thread, which is main's.
class Runner {
  public:
    Runner(RunnerSpec spec, int status_fd)
        : spec_(std::move(spec)),
          status_(status_fd),
          service_(std::make_shared<Service>(io_.get_executor(), spec_.uid)),
          server_(
              io_,
              [service = service_](http::Request request, http::Responder& responder) {
                  return service->handle(std::move(request), responder);
              },
              limits()),
          signals_(io_, SIGTERM, SIGINT) {}

    int run() {
        http::Endpoint endpoint;
        endpoint.unix_socket = true;
        endpoint.host = spec_.socket;
        if (const auto status = server_.listen(endpoint); !status) {
            status_.error(status.error());
            return kLoadFailed;
        }
        enter_sandbox_for(spec_);
        server_.start();
        signals_.async_wait([this](boost::system::error_code ec, int) {
            if (!ec) {
                stop(kStopped);
            }
        });
        service_->set_adapters(spec_.adapters);
        service_->set_wake([this](std::function<void(Status)> done) { wake(std::move(done)); },
                           [this] { status_.asleep(); });
        loader_ = std::thread([this] { load(); });
        io_.run();
        loader_.join();
        return exit_code_;
    }

  private:
    static void enter_sandbox_for(const RunnerSpec& spec) {
        if (!spec.sandbox) {
            return;
        }
        std::vector<std::filesystem::path> paths = model_read_paths(spec.model_path);
        if (!spec.draft_model_path.empty()) {
            const auto more = model_read_paths(spec.draft_model_path);
            paths.insert(paths.end(), more.begin(), more.end());
        }
        paths.insert(paths.end(), spec.plugin_dirs.begin(), spec.plugin_dirs.end());
        paths.insert(paths.end(), spec.adapter_dirs.begin(), spec.adapter_dirs.end());
        for (const auto& [name, adapter] : spec.adapters) {
            const std::vector<std::filesystem::path> own = model_read_paths(adapter);
            paths.insert(paths.end(), own.begin(), own.end());
        }
        log::info("sandbox: {}", enter_sandbox(paths, spec.state_dir).text());
    }

    /// On the loading thread.
    void load() {
        auto loaded = try_load();
        asio::post(io_, [this, loaded = std::make_shared<Result<LoadedModel>>(std::move(loaded))] {
            finish_load(std::move(*loaded));
        });
    }

    /// Loads again what was put to sleep. Callers that come meanwhile get the same answer.
    void wake(std::function<void(Status)> done) {
        waking_.push_back(std::move(done));
        if (loading_ || stopping_) {
            return;
        }
        loading_ = true;
        spec_.adapters = service_->adapters();
        loader_.join();
        loader_ = std::thread([this] { load(); });
    }

    void answer_wakers(const Status& status) {
        for (const auto& done : std::exchange(waking_, {})) {
            done(status);
        }
    }

    Result<LoadedModel> try_load() {
        try {
            return load_model(spec_, status_, cancelled_);
        } catch (const std::bad_alloc&) {
            return Error{Code::kOutOfMemory, "loading ran out of memory"};
        } catch (const std::exception& e) {
            return Error{Code::kInternal, std::string("loading failed: ") + e.what()};
        }
    }

    void finish_load(Result<LoadedModel> result) {
        if (!result) {
            log::error("{}", result.error().text());
            if (!waking_.empty() && !cancelled_) {
                loading_ = false;  // it goes on sleeping, and may be woken again
                status_.asleep();
                answer_wakers(result.error().in("the model could not be woken"));
                return;
            }
            status_.error(result.error());
            end(kLoadFailed);
            return;
        }
        if (cancelled_) {
            end(kStopped);
            return;
        }
        LoadedModel& loaded = *result;
        const auto ready = describe_ready(loaded);
        if (loaded.encoder != nullptr) {
            serve_encoder(loaded);
        } else {
            serve_generator(loaded);
        }
        loading_ = false;
        status_.ready(ready);
        answer_wakers(ok());
    }

    std::function<void(Error)> on_broken() {
        return [this](Error error) {
            asio::post(io_, [this, error = std::move(error)] {
                status_.error(error.in("the model became unusable"));
                stop(kModelBroken);
            });
        };
    }

    void serve_generator(LoadedModel& loaded) {
        engine::EngineOptions options = engine_options(loaded, spec_);
        options.after_turn = service_->flush();
        auto model = guard_model(std::move(loaded.model), on_broken());
        service_->set_ready(std::make_shared<engine::Engine>(std::move(model), loaded.tokenizer, options),
                            loaded.prompter, std::move(loaded.backend));
        service_->keep_prefixes_in(spec_.state_dir);
    }

    void serve_encoder(LoadedModel& loaded) {
        encoder::EncoderOptions options;
        options.queue_limit = loaded.options.queue_limit;
        options.priority_ageing = loaded.options.priority_ageing;
        options.share_weights = loaded.options.share_weights;
        options.on_broken = on_broken();
        auto engine = std::make_shared<encoder::EncoderEngine>(std::move(loaded.encoder), std::move(options));
        service_->set_encoder(
            std::make_shared<EncodeService>(io_.get_executor(), std::move(engine), std::move(loaded.texts)),
            loaded.prompter, std::move(loaded.backend));
    }

    /// Ends what runs, gives the answers a moment to leave, and leaves run().
    void stop(int code) {
        if (stopping_) {
            return;
        }
        stopping_ = true;
        exit_code_ = code;
        if (loading_) {
            cancelled_ = true;  // finish_load goes on from there
            return;
        }
        service_->shut_down();
        asio::co_spawn(
            io_,
            [this]() -> asio::awaitable<void> {
                co_await server_.drain(kDrain);
                end(exit_code_);
            },
            asio::detached);
    }

    void end(int code) {
        exit_code_ = code;
        server_.stop();
        signals_.cancel();
        io_.stop();
    }

    RunnerSpec spec_;
    StatusWriter status_;
    asio::io_context io_{1};
    std::shared_ptr<Service> service_;
    http::Server server_;
    asio::signal_set signals_;
    std::thread loader_;
    std::atomic<bool> cancelled_{false};
    bool loading_ = true, stopping_ = false;
    std::vector<std::function<void(Status)>> waking_;  ///< who waits for the model to wake
    int exit_code_ = kStopped;
};

}  // namespace

int run_runner(int spec_fd, int status_fd) {
    ::signal(SIGPIPE, SIG_IGN);
    die_with_parent();
    StatusWriter status(status_fd);
    auto line = read_line(spec_fd);
    auto spec = line ? spec_from_json(*line) : Result<RunnerSpec>(line.error());
    if (!spec) {
        status.error(spec.error());
        return kLoadFailed;
    }
    if (!check_parent(spec->parent_pid)) {
        return kLoadFailed;
    }
    ::prctl(PR_SET_NAME, ("gantry " + spec->uid).c_str());  // what top and ps show; the kernel cuts it at 15
    watch_lifeline(spec_fd);
    return Runner(std::move(*spec), status_fd).run();
}

}  // namespace gantry::runner
