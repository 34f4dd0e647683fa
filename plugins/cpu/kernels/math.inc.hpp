// Elementwise kernels, norms, rotary embedding and activation quantisation, written once over the vectors of
// simd_*.hpp. Included by kernel translation units only, after one of those.
#pragma once

#include <math.h>

#include "plugins/cpu/kernels/kernels.hpp"

namespace {

using gantry::cpu::Act;
using gantry::cpu::BlockInfo;

/// e^x: x = n ln 2 + r, then a polynomial for e^r (coefficients of Cephes' expf). Below -87 the result is 0; above 88
/// it stays e^88.
inline F exp_lanes(F x) {
    const F bounded = max(min(x, set1(88.0F)), set1(-87.0F));
    const F n = round(mul(bounded, set1(1.44269504088896341F)));
    F r = fma(n, set1(-0.693359375F), bounded);
    r = fma(n, set1(2.12194440e-4F), r);
    F p = set1(1.9875691500e-4F);
    p = fma(p, r, set1(1.3981999507e-3F));
    p = fma(p, r, set1(8.3334519073e-3F));
    p = fma(p, r, set1(4.1665795894e-2F));
    p = fma(p, r, set1(1.6666665459e-1F));
    p = fma(p, r, set1(5.0000001201e-1F));
    p = fma(p, mul(r, r), add(r, set1(1.0F)));
    return keep_from(scale2(p, n), x, set1(-87.0F));
}

/// x / (1 + e^-s)
inline F times_sigmoid(F x, F s) { return div(x, add(set1(1.0F), exp_lanes(sub(zero(), s)))); }

/// tanh(x) = 1 - 2 / (e^2x + 1); below 0.25, where that cancels, the odd series.
inline F tanh_lanes(F x) {
    const F is_far = keep_from(set1(1.0F), abs(x), set1(0.25F));
    const F far = sub(set1(1.0F), div(set1(2.0F), add(exp_lanes(add(x, x)), set1(1.0F))));
    const F small = mul(x, sub(set1(1.0F), is_far));
    const F square = mul(small, small);
    F p = fma(set1(62.0F / 2835.0F), square, set1(-17.0F / 315.0F));
    p = fma(p, square, set1(2.0F / 15.0F));
    p = fma(p, square, set1(-1.0F / 3.0F));
    const F near = fma(mul(small, square), p, small);
    return fma(is_far, far, near);
}

/// Calls op(i, n) for every vector of n <= kLanes elements.
template <class Op>
inline void each_vector(size_t count, Op op) {
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) op(i, kLanes);
    if (i < count) op(i, static_cast<uint32_t>(count - i));
}
inline F load_n(const float* p, uint32_t n) { return n == kLanes ? load(p) : load_part(p, n); }
inline void store_n(float* p, F a, uint32_t n) {
    if (n == kLanes) {
        store(p, a);
    } else {
        store_part(p, a, n);
    }
}

void quantize(const float* x, uint32_t blocks, int8_t* q, BlockInfo* info) {
    constexpr uint32_t kVectors = gantry::cpu::kBlock / kLanes;
    for (uint32_t b = 0; b < blocks; ++b, x += gantry::cpu::kBlock, q += gantry::cpu::kBlock) {
        F values[kVectors];
        F peak = zero();
        for (uint32_t i = 0; i < kVectors; ++i) {
            values[i] = load(x + i * kLanes);
            peak = max(peak, abs(values[i]));
        }
        const float top = largest(peak);
        const F inverse = set1(top > 0.0F ? 127.0F / top : 0.0F);
        int32_t half[2] = {0, 0};
        for (uint32_t i = 0; i < kVectors; ++i) {
            half[2 * i / kVectors] += store_int8(q + i * kLanes, mul(values[i], inverse));
        }
        const int32_t total = half[0] + half[1];
        const float scale = top / 127.0F;
        info[b] = {scale,        scale * static_cast<float>(total), -8 * total, -16 * total,
                   -128 * total, {-32 * half[0], -32 * half[1]},    0};
    }
}

