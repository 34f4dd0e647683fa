#include <algorithm>
#include <cmath>
#include <numbers>

#include <gantry/transformer/config.hpp>

namespace gantry::transformer {
namespace {

// Llama 3.1: long wavelengths are stretched by the factor, short ones kept, those between blended.
double llama3(double freq, const RopeConfig& c) {
    const double turns = c.original_context * freq / (2 * std::numbers::pi);  // over the original context
    if (turns > c.high_freq_factor) return freq;
    if (turns < c.low_freq_factor) return freq / c.factor;
    const double smooth = (turns - c.low_freq_factor) / (c.high_freq_factor - c.low_freq_factor);
    return (1 - smooth) * freq / c.factor + smooth * freq;
}

// YaRN, arXiv:2309.00071: the pair whose wavelength makes `turns` turns over the original context.
double yarn_pair(double turns, const RopeConfig& c) {
    return c.dim * std::log(c.original_context / (turns * 2 * std::numbers::pi)) / (2 * std::log(c.theta));
}

void yarn(std::vector<double>& freqs, const RopeConfig& c) {
    double first = yarn_pair(c.beta_fast, c);
    double last = yarn_pair(c.beta_slow, c);
    if (c.truncate) {
        first = std::floor(first);
        last = std::ceil(last);
    }
    first = std::max(first, 0.0);
    last = std::min(last, c.dim - 1.0);
    if (first == last) last += 0.001;  // as the original does, against a division by zero
    for (size_t i = 0; i < freqs.size(); ++i) {
        const double interpolate = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
        freqs[i] = freqs[i] / c.factor * interpolate + freqs[i] * (1 - interpolate);
    }
}

double yarn_magnitude(const RopeConfig& c) {
    const auto scale = [&c](double m) { return c.factor <= 1 ? 1.0 : 0.1 * m * std::log(c.factor) + 1; };
    if (c.mscale != 0 && c.mscale_all_dim != 0) return scale(c.mscale) / scale(c.mscale_all_dim);
    return scale(1);
}

// LongRoPE, arXiv:2402.13753.
double longrope_magnitude(const RopeConfig& c) {
    return c.factor <= 1 ? 1.0 : std::sqrt(1 + std::log(c.factor) / std::log(c.original_context));
}

}  // namespace

Rope make_rope(const RopeConfig& c, uint32_t max_context) {
    double theta = c.theta;
    if (c.scaling == RopeScaling::kDynamic) {
        const double length = std::max(max_context, c.original_context);
        theta *= std::pow(c.factor * length / c.original_context - (c.factor - 1), c.dim / (c.dim - 2.0));
    }
    std::vector<double> freqs(c.dim / 2);
    for (size_t i = 0; i < freqs.size(); ++i) freqs[i] = std::pow(theta, -2.0 * static_cast<double>(i) / c.dim);

    double magnitude = 1;
    switch (c.scaling) {
        case RopeScaling::kNone:
        case RopeScaling::kDynamic:
            break;
        case RopeScaling::kLinear:
            for (double& f : freqs) f /= c.factor;
            break;
        case RopeScaling::kLlama3:
            for (double& f : freqs) f = llama3(f, c);
            break;
        case RopeScaling::kYarn:
            yarn(freqs, c);
            magnitude = yarn_magnitude(c);
            break;
        case RopeScaling::kLongRope: {
            const auto& factors = max_context > c.original_context ? c.long_factors : c.short_factors;
            for (size_t i = 0; i < freqs.size(); ++i) freqs[i] /= factors[i];
            magnitude = longrope_magnitude(c);
            break;
        }
    }
    if (c.attention_factor != 0 && (c.scaling == RopeScaling::kYarn || c.scaling == RopeScaling::kLongRope)) {
        magnitude = c.attention_factor;
    }
    Rope rope;
    rope.style = c.style;
    rope.magnitude = static_cast<float>(magnitude);
    rope.inv_freq.reserve(freqs.size());
    for (size_t i = 0; i < freqs.size(); ++i) {
        rope.inv_freq.push_back(static_cast<float>(c.divisors.empty() ? freqs[i] : freqs[i] / c.divisors[i]));
    }
    return rope;
}

}  // namespace gantry::transformer
