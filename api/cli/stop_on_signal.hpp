#pragma once

#include <signal.h>

#include <ctime>
#include <stop_token>
#include <thread>

namespace gantry::cli {

/// Turns Ctrl-C and SIGTERM into a request to stop, as long as it lives. Made before other threads are.
class StopOnSignal {
  public:
    StopOnSignal() {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
        watcher_ = std::jthread([this](const std::stop_token& done) {
            const timespec tick{0, 50'000'000};
            while (!done.stop_requested()) {
                if (sigtimedwait(&signals_, nullptr, &tick) > 0) {
                    source_.request_stop();
                }
            }
        });
    }
    std::stop_token token() const { return source_.get_token(); }

  private:
    sigset_t signals_{};
    std::stop_source source_;
    std::jthread watcher_;
};

}  // namespace gantry::cli
