// Vectors of 8 lanes in plain C++, for processors that none of the other files fits. Included by kernels/scalar.cpp
// only; everything is local to it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "gantry/transformer/dequantize.hpp"

namespace {

constexpr uint32_t kLanes = 8;
constexpr uint32_t kDotRows = 1;
constexpr uint32_t kPackedRows = 1;
constexpr uint32_t kPassTileRows = 1;
constexpr uint32_t kPassVectors = 1;
constexpr uint32_t kTileRows = 1;
constexpr uint32_t kTileVectors = 1;

struct F {
    float v[kLanes];
};
struct I {
    int32_t v[kLanes];
};
struct B {
    uint8_t v[4 * kLanes];
};

template <class Op>
inline F make(Op op) {
    F r;
    for (uint32_t i = 0; i < kLanes; ++i) r.v[i] = op(i);
    return r;
}

inline F set1(float x) {
    return make([&](uint32_t) { return x; });
}
inline F zero() { return set1(0.0F); }
inline F load(const float* p) {
    return make([&](uint32_t i) { return p[i]; });
}
inline void store(float* p, F a) {
    for (uint32_t i = 0; i < kLanes; ++i) p[i] = a.v[i];
}
inline F load_f16(const uint16_t* p) {
    return make([&](uint32_t i) { return gantry::transformer::f16_to_f32(p[i]); });
}
inline F load_bf16(const uint16_t* p) {
    return make([&](uint32_t i) { return gantry::transformer::bf16_to_f32(p[i]); });
}
inline void store_f16(uint16_t* p, F a) {
    for (uint32_t i = 0; i < kLanes; ++i) p[i] = gantry::transformer::f32_to_f16(a.v[i]);
}
inline void store_bf16(uint16_t* p, F a) {
    for (uint32_t i = 0; i < kLanes; ++i) p[i] = gantry::transformer::f32_to_bf16(a.v[i]);
}
inline F load_part(const float* p, uint32_t n) {
    return make([&](uint32_t i) { return i < n ? p[i] : 0.0F; });
}
inline void store_part(float* p, F a, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) p[i] = a.v[i];
}
inline F add(F a, F b) {
    return make([&](uint32_t i) { return a.v[i] + b.v[i]; });
}
inline F sub(F a, F b) {
    return make([&](uint32_t i) { return a.v[i] - b.v[i]; });
}
inline F mul(F a, F b) {
    return make([&](uint32_t i) { return a.v[i] * b.v[i]; });
}
inline F div(F a, F b) {
    return make([&](uint32_t i) { return a.v[i] / b.v[i]; });
}
inline F max(F a, F b) {
    return make([&](uint32_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F min(F a, F b) {
    return make([&](uint32_t i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline F fma(F a, F b, F c) {
    return make([&](uint32_t i) { return a.v[i] * b.v[i] + c.v[i]; });
}
inline F round(F a) {
    return make([&](uint32_t i) { return nearbyintf(a.v[i]); });
}
inline F scale2(F a, F n) {
    return make([&](uint32_t i) { return ldexpf(a.v[i], static_cast<int>(n.v[i])); });
}
inline F keep_from(F a, F x, F limit) {
    return make([&](uint32_t i) { return x.v[i] >= limit.v[i] ? a.v[i] : 0.0F; });
}
inline F abs(F a) {
    return make([&](uint32_t i) { return fabsf(a.v[i]); });
}
inline float sum(F a) {
    float s = 0;
    for (float x : a.v) s += x;
    return s;
}
inline float largest(F a) {
    float s = a.v[0];
    for (float x : a.v) s = x > s ? x : s;
    return s;
}

inline I iset1(int32_t x) {
    I r;
    for (int32_t& lane : r.v) lane = x;
    return r;
}
inline F to_float(I a) {
    return make([&](uint32_t i) { return static_cast<float>(a.v[i]); });
}
inline int32_t store_int8(int8_t* p, F a) {
    int32_t s = 0;
    for (uint32_t i = 0; i < kLanes; ++i) {
        const auto q = static_cast<int32_t>(nearbyintf(a.v[i]));
        p[i] = static_cast<int8_t>(q);
        s += q;
    }
    return s;
}
inline F load_u8(const uint8_t* p) {
    return make([&](uint32_t i) { return static_cast<float>(p[i]); });
}
inline F load_s8(const uint8_t* p) {
    return make([&](uint32_t i) { return static_cast<float>(static_cast<int8_t>(p[i])); });
}

template <class Op>
inline B make_bytes(Op op) {
    B r;
    for (uint32_t i = 0; i < 4 * kLanes; ++i) r.v[i] = static_cast<uint8_t>(op(i));
    return r;
}
inline B load_bytes(const uint8_t* p) {
    return make_bytes([&](uint32_t i) { return p[i]; });
}
inline void store_bytes(uint8_t* p, B a) {
    for (uint32_t i = 0; i < 4 * kLanes; ++i) p[i] = a.v[i];
}
inline B low_nibbles(B a) {
    return make_bytes([&](uint32_t i) { return a.v[i] & 15; });
}
inline B high_nibbles(B a) {
    return make_bytes([&](uint32_t i) { return a.v[i] >> 4; });
}
template <int kShift, int kMask>
inline B with_high(B base, B bits) {
    return make_bytes([&](uint32_t i) { return base.v[i] | (((bits.v[i] >> kShift) << 4) & kMask); });
}
/// Byte i of the table for every byte i < 16.
inline B lookup(B table, B index) {
    return make_bytes([&](uint32_t i) { return table.v[index.v[i]]; });
}
inline B no_bits() {
    return make_bytes([](uint32_t) { return 0; });
}
inline B spread4(const int8_t* p) {
    return make_bytes([&](uint32_t i) { return static_cast<uint8_t>(p[i % 4]); });
}

constexpr bool kVnni = true;  // the same exact unsigned-by-signed sums
inline I dot4(I acc, B weights, B x) {
    for (uint32_t i = 0; i < kLanes; ++i) {
        for (uint32_t j = 4 * i; j < 4 * i + 4; ++j) {
            acc.v[i] += static_cast<int32_t>(weights.v[j]) * static_cast<int8_t>(x.v[j]);
        }
    }
    return acc;
}
inline I dot4_wide(I acc, B weights, B x) { return dot4(acc, weights, x); }

}  // namespace
