#include "runtime/engine/logit_kernels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

// One copy of each kernel per instruction set, picked when the program is loaded. Sanitizers instrument the resolver
// that picks, which runs before they are set up: they get the plain copy.
#if defined(__x86_64__) && defined(__ELF__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__clang__)
#define GANTRY_KERNEL __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define GANTRY_KERNEL
#endif

namespace gantry::engine::kernels {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// exp(x) for x <= 0: 2^n * e^r with |r| <= ln(2)/2 and a polynomial for e^r. Branch-free. Below -87.7 n is -127, whose
/// biased exponent makes 2^n zero.
[[gnu::always_inline]] inline float exp_term(float x) {
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded, and stands in its lowest bits
    x = x < -88.0f ? -88.0f : x;
    const float shifted = x * 1.44269504f + kRound;
    const float n = shifted - kRound;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) + 127u) << 23);
}

constexpr size_t kLanes = 64;      ///< independent maxima, so that none waits for the one before
constexpr size_t kAhead = 2048;    ///< floats; the processor's own prefetching ends with each page
constexpr size_t kCacheLine = 16;  ///< floats

/// What comes kAhead behind the block that begins at `begin`.
[[gnu::always_inline]] inline void prefetch_block(const float* row, size_t n, size_t begin) {
    for (size_t i = begin + kAhead; i < std::min(begin + kAhead + kLogitBlock, n); i += kCacheLine) {
        __builtin_prefetch(row + i);
    }
}

/// The largest of a whole block; nans[i] is set where there was one.
[[gnu::always_inline]] inline float whole_block_max(const float* block, int32_t* nans) {
    float lanes[kLanes];
    for (size_t i = 0; i < kLanes; ++i) {
        lanes[i] = kLowest;
    }
    for (size_t begin = 0; begin < kLogitBlock; begin += kLanes) {
        for (size_t i = 0; i < kLanes; ++i) {
            const float x = block[begin + i];
            lanes[i] = x > lanes[i] ? x : lanes[i];
            nans[i] |= x != x ? 1 : 0;
        }
    }
    float max = kLowest;
#pragma omp simd reduction(max : max)
    for (size_t i = 0; i < kLanes; ++i) {
        max = lanes[i] > max ? lanes[i] : max;
    }
    return max;
}

[[gnu::always_inline]] inline float part_block_max(const float* block, size_t n, int32_t* nans) {
    float max = kLowest;
    for (size_t i = 0; i < n; ++i) {
        max = block[i] > max ? block[i] : max;
        nans[0] |= block[i] != block[i] ? 1 : 0;
    }
    return max;
}

[[gnu::always_inline]] inline float block_sum(const float* block, size_t n, float max, float scale) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; ++i) {
        sum += exp_term((block[i] - max) * scale);
    }
    return sum;
}

}  // namespace

GANTRY_KERNEL RowMax row_max(const float* row, size_t n, float* block_max) {
    RowMax result{kLowest, false};
    int32_t nans[kLanes] = {};
    for (size_t begin = 0; begin < n; begin += kLogitBlock) {
        const bool whole = n - begin >= kLogitBlock;
        prefetch_block(row, n, begin);
        const float max = whole ? whole_block_max(row + begin, nans) : part_block_max(row + begin, n - begin, nans);
        block_max[begin / kLogitBlock] = max;
        result.max = max > result.max ? max : result.max;
    }
    for (const int32_t nan : nans) {
        result.has_nan = result.has_nan || nan != 0;
    }
    return result;
}

GANTRY_KERNEL RowMasses row_masses(const float* row, size_t n, float scale, float* block_max, float* block_mass) {
    RowMasses result;
    int32_t nans[kLanes] = {};
    for (size_t begin = 0; begin < n; begin += kLogitBlock) {
        const bool whole = n - begin >= kLogitBlock;
        prefetch_block(row, n, begin);
        const float max = whole ? whole_block_max(row + begin, nans) : part_block_max(row + begin, n - begin, nans);
        const float reference = max > kLowest ? max : 0.0f;
        block_max[begin / kLogitBlock] = max;
        block_mass[begin / kLogitBlock] = whole ? block_sum(row + begin, kLogitBlock, reference, scale)
                                                : block_sum(row + begin, n - begin, reference, scale);
        result.max = max > result.max ? max : result.max;
    }
    for (const int32_t nan : nans) {
        result.has_nan = result.has_nan || nan != 0;
    }
    result.total = rescale_masses(block_mass, block_max, logit_blocks(n), result.max, scale);
    return result;
}

GANTRY_KERNEL RowMax peak_max(const float* peaks, size_t blocks) {
    float max = kLowest;
    int32_t nans = 0;
#pragma omp simd reduction(max : max) reduction(| : nans)
    for (size_t b = 0; b < blocks; ++b) {
        max = peaks[b] > max ? peaks[b] : max;
        nans |= peaks[b] != peaks[b] ? 1 : 0;
    }
    return {max, nans != 0};
}

GANTRY_KERNEL double rescale_masses(float* masses, const float* peaks, size_t blocks, float max, float scale) {
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (size_t b = 0; b < blocks; ++b) {
        masses[b] *= exp_term((peaks[b] - max) * scale);
        total += static_cast<double>(masses[b]);
    }
    return total;
}

