// Vectors of 16 lanes for AVX-512 (F, BW, VL, DQ), with VNNI where the translation unit is compiled for it. Included
// by kernel translation units only; everything is local to them, so that no other unit can pick up these functions.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {

constexpr uint32_t kLanes = 16;
constexpr uint32_t kDotRows = 4;       // activation rows of a register tile in products with plain weights
constexpr uint32_t kPackedRows = 8;    // and in packed products
constexpr uint32_t kPassTileRows = 6;  // and where many rows pass over decoded weights,
constexpr uint32_t kPassVectors = 2;   // with so many vectors of weight rows
constexpr uint32_t kTileRows = 8;      // query rows in attention
constexpr uint32_t kTileVectors = 2;

struct F {
    __m512 v;
};
struct I {
    __m512i v;
};
struct B {
    __m512i v;
};

inline F zero() { return {_mm512_setzero_ps()}; }
inline F set1(float x) { return {_mm512_set1_ps(x)}; }
inline F load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, F a) { _mm512_storeu_ps(p, a.v); }
inline F load_f16(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline F load_bf16(const uint16_t* p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
inline void store_f16(uint16_t* p, F a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void store_bf16(uint16_t* p, F a) {
    const __m512i bits = _mm512_castps_si512(a.v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
}
inline __mmask16 first_lanes(uint32_t n) { return static_cast<__mmask16>((1U << n) - 1U); }
inline F load_part(const float* p, uint32_t n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
inline void store_part(float* p, F a, uint32_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
inline F add(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F sub(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F mul(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F div(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F round(F a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
/// a * 2^n for integral n.
inline F scale2(F a, F n) { return {_mm512_scalef_ps(a.v, n.v)}; }
/// a where x >= limit, else 0.
inline F keep_from(F a, F x, F limit) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, limit.v, _CMP_GE_OQ), a.v)};
}
inline F abs(F a) { return {_mm512_abs_ps(a.v)}; }
inline float sum(F a) { return _mm512_reduce_add_ps(a.v); }
inline float largest(F a) { return _mm512_reduce_max_ps(a.v); }

inline I iset1(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline F to_float(I a) { return {_mm512_cvtepi32_ps(a.v)}; }
/// Rounded to nearest even int8 values (in range), stored; returns their sum.
inline int32_t store_int8(int8_t* p, F a) {
    const __m512i q = _mm512_cvtps_epi32(a.v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(q));
    return _mm512_reduce_add_epi32(q);
}
/// 16 unsigned or signed bytes as floats.
inline F load_u8(const uint8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
inline F load_s8(const uint8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}

inline B load_bytes(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store_bytes(uint8_t* p, B a) { _mm512_storeu_si512(p, a.v); }
inline B low_nibbles(B a) { return {_mm512_and_si512(a.v, _mm512_set1_epi8(0x0f))}; }
inline B high_nibbles(B a) { return {_mm512_and_si512(_mm512_srli_epi16(a.v, 4), _mm512_set1_epi8(0x0f))}; }
/// base | ((bits >> shift) << 4 & mask): adds stored high bits to nibbles. Shift may be negative.
template <int kShift, int kMask>
inline B with_high(B base, B bits) {
    __m512i moved;
    if constexpr (kShift >= 4) {
        moved = _mm512_srli_epi16(bits.v, kShift - 4);
    } else {
        moved = _mm512_slli_epi16(bits.v, 4 - kShift);
    }
    return {_mm512_ternarylogic_epi32(moved, _mm512_set1_epi8(kMask), base.v, 0xea)};  // (moved & mask) | base
}
/// Byte i of the table, which lies in every 16 bytes, for every byte i < 16.
inline B lookup(B table, B index) { return {_mm512_shuffle_epi8(table.v, index.v)}; }
inline B no_bits() { return {_mm512_setzero_si512()}; }
/// Four consecutive int8 activations in every lane.
inline B spread4(const int8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, 4);
    return {_mm512_set1_epi32(four)};
}

#ifdef __AVX512VNNI__
constexpr bool kVnni = true;
inline I dot4(I acc, B weights, B x) { return {_mm512_dpbusd_epi32(acc.v, weights.v, x.v)}; }
inline I dot4_wide(I acc, B weights, B x) { return dot4(acc, weights, x); }
#else
constexpr bool kVnni = false;
/// acc += four products a lane; weights 0 .. 63.
inline I dot4(I acc, B weights, B x) {
    const __m512i pairs = _mm512_maddubs_epi16(weights.v, x.v);
    return {_mm512_add_epi32(acc.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
}
/// The same with weights that are stored as q + 128; they count as q.
inline I dot4_wide(I acc, B weights, B x) {
    const __m512i w = _mm512_xor_si512(weights.v, _mm512_set1_epi8(-128));
    const __m512i signed_x = _mm512_mask_sub_epi8(x.v, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x.v);
    return dot4(acc, {_mm512_abs_epi8(w)}, {signed_x});
}
#endif

}  // namespace
