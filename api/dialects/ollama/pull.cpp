#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <deque>
#include <filesystem>

#include "api/dialects/ollama/handlers.hpp"
#include "api/dialects/ollama/render.hpp"
#include "api/dialects/ollama/targets.hpp"
#include "api/http/downloads.hpp"
#include "base/paths.hpp"
#include "registry/registry.hpp"
#include "runtime/fleet/model_pull.hpp"
#include "runtime/fleet/signal.hpp"

namespace gantry::dialects::ollama {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

/// A download whose progress becomes lines; on the io thread.
struct PullRun {
    explicit PullRun(const asio::any_io_executor& executor) : changed(executor) {}
    fleet::Signal changed;
    asio::cancellation_signal cancel;
    std::deque<bj::object> lines;
    std::optional<Result<sources::Pulled>> result;
};

/// The words that Ollama has for a stage.
bj::object line_of(const sources::PullProgress& progress) {
    if (progress.stage == "resolve") {
        return {{"status", "pulling manifest"}};
    }
    if (progress.stage == "verify") {
        return {{"status", "verifying sha256 digest"}};
    }
    if (progress.stage == "publish") {
        return {{"status", "writing manifest"}};
    }
    constexpr std::string_view kSum = "sha256:";
    constexpr size_t kShort = 12;
    const std::string digest = progress.digest.empty() ? progress.file : progress.digest;
    const std::string shown = progress.digest.empty() ? digest : digest.substr(kSum.size(), kShort);
    return {{"status", "pulling " + shown},
            {"digest", digest},
            {"total", progress.file_total},
            {"completed", progress.file_done}};
}

asio::awaitable<void> run_pull(std::shared_ptr<PullRun> run, std::shared_ptr<sources::Puller> puller,
                               std::shared_ptr<const registry::Registry> registry, sources::PullRequest request) {
    const auto executor = co_await asio::this_coro::executor;
    auto tell = [run](const sources::PullProgress& progress) {
        run->lines.push_back(line_of(progress));
        run->changed.notify();
    };
    run->result = co_await fleet::pull_model(executor, puller, registry, std::move(request), std::move(tell));
    run->changed.notify();
}

/// Who asked and went away needs no download any more; what came is kept.
class CancelAtEnd {
  public:
    explicit CancelAtEnd(std::shared_ptr<PullRun> run) : run_(std::move(run)) {}
    CancelAtEnd(const CancelAtEnd&) = delete;
    CancelAtEnd& operator=(const CancelAtEnd&) = delete;
    ~CancelAtEnd() {
        if (!run_->result) {
            run_->cancel.emit(asio::cancellation_type::terminal);
        }
    }

  private:
    std::shared_ptr<PullRun> run_;
};

asio::awaitable<api::Outcome> stream_pull(Exchange& exchange, std::shared_ptr<PullRun> run) {
    if (!co_await exchange.start(200, "application/x-ndjson")) {
        co_return api::Streamed{};
    }
    while (true) {
        std::string text;
        for (; !run->lines.empty(); run->lines.pop_front()) {
            text += bj::serialize(run->lines.front()) + '\n';
        }
        if (run->result) {
            const Result<sources::Pulled>& result = *run->result;
            const bj::object last = result ? bj::object{{"status", "success"}} : error_body(result.error());
            text += bj::serialize(last) + '\n';
        }
        if (!text.empty() && !co_await exchange.write(std::move(text))) {
            co_return api::Streamed{};
        }
        if (run->result) {
            break;
        }
        if (run->lines.empty()) {
            co_await run->changed.wait();
        }
    }
    (void)co_await exchange.finish();
    co_return api::Streamed{};
}

/// Nothing has to be done.
asio::awaitable<api::Outcome> tell_success(Exchange& exchange, bool stream) {
    const bj::object last{{"status", "success"}};
    if (!stream) {
        co_return api::json_response(last);
    }
    if (co_await exchange.start(200, "application/x-ndjson")) {
        std::string lines = bj::serialize(bj::object{{"status", "pulling manifest"}}) + '\n';
        lines += bj::serialize(last) + '\n';
        (void)co_await exchange.write(std::move(lines));
        (void)co_await exchange.finish();
    }
    co_return api::Streamed{};
}

/// The files of this machine with the server's catalog.
Result<registry::Registry> open_registry(const Services& services) {
    GANTRY_TRY(registry::Registry registry,
               registry::Registry::open(registry::RegistryPaths::standard(paths::share_dir())));
    registry.catalog() = services.catalog;
    return registry;
}

}  // namespace

Answer pull_model(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    const auto name = model_name(*body);
    if (!name) {
        co_return name.error();
    }
    json::Reader reader(*body);
    const bool stream = reader.boolean("stream").value_or(true);
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    const auto target = find_target(services, *name);
    if (!target) {
        co_return target.error();
    }
    const bool launched = services.fleet.describe(target->uid).has_value();
    if (launched || !target->launch || std::filesystem::path(target->launch->model).is_absolute()) {
        co_return co_await tell_success(exchange, stream);
    }
    auto registry = open_registry(services);
    if (!registry) {
        co_return ApiError(registry.error());
    }
    sources::PullRequest request;
    request.model = target->launch->model;
    request.options.size_in_billions = target->launch->size_in_billions;
    request.options.quantization = target->launch->quantization;
    request.memory = services.fleet.ledger().total;
    const auto found = registry->resolve(request.model, request.options);
    if (found) {
        co_return co_await tell_success(exchange, stream);
    }
    const auto puller = services.kept<api::Downloads>().puller;
    const bool may = puller && !puller->settings().network.offline && sources::Puller::can_pull(*registry, request);
    if (!may) {
        co_return ApiError(Error(Code::kInvalidArgument, fmt::format("pull {}: {}", *name, found.error().message),
                                 found.error().hint));
    }
    const auto executor = co_await asio::this_coro::executor;
    const auto run = std::make_shared<PullRun>(executor);
    const CancelAtEnd guard(run);
    auto files = std::make_shared<const registry::Registry>(std::move(*registry));
    asio::co_spawn(executor, run_pull(run, puller, std::move(files), std::move(request)),
                   asio::bind_cancellation_slot(run->cancel.slot(), asio::detached));
    if (stream) {
        co_return co_await stream_pull(exchange, run);
    }
    while (!run->result) {
        co_await run->changed.wait();
    }
    if (!*run->result) {
        co_return ApiError(run->result->error());
    }
    const bj::object last{{"status", "success"}};
    co_return api::json_response(last);
}

}  // namespace gantry::dialects::ollama
