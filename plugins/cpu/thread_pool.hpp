#pragma once

/// A few threads that run one function together, as often as a thousand times a token.
///
/// Waiting threads look at an atomic for some tens of microseconds and then sleep, so that the gaps between the
/// operations of a step cost little and an idle model costs nothing.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

namespace gantry::cpu {

class ThreadPool {
  public:
    /// Starts threads - 1 workers; the caller of run() is the other one. `cpus` pins thread i to cpus[i % size];
    /// empty: no pinning.
    explicit ThreadPool(uint32_t threads, std::span<const uint32_t> cpus = {});
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    uint32_t size() const { return static_cast<uint32_t>(workers_.size()) + 1; }

    /// Calls f(thread) once for every thread 0 .. size()-1, concurrently, and returns when all are done. The first
    /// exception is thrown again here. One call at a time, not from within f.
    template <class F>
    void run(F&& f) {
        using Function = std::remove_reference_t<F>;
        run_all([](void* context, uint32_t thread) { (*static_cast<Function*>(context))(thread); },
                const_cast<void*>(static_cast<const void*>(&f)));
    }

    /// Calls f(task, thread) for every task 0 .. count-1; a thread that is done takes the next one.
    template <class F>
    void for_each(size_t count, F&& f) {
        if (count == 0) return;
        if (count == 1 || workers_.empty()) {
            for (size_t task = 0; task < count; ++task) f(task, 0U);
            return;
        }
        std::atomic<size_t> next{0};
        run([&](uint32_t thread) {
            for (size_t task = next.fetch_add(1, std::memory_order_relaxed); task < count;
                 task = next.fetch_add(1, std::memory_order_relaxed)) {
                f(task, thread);
            }
        });
    }

  private:
    using Call = void (*)(void* context, uint32_t thread);

    void run_all(Call call, void* context);
    void work(uint32_t thread);
    /// Blocks until a generation other than `seen` began; false when the pool ends.
    bool wait_for_work(uint32_t seen);
    void call_guarded(uint32_t thread) noexcept;

    std::atomic<uint32_t> generation_{0};
    std::atomic<uint32_t> running_{0};  ///< workers that have not finished this generation
    std::atomic<uint32_t> asleep_{0};
    std::atomic<bool> stop_{false};
    Call call_ = nullptr;
    void* context_ = nullptr;
    std::mutex mutex_;  ///< guards the sleep of waiters and error_
    std::condition_variable wake_;
    std::condition_variable done_;
    bool caller_asleep_ = false;  ///< under mutex_
    std::exception_ptr error_;
    std::vector<std::thread> workers_;
};

}  // namespace gantry::cpu
