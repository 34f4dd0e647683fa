#include "runtime/fleet/model_pull.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <optional>
#include <thread>

#include "runtime/fleet/signal.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace {

constexpr std::chrono::milliseconds kTellEvery{100};

/// Belongs to the io thread, but for the thread that it holds.
struct Pull {
    explicit Pull(const asio::any_io_executor& executor) : changed(executor) {}
    Signal changed;
    std::optional<sources::PullProgress> news;
    std::optional<Result<sources::Pulled>> result;
};

}  // namespace

asio::awaitable<Result<sources::Pulled>> pull_model(asio::any_io_executor executor,
                                                    std::shared_ptr<sources::Puller> puller,
                                                    std::shared_ptr<const registry::Registry> registry,
                                                    sources::PullRequest request,
                                                    std::function<void(const sources::PullProgress&)> on_progress) {
    const auto pull = std::make_shared<Pull>(executor);
    // Posted work holds the state but not the coroutine, which may be gone when it comes.
    auto work = [executor, pull, puller, registry, request = std::move(request)](const std::stop_token& asked) {
        auto told = std::chrono::steady_clock::time_point();
        std::string stage;
        const auto tell = [&](const sources::PullProgress& progress) {
            const auto now = std::chrono::steady_clock::now();
            if (progress.stage == stage && now - told < kTellEvery) {
                return;
            }
            told = now;
            stage = progress.stage;
            asio::post(executor, [pull, progress] {
                pull->news = progress;
                pull->changed.notify();
            });
        };
        auto result = puller->pull(*registry, request, tell, asked);
        asio::post(executor, [pull, result = std::move(result)]() mutable {
            pull->result = std::move(result);
            pull->changed.notify();
        });
    };
    std::jthread thread(std::move(work));
    while (!pull->result) {
        co_await pull->changed.wait();
        if (pull->news) {
            const sources::PullProgress progress = std::move(*pull->news);
            pull->news.reset();
            on_progress(progress);
        }
    }
    Result<sources::Pulled> result = std::move(*pull->result);
    co_return result;
}

}  // namespace gantry::fleet