inline float sum_of_squares(const float* x, uint32_t n) {
    F even = zero();
    F odd = zero();
    uint32_t i = 0;
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
        const F a = load(x + i);
        const F b = load(x + i + kLanes);
        even = fma(a, a, even);
        odd = fma(b, b, odd);
    }
    for (; i < n; i += kLanes) {
        const F a = load_n(x + i, n - i < kLanes ? n - i : kLanes);
        even = fma(a, a, even);
    }
    return sum(add(even, odd));
}

void rms_norm(const float* x, const float* gain, uint32_t n, float eps, float offset, float* out) {
    const F factor = set1(1.0F / sqrtf(sum_of_squares(x, n) / static_cast<float>(n) + eps));
    const F shift = set1(offset);
    each_vector(n, [&](size_t i, uint32_t m) {
        store_n(out + i, mul(mul(load_n(x + i, m), factor), add(load_n(gain + i, m), shift)), m);
    });
}

void add_kernel(float* x, const float* y, size_t n) {
    each_vector(n, [&](size_t i, uint32_t m) { store_n(x + i, add(load_n(x + i, m), load_n(y + i, m)), m); });
}

void add_rms_norm(float* x, const float* delta, const float* gain, uint32_t n, float eps, float offset, float* out) {
    add_kernel(x, delta, n);
    rms_norm(x, gain, n, eps, offset, out);
}

void layer_norm(const float* x, const float* gain, const float* bias, uint32_t n, float eps, float* out) {
    F total = zero();
    each_vector(n, [&](size_t i, uint32_t m) { total = add(total, load_n(x + i, m)); });
    const float mean = sum(total) / static_cast<float>(n);
    float variance = 0;
    {
        F squares = zero();
        const uint32_t whole = n / kLanes * kLanes;
        for (uint32_t i = 0; i < whole; i += kLanes) {
            const F d = sub(load(x + i), set1(mean));
            squares = fma(d, d, squares);
        }
        variance = sum(squares);
        for (uint32_t i = whole; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
    }
    const F factor = set1(1.0F / sqrtf(variance / static_cast<float>(n) + eps));
    each_vector(n, [&](size_t i, uint32_t m) {
        const F scaled = mul(mul(sub(load_n(x + i, m), set1(mean)), factor), load_n(gain + i, m));
        store_n(out + i, bias != nullptr ? add(scaled, load_n(bias + i, m)) : scaled, m);
    });
}

void rope_half(float* x, const float* cosine, const float* sine, uint32_t n) {
    each_vector(n, [&](size_t i, uint32_t m) {
        const F c = load_n(cosine + i, m);
        const F s = load_n(sine + i, m);
        const F a = load_n(x + i, m);
        const F b = load_n(x + n + i, m);
        store_n(x + i, sub(mul(a, c), mul(b, s)), m);
        store_n(x + n + i, fma(b, c, mul(a, s)), m);
    });
}

void rope_interleaved(float* x, const float* cosine, const float* sine, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) {
        const float a = x[2 * i];
        const float b = x[2 * i + 1];
        x[2 * i] = a * cosine[i] - b * sine[i];
        x[2 * i + 1] = b * cosine[i] + a * sine[i];
    }
}

/// x/2 (1 + erf(x / sqrt 2)). erf by Abramowitz and Stegun, 7.1.26: for z >= 0 it is 1 - t (a1 + t (a2 + ...)) e^-z^2
/// with t = 1 / (1 + p z), within 1.5e-7.
inline F gelu_exact(F x) {
    const F z = mul(abs(x), set1(0.70710678118654752F));
    const F t = div(set1(1.0F), fma(z, set1(0.3275911F), set1(1.0F)));
    F p = fma(t, set1(1.061405429F), set1(-1.453152027F));
    p = fma(p, t, set1(1.421413741F));
    p = fma(p, t, set1(-0.284496736F));
    p = fma(p, t, set1(0.254829592F));
    // What 1 + erf lacks of 2 for positive x, and all that it is for negative x.
    const F tail = mul(mul(p, t), exp_lanes(sub(zero(), mul(z, z))));
    const F half_tail = mul(mul(abs(x), set1(0.5F)), tail);
    return sub(max(x, zero()), half_tail);
}

