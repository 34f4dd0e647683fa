#include "registry/convert/quantize.hpp"

#include <gantry/abi.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <gantry/transformer/dequantize.hpp>
#include <numeric>

namespace gantry::registry {
namespace {

using transformer::f16_to_f32;
using transformer::f32_to_f16;

constexpr size_t kSmall = 32;   // elements of a block of the plain types
constexpr size_t kSuper = 256;  // elements of a block of the K types
constexpr float kMaxF16 = 65504.0F;

/// The nearest value that 16 bits hold; a scale is stored so.
float through_f16(float value) { return f16_to_f32(f32_to_f16(std::clamp(value, -kMaxF16, kMaxF16))); }

/// The nearest whole number, ties to even, of a value below 2^22 in size: adding 1.5 * 2^23 leaves no bits for a
/// fraction. std::nearbyint would be a call into the library for each value.
float nearest(float value) {
    constexpr float kShift = 12582912.0F;
    return (value + kShift) - kShift;
}

int code_of(float value, float inverse, int lowest, int highest) {
    return static_cast<int>(
        nearest(std::clamp(value * inverse, static_cast<float>(lowest), static_cast<float>(highest))));
}

/// Sums are kept in lanes: the compiler may not reorder additions by itself, and so could not use vectors.
constexpr size_t kLanes = 8;
using Lanes = std::array<float, kLanes>;

float total(const Lanes& lanes) { return std::accumulate(lanes.begin(), lanes.end(), 0.0F); }

struct Range {
    int lowest;
    int highest;
};

/// x ~ scale * code + offset
struct Fit {
    float scale = 0;
    float offset = 0;
    float error = INFINITY;
};

/// Squared error of the best codes for a given scale and offset.
float error_of(std::span<const float> x, float scale, float offset, Range range) {
    const float inverse = scale != 0 ? 1.0F / scale : 0.0F;
    const auto lowest = static_cast<float>(range.lowest);
    const auto highest = static_cast<float>(range.highest);
    Lanes sums{};
    for (size_t at = 0; at < x.size(); at += kLanes) {
        for (size_t i = 0; i < kLanes; ++i) {
            const float v = x[at + i];
            const float code = nearest(std::clamp((v - offset) * inverse, lowest, highest));
            const float difference = v - (code * scale + offset);
            sums[i] += difference * difference;
        }
    }
    return total(sums);
}

void keep_better(Fit& best, std::span<const float> x, float scale, float offset, Range range, bool half) {
    if (half) {
        scale = through_f16(scale);
        offset = through_f16(offset);
    }
    const float error = error_of(x, scale, offset, range);
    if (error < best.error) {
        best = {scale, offset, error};
    }
}

/// Scale without offset. `half`: as 16 bits will hold it.
Fit fit_scale(std::span<const float> x, Range range, bool half) {
    float extreme = 0;
    for (const float v : x) {
        if (std::abs(v) > std::abs(extreme)) {
            extreme = v;
        }
    }
    Fit best;
    if (extreme == 0) {
        best.error = 0;
        return best;
    }
    const auto lowest = static_cast<float>(range.lowest);
    const auto highest = static_cast<float>(range.highest);
    constexpr int kSteps = 9;
    for (const int end : {range.lowest, range.highest}) {
        if (end > 0 && range.lowest <= -32) {
            break;  // so fine a grid is hardly another with the other sign
        }
        for (int step = -kSteps; step <= kSteps; ++step) {
            // A few codes around the end: a little clipping may cost less than a coarser grid.
            const float divisor = static_cast<float>(end) + 0.1F * static_cast<float>(step);
            const float scale = extreme / divisor;
            keep_better(best, x, scale, 0, range, half);
            const float inverse = 1.0F / scale;
            Lanes product_lanes{};
            Lanes square_lanes{};
            for (size_t at = 0; at < x.size(); at += kLanes) {
                for (size_t i = 0; i < kLanes; ++i) {
                    const float v = x[at + i];
                    const float code = nearest(std::clamp(v * inverse, lowest, highest));
                    product_lanes[i] += v * code;
                    square_lanes[i] += code * code;
                }
            }
            const float products = total(product_lanes);
            const float squares = total(square_lanes);
            if (squares > 0) {
                keep_better(best, x, products / squares, 0, range, half);
            }
        }
    }
    return best;
}

/// Scale and offset. `negative_offset`: the offset may not be above zero (K types store its magnitude).
Fit fit_affine(std::span<const float> x, int highest, bool half, bool negative_offset) {
    auto [low, high] = std::pair(*std::ranges::min_element(x), *std::ranges::max_element(x));
    if (negative_offset) {
        low = std::min(low, 0.0F);
    }
    const Range range{0, highest};
    Fit best;
    if (high <= low) {
        keep_better(best, x, 0, low, range, half);
        return best;
    }
    constexpr int kSteps = 9;
    for (int step = -kSteps; step <= kSteps; ++step) {
        const float scale = (high - low) / (static_cast<float>(highest) + 0.1F * static_cast<float>(step));
        keep_better(best, x, scale, low, range, half);
        float codes = 0;
        float squares = 0;
        float products = 0;
        float values = 0;
        for (const float v : x) {
            const auto code = static_cast<float>(code_of(v - low, 1.0F / scale, 0, highest));
            codes += code;
            squares += code * code;
            products += code * v;
            values += v;
        }
        const auto count = static_cast<float>(x.size());
        const float determinant = count * squares - codes * codes;
        if (determinant <= 0) {
            continue;
        }
        float refined = (count * products - codes * values) / determinant;
        float offset = (values - refined * codes) / count;
        if (negative_offset && offset > 0) {
            offset = 0;
            refined = squares > 0 ? products / squares : 0;
        }
        if (refined > 0) {
            keep_better(best, x, refined, offset, range, half);
        }
    }
    return best;
}

void put_f16(std::byte* out, float value) {
    const uint16_t bits = f32_to_f16(value);
    std::memcpy(out, &bits, sizeof bits);
}

void encode_codes(std::span<const float> x, float scale, float offset, Range range, uint8_t* codes) {
    const float inverse = scale != 0 ? 1.0F / scale : 0.0F;
    for (size_t i = 0; i < x.size(); ++i) {
        codes[i] = static_cast<uint8_t>(code_of(x[i] - offset, inverse, range.lowest, range.highest) - range.lowest);
    }
}

/// Q4_0, Q4_1, Q5_0, Q5_1: scale, minimum where there is one, fifth bits where there are some, nibbles.
void encode_nibbles(std::span<const float> x, int bits, bool affine, std::byte* out) {
    const int half_range = 1 << (bits - 1);
    const Range range = affine ? Range{0, 2 * half_range - 1} : Range{-half_range, half_range - 1};
    const Fit fit = affine ? fit_affine(x, range.highest, true, false) : fit_scale(x, range, true);
    std::array<uint8_t, kSmall> codes{};
    encode_codes(x, fit.scale, fit.offset, range, codes.data());
    put_f16(out, fit.scale);
    out += 2;
    if (affine) {
        put_f16(out, fit.offset);
        out += 2;
    }
    if (bits == 5) {
        uint32_t fifth = 0;
        for (size_t i = 0; i < kSmall; ++i) {
            fifth |= static_cast<uint32_t>(codes[i] >> 4) << i;
        }
        std::memcpy(out, &fifth, sizeof fifth);
        out += 4;
    }
    for (size_t i = 0; i < kSmall / 2; ++i) {
        out[i] = static_cast<std::byte>((codes[i] & 15) | ((codes[i + kSmall / 2] & 15) << 4));
    }
}

void encode_q8_0(std::span<const float> x, std::byte* out) {
    const Fit fit = fit_scale(x, {-127, 127}, true);
    put_f16(out, fit.scale);
    std::array<uint8_t, kSmall> codes{};
    encode_codes(x, fit.scale, 0, {-127, 127}, codes.data());
    for (size_t i = 0; i < kSmall; ++i) {
        out[2 + i] = static_cast<std::byte>(static_cast<uint8_t>(codes[i] - 127));
    }
}

/// Q4_K and Q5_K: eight groups of 32, each with a scale and a minimum of 6 bits under two shared scales.
void encode_affine_super(std::span<const float> x, int bits, std::byte* out) {
    constexpr size_t kGroups = 8;
    const Range range{0, (1 << bits) - 1};
    std::array<Fit, kGroups> fits{};
    float largest_scale = 0;
    float largest_minimum = 0;
    for (size_t g = 0; g < kGroups; ++g) {
        fits[g] = fit_affine(x.subspan(g * kSmall, kSmall), range.highest, false, true);
        largest_scale = std::max(largest_scale, fits[g].scale);
        largest_minimum = std::max(largest_minimum, -fits[g].offset);
    }
    const float d = through_f16(largest_scale / 63);
    const float dmin = through_f16(largest_minimum / 63);
    put_f16(out, d);
    put_f16(out + 2, dmin);
    std::array<uint8_t, 12> packed{};
    std::array<uint8_t, kSuper> codes{};
    for (size_t g = 0; g < kGroups; ++g) {
        const auto group = x.subspan(g * kSmall, kSmall);
        const int near_scale = d > 0 ? code_of(fits[g].scale, 1 / d, 0, 63) : 0;
        const int near_minimum = dmin > 0 ? code_of(-fits[g].offset, 1 / dmin, 0, 63) : 0;
        // Rounding the pair of 6-bit numbers one by one is not the best pair: look at the neighbours too.
        int scale = near_scale;
        int minimum = near_minimum;
        float least = INFINITY;
        for (int s = std::max(0, near_scale - 1); s <= std::min(63, near_scale + 1); ++s) {
            for (int m = std::max(0, near_minimum - 2); m <= std::min(63, near_minimum + 2); ++m) {
                const float error = error_of(group, d * static_cast<float>(s), -dmin * static_cast<float>(m), range);
                if (error < least) {
                    least = error;
                    scale = s;
                    minimum = m;
                }
            }
        }
        encode_codes(group, d * static_cast<float>(scale), -dmin * static_cast<float>(minimum), range,
                     codes.data() + g * kSmall);
        if (g < 4) {
            packed[g] = static_cast<uint8_t>(packed[g] | scale);
            packed[g + 4] = static_cast<uint8_t>(packed[g + 4] | minimum);
        } else {
            packed[g + 4] = static_cast<uint8_t>((scale & 15) | ((minimum & 15) << 4));
            packed[g - 4] = static_cast<uint8_t>(packed[g - 4] | ((scale >> 4) << 6));
            packed[g] = static_cast<uint8_t>(packed[g] | ((minimum >> 4) << 6));
        }
    }
    std::memcpy(out + 4, packed.data(), packed.size());
    out += 16;
    if (bits == 5) {
        for (size_t i = 0; i < kSmall; ++i) {
            int fifth = 0;
            for (size_t g = 0; g < kGroups; ++g) {
                fifth |= (codes[g * kSmall + i] >> 4) << g;
            }
            out[i] = static_cast<std::byte>(fifth);
        }
        out += kSmall;
    }
    for (size_t pair = 0; pair < kGroups / 2; ++pair) {
        const uint8_t* const low = codes.data() + 2 * pair * kSmall;
        for (size_t i = 0; i < kSmall; ++i) {
            out[pair * kSmall + i] = static_cast<std::byte>((low[i] & 15) | ((low[i + kSmall] & 15) << 4));
        }
    }
}

/// Q6_K: sixteen groups of 16, each with a scale of 8 bits under one shared scale.
void encode_q6_k(std::span<const float> x, std::byte* out) {
    constexpr size_t kGroups = 16;
    constexpr size_t kGroup = 16;
    constexpr Range kRange{-32, 31};
    std::array<Fit, kGroups> fits{};
    float extreme = 0;
    for (size_t g = 0; g < kGroups; ++g) {
        fits[g] = fit_scale(x.subspan(g * kGroup, kGroup), kRange, false);
        if (std::abs(fits[g].scale) > std::abs(extreme)) {
            extreme = fits[g].scale;
        }
    }
    const float d = through_f16(extreme / -128);
    std::array<uint8_t, kSuper> codes{};
    std::array<int8_t, kGroups> scales{};
    for (size_t g = 0; g < kGroups; ++g) {
        const auto group = x.subspan(g * kGroup, kGroup);
        const int near = d != 0 ? code_of(fits[g].scale, 1 / d, -128, 127) : 0;
        int scale = near;
        float least = INFINITY;
        for (int s = std::max(-128, near - 2); s <= std::min(127, near + 2); ++s) {
            const float error = error_of(group, d * static_cast<float>(s), 0, kRange);
            if (error < least) {
                least = error;
                scale = s;
            }
        }
        scales[g] = static_cast<int8_t>(scale);
        encode_codes(group, d * static_cast<float>(scale), 0, kRange, codes.data() + g * kGroup);
    }
    std::byte* const low = out;
    std::byte* const high = out + 128;
    for (size_t part = 0; part < 2; ++part) {
        const uint8_t* const c = codes.data() + part * 128;
        for (size_t i = 0; i < kSmall; ++i) {
            low[part * 64 + i] = static_cast<std::byte>((c[i] & 15) | ((c[i + 64] & 15) << 4));
            low[part * 64 + 32 + i] = static_cast<std::byte>((c[i + 32] & 15) | ((c[i + 96] & 15) << 4));
            high[part * 32 + i] = static_cast<std::byte>((c[i] >> 4) | ((c[i + 32] >> 4) << 2) |
                                                         ((c[i + 64] >> 4) << 4) | ((c[i + 96] >> 4) << 6));
        }
    }
    std::memcpy(out + 192, scales.data(), scales.size());
    put_f16(out + 208, d);
}

void encode_block(int32_t dtype, std::span<const float> x, std::byte* out) {
    switch (dtype) {
        case GANTRY_DTYPE_Q4_0:
            return encode_nibbles(x, 4, false, out);
        case GANTRY_DTYPE_Q4_1:
            return encode_nibbles(x, 4, true, out);
        case GANTRY_DTYPE_Q5_0:
            return encode_nibbles(x, 5, false, out);
        case GANTRY_DTYPE_Q5_1:
            return encode_nibbles(x, 5, true, out);
        case GANTRY_DTYPE_Q8_0:
            return encode_q8_0(x, out);
        case GANTRY_DTYPE_Q4_K:
            return encode_affine_super(x, 4, out);
        case GANTRY_DTYPE_Q5_K:
            return encode_affine_super(x, 5, out);
        case GANTRY_DTYPE_Q6_K:
            return encode_q6_k(x, out);
        case GANTRY_DTYPE_F32:
            std::memcpy(out, x.data(), x.size_bytes());
            return;
        case GANTRY_DTYPE_F16:
            return put_f16(out, x[0]);
        default: {
            const uint16_t bits = transformer::f32_to_bf16(x[0]);
            std::memcpy(out, &bits, sizeof bits);
        }
    }
}

}  // namespace

bool can_quantize(int32_t dtype) {
    constexpr auto kTypes = std::to_array<int32_t>(
        {GANTRY_DTYPE_F32, GANTRY_DTYPE_F16, GANTRY_DTYPE_BF16, GANTRY_DTYPE_Q4_0, GANTRY_DTYPE_Q4_1, GANTRY_DTYPE_Q5_0,
         GANTRY_DTYPE_Q5_1, GANTRY_DTYPE_Q8_0, GANTRY_DTYPE_Q4_K, GANTRY_DTYPE_Q5_K, GANTRY_DTYPE_Q6_K});
    return std::ranges::find(kTypes, dtype) != kTypes.end();
}

void quantize_row(int32_t dtype, std::span<const float> values, std::byte* out) {
    const auto traits = transformer::type_traits(dtype);
    for (size_t at = 0; at < values.size(); at += traits.block_elements) {
        encode_block(dtype, values.subspan(at, traits.block_elements), out);
        out += traits.block_bytes;
    }
}

}  // namespace gantry::registry
