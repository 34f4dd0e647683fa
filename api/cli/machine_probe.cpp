#include "api/cli/machine_probe.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gantry::cli {
namespace {

/// Calls f(thread) on so many threads; the seconds of the best of three times.
double best_seconds(uint32_t threads, const std::function<void(uint32_t)>& f) {
    double best = 1e30;
    for (int run = 0; run < 3; ++run) {
        const auto start = std::chrono::steady_clock::now();
        std::vector<std::thread> workers;
        for (uint32_t t = 1; t < threads; ++t) workers.emplace_back(f, t);
        f(0);
        for (std::thread& worker : workers) worker.join();
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
}

double read_bandwidth(uint32_t threads) {
    constexpr size_t kWords = (size_t{256} << 20) / sizeof(uint64_t);
    const auto memory = std::make_unique<uint64_t[]>(kWords);
    std::iota(memory.get(), memory.get() + kWords, uint64_t{1});
    std::atomic<uint64_t> sink{0};
    const double seconds = best_seconds(threads, [&](uint32_t thread) {
        const uint64_t* p = memory.get() + kWords * thread / threads;
        const uint64_t* end = memory.get() + kWords * (thread + 1) / threads;
        uint64_t sums[8] = {};
        for (; p + 8 <= end; p += 8) {
            for (int i = 0; i < 8; ++i) sums[i] += p[i];
        }
        sink += std::accumulate(std::begin(sums), std::end(sums), uint64_t{0});
    });
    return static_cast<double>(kWords * sizeof(uint64_t)) / seconds;
}

#if defined(__x86_64__)
constexpr uint64_t kRounds = 4'000'000;
constexpr uint64_t kSums = 12;  // independent ones: enough to hide the instruction's latency

/// kRounds times kSums instructions of 64 multiplications and additions.
[[gnu::target("avx512f,avx512vnni")]] int32_t multiply_int8() {
    __m512i sums[kSums];
    for (auto& sum : sums) sum = _mm512_setzero_si512();
    __m512i a = _mm512_set1_epi8(1);
    const __m512i b = _mm512_set1_epi8(2);
    for (uint64_t i = 0; i < kRounds; ++i) {
        for (auto& sum : sums) sum = _mm512_dpbusd_epi32(sum, a, b);
        __asm__ volatile("" : "+v"(a));  // or the compiler takes the loop apart
    }
    for (auto& sum : sums) a = _mm512_add_epi32(a, sum);
    return _mm512_cvtsi512_si32(a);
}

std::optional<double> int8_per_second(uint32_t threads) {
    if (!__builtin_cpu_supports("avx512vnni")) return std::nullopt;
    std::atomic<int32_t> sink{0};
    const double seconds = best_seconds(threads, [&](uint32_t) { sink += multiply_int8(); });
    return static_cast<double>(kRounds * kSums * 128 * threads) / seconds;
}
#else
std::optional<double> int8_per_second(uint32_t) { return std::nullopt; }
#endif

}  // namespace

MachineLimits measure_machine(uint32_t threads) { return {read_bandwidth(threads), int8_per_second(threads)}; }

}  // namespace gantry::cli
