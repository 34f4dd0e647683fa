#include "plugins/cpu/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <chrono>

namespace gantry::cpu {
namespace {

constexpr auto kSpin = std::chrono::microseconds(60);

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Looks at `ready` for up to kSpin.
template <class Ready>
bool spin_until(Ready ready) {
    for (int i = 0; i < 64; ++i) {
        if (ready()) return true;
        pause_briefly();
    }
    const auto end = std::chrono::steady_clock::now() + kSpin;
    do {
        for (int i = 0; i < 64; ++i) {
            if (ready()) return true;
            pause_briefly();
        }
    } while (std::chrono::steady_clock::now() < end);
    return false;
}

void pin(pthread_t thread, uint32_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    // A CPU that is not ours to use is no error: the thread then runs where it may.
    pthread_setaffinity_np(thread, sizeof(set), &set);
}

}  // namespace

ThreadPool::ThreadPool(uint32_t threads, std::span<const uint32_t> cpus) {
    for (uint32_t i = 1; i < threads; ++i) {
        workers_.emplace_back([this, i] { work(i); });
        if (!cpus.empty()) pin(workers_.back().native_handle(), cpus[i % cpus.size()]);
    }
}

ThreadPool::~ThreadPool() {
    {
        const std::lock_guard lock(mutex_);
        stop_.store(true);
        generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::call_guarded(uint32_t thread) noexcept {
    try {
        call_(context_, thread);
    } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
    }
}

void ThreadPool::run_all(Call call, void* context) {
    if (workers_.empty()) {
        call(context, 0);
        return;
    }
    call_ = call;
    context_ = context;
    running_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
    // Sequentially consistent with the sleepers' count: either a worker that goes to sleep sees the new generation, or
    // this sees the sleeper.
    generation_.fetch_add(1);
    if (asleep_.load() != 0) {
        { const std::lock_guard lock(mutex_); }
        wake_.notify_all();
    }
    call_guarded(0);
    const auto finished = [this] { return running_.load(std::memory_order_acquire) == 0; };
    if (!spin_until(finished)) {
        std::unique_lock lock(mutex_);
        caller_asleep_ = true;
        done_.wait(lock, finished);
        caller_asleep_ = false;
    }
    std::exception_ptr error;
    {
        const std::lock_guard lock(mutex_);
        std::swap(error, error_);
    }
    if (error) std::rethrow_exception(error);
}

bool ThreadPool::wait_for_work(uint32_t seen) {
    const auto ready = [&] { return generation_.load() != seen; };
    if (!spin_until(ready)) {
        std::unique_lock lock(mutex_);
        asleep_.fetch_add(1);
        wake_.wait(lock, ready);
        asleep_.fetch_sub(1);
    }
    return !stop_.load();
}

void ThreadPool::work(uint32_t thread) {
    for (uint32_t seen = 0; wait_for_work(seen); ++seen) {
        call_guarded(thread);
        if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            const std::lock_guard lock(mutex_);
            if (caller_asleep_) done_.notify_one();
        }
    }
}

}  // namespace gantry::cpu
