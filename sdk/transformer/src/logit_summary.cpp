#include <gantry/ext/causal_lm.h>
#include <gantry/transformer/device.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gantry::transformer {
namespace {

float peak_of(std::span<const float> block) {
    float peak = -std::numeric_limits<float>::infinity();
    for (const float logit : block) {
        if (std::isnan(logit)) return logit;
        peak = std::max(peak, logit);
    }
    return peak;
}

float mass_of(std::span<const float> block, float peak, float scale) {
    if (!std::isfinite(peak)) return 0;
    double mass = 0;
    for (const float logit : block) mass += std::exp(static_cast<double>((logit - peak) * scale));
    return static_cast<float>(mass);
}

}  // namespace

void Device::download_logits(float* dst, Mat logits, const LogitSummary& summary) {
    const size_t cols = logits.cols;
    download(dst, logits.data, logits.rows * cols);
    if (summary.peaks == nullptr) return;
    const size_t blocks = (cols + GANTRY_LOGIT_BLOCK - 1) / GANTRY_LOGIT_BLOCK;
    for (size_t row = 0; row < logits.rows; ++row) {
        for (size_t b = 0; b < blocks; ++b) {
            const size_t begin = b * GANTRY_LOGIT_BLOCK;
            const std::span<const float> block(dst + row * cols + begin,
                                               std::min<size_t>(GANTRY_LOGIT_BLOCK, cols - begin));
            const float peak = peak_of(block);
            summary.peaks[row * blocks + b] = peak;
            const float scale = summary.mass_scales[row];
            if (scale > 0) summary.masses[row * blocks + b] = mass_of(block, peak, scale);
        }
    }
}

}  // namespace gantry::transformer
