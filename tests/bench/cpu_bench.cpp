/// What the CPU plugin's kernels reach, beside what the machine can do in the same minute: `cpu_bench [threads]
/// [type]`. Without arguments: 1 thread and all, every type. Figures are medians of short runs; compare within one run
/// only.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "gantry/transformer/dequantize.hpp"
#include "plugins/cpu/products.hpp"

namespace gantry::cpu {
namespace {

/// Seconds of processor time that this program has used.
double processor_time() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// More than any cache: decoding reads each weight once a token.
constexpr size_t kWorkingSet = size_t{768} << 20;
constexpr uint32_t kWidth = 2048;
constexpr uint32_t kOutputs = 4096;

/// Seconds of the best of `runs` calls that keep `threads` threads busy.
double seconds(uint32_t threads, int runs, const std::function<void()>& call) {
    double best = 1e30;
    for (int i = 0; i < runs; ++i) {
        const double start = processor_time();
        call();
        best = std::min(best, (processor_time() - start) / threads);
    }
    return best;
}

/// Reads memory from end to end on every thread: the bandwidth that decoding is up against, in GB/s.
double read_bandwidth(ThreadPool& pool) {
    static Pages memory(kWorkingSet);
    std::memset(memory.data(), 1, memory.size());
    std::atomic<uint64_t> sink{0};
    const size_t words = memory.size() / sizeof(uint64_t);
    const double s = seconds(pool.size(), 5, [&] {
        pool.run([&](uint32_t thread) {
            const uint64_t* begin = memory.as<uint64_t>() + words * thread / pool.size();
            const uint64_t* end = memory.as<uint64_t>() + words * (thread + 1) / pool.size();
            uint64_t sums[8] = {};
            for (; begin + 8 <= end; begin += 8) {
                for (int i = 0; i < 8; ++i) sums[i] += begin[i];
            }
            for (const uint64_t sum : sums) sink += sum;
        });
    });
    return static_cast<double>(memory.size()) / s / 1e9;
}

/// Numbers around 0.01 in any type; block types get random bits with scales of 0.01.
std::vector<std::byte> random_weight(int32_t dtype, uint32_t rows) {
    const transformer::TypeTraits traits = transformer::type_traits(dtype);
    std::vector<std::byte> bytes(transformer::row_bytes(dtype, kWidth) * rows);
    const float value = 0.01F;
    const uint16_t scale =
        dtype == GANTRY_DTYPE_BF16 ? transformer::f32_to_bf16(value) : transformer::f32_to_f16(value);
    if (traits.block_elements == 1) {
        const bool wide = dtype == GANTRY_DTYPE_F32;
        for (size_t at = 0; at < bytes.size(); at += traits.block_bytes) {
            std::memcpy(bytes.data() + at, wide ? static_cast<const void*>(&value) : &scale, traits.block_bytes);
        }
        return bytes;
    }
    std::mt19937_64 random(1);
    for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
        const uint64_t bits = random();
        std::memcpy(bytes.data() + i, &bits, 8);
    }
    // Where the scale is, and behind it perhaps a minimum; of some types it does not matter what the bits are.
    const auto place = [dtype]() -> size_t {
        switch (dtype) {
            case GANTRY_DTYPE_Q2_K:
                return 80;
            case GANTRY_DTYPE_Q3_K:
                return 108;
            case GANTRY_DTYPE_Q6_K:
                return 208;
            default:
                return 0;
        }
    }();
    for (size_t at = 0; at < bytes.size(); at += traits.block_bytes) {
        std::memcpy(bytes.data() + at + place, &scale, 2);
        if (place == 0 || dtype == GANTRY_DTYPE_Q2_K) std::memcpy(bytes.data() + at + place + 2, &scale, 2);
    }
    return bytes;
}

void bench_type(int32_t dtype, ThreadPool& pool, double bandwidth) {
    const CpuFeatures features = detect_features();
    const char* forced = std::getenv("GANTRY_CPU_ISA");
    const Kernels& kernels = select_kernels(forced == nullptr ? "" : forced, features);
    Products own(kernels, features, pool, Precision::kAuto, Prefill::kOwn);
    Products library(kernels, features, pool, Precision::kAuto, Prefill::kOneDnn);
    const auto bytes = random_weight(dtype, kOutputs);
    gantry_tensor_view_t view{};
    view.struct_size = GANTRY_SIZE(gantry_tensor_view_t, data);
    view.dtype = dtype;
    view.rank = 2;
    view.shape[0] = kOutputs;
    view.shape[1] = kWidth;
    view.nbytes = bytes.size();
    view.data = bytes.data();
    // As many copies as exceed the caches; plain types are used in place, so their bytes are copied too.
    const size_t count = kWorkingSet / 2 / bytes.size() + 1;
    std::vector<std::vector<std::byte>> files(count, bytes);
    std::vector<CpuWeight> weights;
    const double load_start = processor_time();
    for (auto& file : files) {
        view.data = file.data();
        weights.emplace_back(view, transformer::WeightUse::kLinear, Precision::kAuto, pool);
    }
    const double load = (processor_time() - load_start) / pool.size();
    std::vector<float> x(512 * kWidth, 0.5F), out(512 * kOutputs);
    const auto product = [&](Products& products, const CpuWeight& weight, uint32_t rows) {
        products.run({x.data(), rows, kWidth},
                     std::array{transformer::LinearOut{&weight, nullptr, {out.data(), rows, kOutputs}, false}}, false);
    };
    std::printf("%-5s %u thr  pack %5.2f GB/s  decode GB/s (%% of read):", transformer::type_traits(dtype).name.data(),
                pool.size(), static_cast<double>(bytes.size() * count) / load / 1e9);
    for (const uint32_t rows : {1U, 2U, 4U, 8U, 16U}) {
        const double s = seconds(pool.size(), 4, [&] {
            for (const CpuWeight& weight : weights) product(own, weight, rows);
        });
        const double rate = static_cast<double>(bytes.size() * count) / s / 1e9;
        std::printf(" %u:%.1f (%.0f%%)", rows, rate, 100 * rate / bandwidth);
    }
    std::printf("  prefill GFLOP/s");
    for (const uint32_t rows : {32U, 128U, 512U}) {
        const double flops = 2.0 * rows * kWidth * kOutputs;
        const double ours = seconds(pool.size(), 4, [&] { product(own, weights[0], rows); });
        const double theirs = seconds(pool.size(), 4, [&] { product(library, weights[0], rows); });
        std::printf(" %u: own %.0f oneDNN %.0f", rows, flops / ours / 1e9, flops / theirs / 1e9);
    }
    std::printf("\n");
    std::fflush(stdout);
}

void bench(uint32_t threads, std::string_view only) {
    ThreadPool pool(threads);
    const double bandwidth = read_bandwidth(pool);
    std::printf("%u threads: read %.1f GB/s\n", threads, bandwidth);
    for (const int32_t dtype :
         {GANTRY_DTYPE_F32, GANTRY_DTYPE_F16, GANTRY_DTYPE_BF16, GANTRY_DTYPE_Q8_0, GANTRY_DTYPE_Q4_0,
          GANTRY_DTYPE_Q4_1, GANTRY_DTYPE_Q5_0, GANTRY_DTYPE_Q5_1, GANTRY_DTYPE_Q2_K, GANTRY_DTYPE_Q3_K,
          GANTRY_DTYPE_Q4_K, GANTRY_DTYPE_Q5_K, GANTRY_DTYPE_Q6_K, GANTRY_DTYPE_IQ2_XXS, GANTRY_DTYPE_IQ4_NL,
          GANTRY_DTYPE_IQ4_XS, GANTRY_DTYPE_MXFP4}) {
        if (only.empty() || transformer::type_traits(dtype).name == only) bench_type(dtype, pool, bandwidth);
    }
}

}  // namespace
}  // namespace gantry::cpu

int main(int argc, char** argv) {
    const std::string_view type = argc > 2 ? argv[2] : "";
    if (argc > 1) {
        gantry::cpu::bench(static_cast<uint32_t>(std::stoul(argv[1])), type);
        return 0;
    }
    gantry::cpu::bench(1, type);
    if (const uint32_t all = std::thread::hardware_concurrency(); all > 1) gantry::cpu::bench(all, type);
    return 0;
}
