#pragma once

/// The loops over a whole vocabulary that sampling needs, each one pass and vectorised for the CPU at hand.
/// Rows are cut into blocks of kLogitBlock; the last may be shorter. Per-block results let later passes skip blocks.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "runtime/engine/logit_summary.hpp"

namespace gantry::engine::kernels {

inline constexpr size_t kLogitBlock = GANTRY_LOGIT_BLOCK;

struct RowMax {
    float max = -std::numeric_limits<float>::infinity();
    bool has_nan = false;
};
struct RowMasses : RowMax {
    double total = 0;  ///< of the terms exp((row[i] - max) * scale); means nothing unless max is finite
};

/// The largest of row[0, n), and of each block into block_max[logit_blocks(n)].
RowMax row_max(const float* row, size_t n, float* block_max);

/// The same, and the sum of each block's terms into block_mass[logit_blocks(n)], while the block is at hand; no term is
/// stored. scale is > 0.
RowMasses row_masses(const float* row, size_t n, float scale, float* block_max, float* block_mass);

/// The largest of peaks[0, blocks).
RowMax peak_max(const float* peaks, size_t blocks);

/// Makes masses relative to their blocks' peaks relative to `max`, the largest of those. Returns their sum.
double rescale_masses(float* masses, const float* peaks, size_t blocks, float max, float scale);

/// out[i] = exp((row[i] - max) * scale), relative error below 3e-7, 0 below e^-87.7; block_max[b] the
/// largest of each block of `out`. Returns the sum. `row` holds no NaN and nothing above `max`; scale is > 0.
double softmax_terms(const float* row, size_t n, float max, float scale, float* out, float* block_max);

/// log(sum(exp(row[i]))), for a row whose largest value is `max` (finite).
double log_sum_exp(const float* row, size_t n, float max);

/// out[i] = row[i] where bit i of mask[ceil(n / 32)] is set, else minus infinity.
void copy_masked(const float* row, size_t n, const uint32_t* mask, float* out);

struct Spread {
    size_t count = 0;      ///< values above minus infinity
    double deviation = 0;  ///< their standard deviation
    double entropy = 0;    ///< of their softmax, in nats
};
/// Of a row whose largest value is `max` (finite).
Spread spread(const float* row, size_t n, float max);

struct Tail {
    size_t count = 0;
    double mass = 0;
};
/// Number and sum of the terms that are >= threshold.
Tail tail(const float* terms, size_t n, const float* block_max, float threshold);

/// Appends (value, index) of every value with low <= value < high, in order of index. `block_max` belongs to `values`.
void collect(const float* values, size_t n, const float* block_max, float low, float high,
             std::vector<std::pair<float, size_t>>& out);

/// Makes of each value its term, as softmax_terms() does up to the last bits.
void to_terms(std::vector<std::pair<float, size_t>>& values, float max, float scale);

/// Sum of terms[begin, end) that are > `above`, and of those equal to it with an index < equal_end.
double kept_mass(const float* terms, size_t begin, size_t end, float above, size_t equal_end);

}  // namespace gantry::engine::kernels