GANTRY_KERNEL double softmax_terms(const float* row, size_t n, float max, float scale, float* out, float* block_max) {
    double total = 0;
    for (size_t begin = 0; begin < n; begin += kLogitBlock) {
        const size_t end = std::min(begin + kLogitBlock, n);
        float sum = 0;
        float largest = 0;
#pragma omp simd reduction(+ : sum) reduction(max : largest)
        for (size_t i = begin; i < end; ++i) {
            const float term = exp_term((row[i] - max) * scale);
            out[i] = term;
            sum += term;
            largest = term > largest ? term : largest;
        }
        block_max[begin / kLogitBlock] = largest;
        total += static_cast<double>(sum);
    }
    return total;
}

GANTRY_KERNEL double log_sum_exp(const float* row, size_t n, float max) {
    double total = 0;
    for (size_t begin = 0; begin < n; begin += kLogitBlock) {
        total += static_cast<double>(block_sum(row + begin, std::min(kLogitBlock, n - begin), max, 1.0f));
    }
    return static_cast<double>(max) + std::log(total);
}

GANTRY_KERNEL void copy_masked(const float* row, size_t n, const uint32_t* mask, float* out) {
    for (size_t begin = 0; begin < n; begin += 32) {
        const size_t end = std::min(begin + 32, n);
        const uint32_t word = mask[begin / 32];
#pragma omp simd
        for (size_t i = begin; i < end; ++i) {
            out[i] = (word >> (i - begin) & 1u) != 0 ? row[i] : kLowest;
        }
    }
}

GANTRY_KERNEL Spread spread(const float* row, size_t n, float max) {
    double count = 0;
    double sum = 0;
    double squares = 0;
    double mass = 0;
    double weighted = 0;
    for (size_t begin = 0; begin < n; begin += kLogitBlock) {
        const size_t end = std::min(begin + kLogitBlock, n);
        float b_count = 0;
        float b_sum = 0;
        float b_squares = 0;
        float b_mass = 0;
        float b_weighted = 0;
#pragma omp simd reduction(+ : b_count, b_sum, b_squares, b_mass, b_weighted)
        for (size_t i = begin; i < end; ++i) {
            const float finite = row[i] > kLowest ? 1.0f : 0.0f;
            const float x = row[i] > kLowest ? row[i] - max : 0.0f;
            const float clamped = x < -88.0f ? -88.0f : x;
            const float term = exp_term(clamped) * finite;
            b_count += finite;
            b_sum += x;
            b_squares += x * x;
            b_mass += term;
            b_weighted += term * clamped;
        }
        count += static_cast<double>(b_count);
        sum += static_cast<double>(b_sum);
        squares += static_cast<double>(b_squares);
        mass += static_cast<double>(b_mass);
        weighted += static_cast<double>(b_weighted);
    }
    const double mean = sum / count;
    return {static_cast<size_t>(count), std::sqrt(std::max(squares / count - mean * mean, 0.0)),
            std::log(mass) - weighted / mass};
}

GANTRY_KERNEL Tail tail(const float* terms, size_t n, const float* block_max, float threshold) {
    Tail result;
    for (size_t begin = 0; begin < n; begin += kLogitBlock) {
        if (block_max[begin / kLogitBlock] < threshold) {
            continue;
        }
        const size_t end = std::min(begin + kLogitBlock, n);
        float sum = 0;
        int32_t count = 0;
#pragma omp simd reduction(+ : sum, count)
        for (size_t i = begin; i < end; ++i) {
            const bool kept = terms[i] >= threshold;
            sum += kept ? terms[i] : 0.0f;
            count += kept ? 1 : 0;
        }
        result.count += static_cast<size_t>(count);
        result.mass += static_cast<double>(sum);
    }
    return result;
}

namespace {

constexpr size_t kChunk = 32;

GANTRY_KERNEL bool any_within(const float* values, size_t n, float low, float high) {
    int32_t any = 0;
#pragma omp simd reduction(| : any)
    for (size_t i = 0; i < n; ++i) {
        any |= (values[i] >= low ? 1 : 0) & (values[i] < high ? 1 : 0);
    }
    return any != 0;
}

}  // namespace

void collect(const float* values, size_t n, const float* block_max, float low, float high,
             std::vector<std::pair<float, size_t>>& out) {
    for (size_t block = 0; block < n; block += kLogitBlock) {
        if (block_max[block / kLogitBlock] < low) {
            continue;
        }
        const size_t block_end = std::min(block + kLogitBlock, n);
        for (size_t begin = block; begin < block_end; begin += kChunk) {
            const size_t end = std::min(begin + kChunk, block_end);
            if (!any_within(values + begin, end - begin, low, high)) {
                continue;
            }
            for (size_t i = begin; i < end; ++i) {
                if ((values[i] >= low) & (values[i] < high)) {
                    out.emplace_back(values[i], i);
                }
            }
        }
    }
}

void to_terms(std::vector<std::pair<float, size_t>>& values, float max, float scale) {
    for (auto& [value, index] : values) {
        value = exp_term((value - max) * scale);
    }
}

GANTRY_KERNEL double kept_mass(const float* terms, size_t begin, size_t end, float above, size_t equal_end) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = begin; i < end; ++i) {
        sum += terms[i] > above ? terms[i] : 0.0f;
    }
    size_t equal = 0;
    for (size_t i = begin; i < std::min(end, equal_end); ++i) {
        equal += terms[i] == above ? 1u : 0u;
    }
    return static_cast<double>(sum) + static_cast<double>(equal) * static_cast<double>(above);
}

}  // namespace gantry::engine::kernels