inline F activate(Act act, F x) {
    switch (act) {
        case Act::kSilu:
            return times_sigmoid(x, x);
        case Act::kGelu:
            return gelu_exact(x);
        case Act::kGeluTanh: {
            // 0.5 x (1 + tanh(z)) = x / (1 + e^-2z), z = sqrt(2 / pi) (x + 0.044715 x^3)
            const F cubic = fma(mul(mul(x, x), x), set1(0.044715F), x);
            return times_sigmoid(x, mul(cubic, set1(1.5957691216057308F)));
        }
        case Act::kRelu:
            return max(x, zero());
        case Act::kReluSquared: {
            const F positive = max(x, zero());
            return mul(positive, positive);
        }
        case Act::kTanh:
            return tanh_lanes(x);
    }
    return x;
}

void gated(Act act, const float* gate, const float* up, size_t n, float* out) {
    each_vector(n, [&](size_t i, uint32_t m) {
        const F value = activate(act, load_n(gate + i, m));
        store_n(out + i, up != nullptr ? mul(value, load_n(up + i, m)) : value, m);
    });
}

void scale_kernel(float* x, float factor, size_t n) {
    each_vector(n, [&](size_t i, uint32_t m) { store_n(x + i, mul(load_n(x + i, m), set1(factor)), m); });
}

void softcap_kernel(float* x, float cap, size_t n) {
    each_vector(n, [&](size_t i, uint32_t m) {
        store_n(x + i, mul(tanh_lanes(div(load_n(x + i, m), set1(cap))), set1(cap)), m);
    });
}

void copy_logits(const float* x, uint32_t n, float scale, float* out, float* peak, float* mass) {
    const uint32_t whole = n / kLanes * kLanes;
    F highest = set1(-INFINITY);
    F numbers = set1(1.0F);  // 0 where one was none
    for (uint32_t i = 0; i < whole; i += kLanes) {
        const F v = load(x + i);
        store(out + i, v);
        highest = max(v, highest);  // the second where the first is no number
        numbers = min(numbers, keep_from(set1(1.0F), v, set1(-INFINITY)));
    }
    float top = largest(highest);
    bool has_nan = largest(sub(set1(1.0F), numbers)) > 0.0F;
    for (uint32_t i = whole; i < n; ++i) {
        out[i] = x[i];
        top = x[i] > top ? x[i] : top;
        has_nan = has_nan || x[i] != x[i];
    }
    *peak = has_nan ? NAN : top;
    if (scale == 0.0F) return;
    *mass = 0;
    if (has_nan || top - top != 0.0F) return;
    F total = zero();
    for (uint32_t i = 0; i < whole; i += kLanes) {
        total = add(total, exp_lanes(mul(sub(load(x + i), set1(top)), set1(scale))));
    }
    *mass = sum(total);
    for (uint32_t i = whole; i < n; ++i) *mass += expf((x[i] - top) * scale);
}

/// Runs `convert` over whole vectors, the last one through buffers.
template <class In, class Out, class Convert>
inline void convert_all(const In* x, size_t n, Out* out, Convert convert) {
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) convert(x + i, out + i);
    if (i == n) return;
    In last[kLanes] = {};
    Out result[kLanes];
    for (size_t j = i; j < n; ++j) last[j - i] = x[j];
    convert(last, result);
    for (size_t j = i; j < n; ++j) out[j] = result[j - i];
}

void to_f16(const float* x, size_t n, uint16_t* out) {
    convert_all(x, n, out, [](const float* from, uint16_t* to) { store_f16(to, load(from)); });
}
void to_bf16(const float* x, size_t n, uint16_t* out) {
    convert_all(x, n, out, [](const float* from, uint16_t* to) { store_bf16(to, load(from)); });
}
void from_f16(const uint16_t* x, size_t n, float* out) {
    convert_all(x, n, out, [](const uint16_t* from, float* to) { store(to, load_f16(from)); });
}
void from_bf16(const uint16_t* x, size_t n, float* out) {
    convert_all(x, n, out, [](const uint16_t* from, float* to) { store(to, load_bf16(from)); });
}

}  // namespace
