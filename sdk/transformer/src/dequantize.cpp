#include <gantry/transformer/dequantize.hpp>

#include <array>
#include <cstring>
#include <string>

#include <gantry/cpp/error.hpp>
#include <gantry/transformer/code_blocks.hpp>

namespace gantry::transformer {
namespace {

uint16_t load_u16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
float load_f16(const uint8_t* p) { return f16_to_f32(load_u16(p)); }
uint32_t load_u32(const uint8_t* p) { return load_u16(p) | static_cast<uint32_t>(load_u16(p + 2)) << 16; }
float load_f32(const uint8_t* p) { return std::bit_cast<float>(load_u32(p)); }
int low(uint8_t q) { return q & 0x0f; }
int high(uint8_t q) { return q >> 4; }

// Every block function decodes one block; `b` is at its first byte.

void block_f32(const uint8_t* b, float* out) { *out = load_f32(b); }
void block_f16(const uint8_t* b, float* out) { *out = load_f16(b); }
void block_bf16(const uint8_t* b, float* out) { *out = bf16_to_f32(load_u16(b)); }

// 32 int8: d, q[32].
void block_q8_0(const uint8_t* b, float* out) {
    const float d = load_f16(b);
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(b[2 + i]));
}

// 32 nibbles around 8: d, q[16]; element i is the low nibble of q[i], element i+16 the high one.
void block_q4_0(const uint8_t* b, float* out) {
    const float d = load_f16(b);
    for (int i = 0; i < 16; ++i) {
        out[i] = d * static_cast<float>(low(b[2 + i]) - 8);
        out[i + 16] = d * static_cast<float>(high(b[2 + i]) - 8);
    }
}

// The same with a minimum: d, m, q[16].
void block_q4_1(const uint8_t* b, float* out) {
    const float d = load_f16(b);
    const float m = load_f16(b + 2);
    for (int i = 0; i < 16; ++i) {
        out[i] = d * static_cast<float>(low(b[4 + i])) + m;
        out[i + 16] = d * static_cast<float>(high(b[4 + i])) + m;
    }
}

// Five bits around 16: d, the fifth bits as one u32, q[16].
void block_q5_0(const uint8_t* b, float* out) {
    const float d = load_f16(b);
    const uint32_t fifth = load_u32(b + 2);
    for (int i = 0; i < 16; ++i) {
        const int first = low(b[6 + i]) | static_cast<int>(((fifth >> i) & 1U) << 4);
        const int second = high(b[6 + i]) | static_cast<int>(((fifth >> (i + 16)) & 1U) << 4);
        out[i] = d * static_cast<float>(first - 16);
        out[i + 16] = d * static_cast<float>(second - 16);
    }
}

void block_q5_1(const uint8_t* b, float* out) {
    const float d = load_f16(b);
    const float m = load_f16(b + 2);
    const uint32_t fifth = load_u32(b + 4);
    for (int i = 0; i < 16; ++i) {
        const int first = low(b[8 + i]) | static_cast<int>(((fifth >> i) & 1U) << 4);
        const int second = high(b[8 + i]) | static_cast<int>(((fifth >> (i + 16)) & 1U) << 4);
        out[i] = d * static_cast<float>(first) + m;
        out[i + 16] = d * static_cast<float>(second) + m;
    }
}

// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each in the low six bits of bytes 0-3 and
// 4-7, the other four in the nibbles of bytes 8-11 with their two top bits in the top bits of bytes 0-7.
struct ScaleMin {
    int scale, min;
};
ScaleMin scale_min(const uint8_t* s, int j) {
    if (j < 4) return {s[j] & 63, s[j + 4] & 63};
    return {(s[j + 4] & 0x0f) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | (s[j] >> 6) << 4};
}

// 8 groups of 32: d, dmin, scales[12], q[128]; 32 bytes hold the low nibbles of one group and the high ones of the
// next.
void block_q4_k(const uint8_t* b, float* out) {
    const float d = load_f16(b);
    const float dmin = load_f16(b + 2);
    const uint8_t* q = b + 16;
    for (int group = 0; group < 8; ++group) {
        const ScaleMin sm = scale_min(b + 4, group);
        const float scale = d * static_cast<float>(sm.scale);
        const float min = dmin * static_cast<float>(sm.min);
        const uint8_t* bytes = q + 32 * (group / 2);
        for (int i = 0; i < 32; ++i) {
            const int value = group % 2 == 0 ? low(bytes[i]) : high(bytes[i]);
            *out++ = scale * static_cast<float>(value) - min;
        }
    }
}

// Q4_K with a fifth bit: qh[32] before q; bit `group` of qh[i] belongs to element i of that group.
void block_q5_k(const uint8_t* b, float* out) {
    const float d = load_f16(b);
    const float dmin = load_f16(b + 2);
    const uint8_t* qh = b + 16;
    const uint8_t* q = b + 48;
    for (int group = 0; group < 8; ++group) {
        const ScaleMin sm = scale_min(b + 4, group);
        const float scale = d * static_cast<float>(sm.scale);
        const float min = dmin * static_cast<float>(sm.min);
        const uint8_t* bytes = q + 32 * (group / 2);
        for (int i = 0; i < 32; ++i) {
            const int nibble = group % 2 == 0 ? low(bytes[i]) : high(bytes[i]);
            *out++ = scale * static_cast<float>(nibble | ((qh[i] >> group) & 1) << 4) - min;
        }
    }
}

// 16 groups of 16, six bits around 32: ql[128] (nibbles), qh[64] (two bits), scales int8[16], d. Each half of 128
// elements takes 64 bytes of ql and 32 of qh.
void block_q6_k(const uint8_t* b, float* out) {
    const float d = load_f16(b + 208);
    for (int half = 0; half < 2; ++half) {
        const uint8_t* ql = b + 64 * half;
        const uint8_t* qh = b + 128 + 32 * half;
        const uint8_t* scales = b + 192 + 8 * half;
        for (int part = 0; part < 4; ++part) {
            const uint8_t* bytes = ql + 32 * (part % 2);
            for (int i = 0; i < 32; ++i) {
                const int nibble = part < 2 ? low(bytes[i]) : high(bytes[i]);
                const int value = (nibble | ((qh[i] >> (2 * part)) & 3) << 4) - 32;
                const auto scale = static_cast<int8_t>(scales[2 * part + i / 16]);
                *out++ = d * static_cast<float>(scale) * static_cast<float>(value);
            }
        }
    }
}

// 16 groups of 16 with a four-bit scale and minimum each: scales[16], two bits a weight in q[64], d, dmin.
void block_q2_k(const uint8_t* b, float* out) {
    const float d = load_f16(b + 80);
    const float dmin = load_f16(b + 82);
    for (int i = 0; i < 256; ++i) {
        const int group = i / 32;
        const uint8_t scale = b[i / 16];
        const int value = b[16 + 32 * (group / 4) + i % 32] >> (2 * (group % 4)) & 3;
        *out++ =
            d * static_cast<float>(low(scale)) * static_cast<float>(value) - dmin * static_cast<float>(high(scale));
    }
}

// Nibbles that index a table, in Q4_0's order: a scale, q[16].
void block_nibble_codes(int32_t dtype, float d, const uint8_t* q, float* out) {
    const CodeTable& table = *code_table(dtype);
    for (int i = 0; i < 16; ++i) {
        out[i] = d * static_cast<float>(table[static_cast<size_t>(low(q[i]))]);
        out[i + 16] = d * static_cast<float>(table[static_cast<size_t>(high(q[i]))]);
    }
}
void block_iq4_nl(const uint8_t* b, float* out) { block_nibble_codes(GANTRY_DTYPE_IQ4_NL, load_f16(b), b + 2, out); }

// The scale is a power of two, 2^(e - 127) (OCP Microscaling Formats 1.0); the table's numbers are doubled.
void block_mxfp4(const uint8_t* b, float* out) {
    const uint32_t bits = b[0] < 2 ? 0x00200000U << b[0] : (b[0] - 1U) << 23;
    block_nibble_codes(GANTRY_DTYPE_MXFP4, std::bit_cast<float>(bits), b + 1, out);
}

template <int32_t kDtype>
void block_codes(const uint8_t* b, float* out) {
    CodeBlock block;
    decode_codes(kDtype, b, block);
    for (size_t i = 0; i < block.values.size(); ++i) {
        out[i] = block.d * static_cast<float>(block.scales[i / 16]) * static_cast<float>(block.values[i]);
    }
}

struct Type {
    int32_t dtype;
    TypeTraits traits;
    void (*block)(const uint8_t*, float*);
};

constexpr Type known(int32_t dtype, uint32_t elements, uint32_t bytes, std::string_view name) {
    return {dtype, {elements, bytes, name, false}, nullptr};
}
constexpr Type known(int32_t dtype, uint32_t elements, uint32_t bytes, std::string_view name,
                     void (*block)(const uint8_t*, float*)) {
    return {dtype, {elements, bytes, name, true}, block};
}

// Types without a decoder are listed so that messages can name them.
constexpr std::array kTypes = {
    known(GANTRY_DTYPE_F32, 1, 4, "F32", block_f32),
    known(GANTRY_DTYPE_F16, 1, 2, "F16", block_f16),
    known(GANTRY_DTYPE_Q4_0, 32, 18, "Q4_0", block_q4_0),
    known(GANTRY_DTYPE_Q4_1, 32, 20, "Q4_1", block_q4_1),
    known(GANTRY_DTYPE_Q5_0, 32, 22, "Q5_0", block_q5_0),
    known(GANTRY_DTYPE_Q5_1, 32, 24, "Q5_1", block_q5_1),
    known(GANTRY_DTYPE_Q8_0, 32, 34, "Q8_0", block_q8_0),
    known(GANTRY_DTYPE_Q8_1, 32, 36, "Q8_1"),
    known(GANTRY_DTYPE_Q2_K, 256, 84, "Q2_K", block_q2_k),
    known(GANTRY_DTYPE_Q3_K, 256, 110, "Q3_K", block_codes<GANTRY_DTYPE_Q3_K>),
    known(GANTRY_DTYPE_Q4_K, 256, 144, "Q4_K", block_q4_k),
    known(GANTRY_DTYPE_Q5_K, 256, 176, "Q5_K", block_q5_k),
    known(GANTRY_DTYPE_Q6_K, 256, 210, "Q6_K", block_q6_k),
    known(GANTRY_DTYPE_Q8_K, 256, 292, "Q8_K"),
    known(GANTRY_DTYPE_IQ2_XXS, 256, 66, "IQ2_XXS", block_codes<GANTRY_DTYPE_IQ2_XXS>),
    known(GANTRY_DTYPE_IQ2_XS, 256, 74, "IQ2_XS", block_codes<GANTRY_DTYPE_IQ2_XS>),
    known(GANTRY_DTYPE_IQ3_XXS, 256, 98, "IQ3_XXS", block_codes<GANTRY_DTYPE_IQ3_XXS>),
    known(GANTRY_DTYPE_IQ1_S, 256, 50, "IQ1_S", block_codes<GANTRY_DTYPE_IQ1_S>),
    known(GANTRY_DTYPE_IQ4_NL, 32, 18, "IQ4_NL", block_iq4_nl),
    known(GANTRY_DTYPE_IQ3_S, 256, 110, "IQ3_S", block_codes<GANTRY_DTYPE_IQ3_S>),
    known(GANTRY_DTYPE_IQ2_S, 256, 82, "IQ2_S", block_codes<GANTRY_DTYPE_IQ2_S>),
    known(GANTRY_DTYPE_IQ4_XS, 256, 136, "IQ4_XS", block_codes<GANTRY_DTYPE_IQ4_XS>),
    known(GANTRY_DTYPE_I8, 1, 1, "I8"),
    known(GANTRY_DTYPE_I16, 1, 2, "I16"),
    known(GANTRY_DTYPE_I32, 1, 4, "I32"),
    known(GANTRY_DTYPE_I64, 1, 8, "I64"),
    known(GANTRY_DTYPE_F64, 1, 8, "F64"),
    known(GANTRY_DTYPE_IQ1_M, 256, 56, "IQ1_M", block_codes<GANTRY_DTYPE_IQ1_M>),
    known(GANTRY_DTYPE_BF16, 1, 2, "BF16", block_bf16),
    known(GANTRY_DTYPE_MXFP4, 32, 17, "MXFP4", block_mxfp4),
    known(GANTRY_DTYPE_U8, 1, 1, "U8"),
    known(GANTRY_DTYPE_U16, 1, 2, "U16"),
    known(GANTRY_DTYPE_U32, 1, 4, "U32"),
    known(GANTRY_DTYPE_U64, 1, 8, "U64"),
    known(GANTRY_DTYPE_BOOL, 1, 1, "BOOL"),
    known(GANTRY_DTYPE_F8_E4M3, 1, 1, "F8_E4M3"),
    known(GANTRY_DTYPE_F8_E5M2, 1, 1, "F8_E5M2"),
};

const Type* find(int32_t dtype) noexcept {
    for (const Type& type : kTypes) {
        if (type.dtype == dtype) return &type;
    }
    return nullptr;
}

}  // namespace

TypeTraits type_traits(int32_t dtype) noexcept {
    const Type* type = find(dtype);
    return type == nullptr ? TypeTraits{} : type->traits;
}

uint64_t row_bytes(int32_t dtype, uint64_t count) noexcept {
    const Type* type = find(dtype);
    if (type == nullptr || count % type->traits.block_elements != 0) return 0;
    return count / type->traits.block_elements * type->traits.block_bytes;
}

void dequantize(int32_t dtype, const void* src, float* dst, size_t count) {
    const Type* type = find(dtype);
    if (type == nullptr || type->block == nullptr) {
        throw sdk::Error(GANTRY_ERR_UNIMPLEMENTED, "cannot decode tensors of type " +
                                                       std::string(type_traits(dtype).name) + " (" +
                                                       std::to_string(dtype) + ")");
    }
    const auto [elements, bytes, name, usable] = type->traits;
    if (count % elements != 0) {
        throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT, std::to_string(count) + " elements are no whole number of " +
                                                          std::string(name) + " blocks of " + std::to_string(elements));
    }
    const auto* from = static_cast<const uint8_t*>(src);
    for (size_t done = 0; done < count; done += elements, from += bytes) type->block(from, dst + done);
}

}  // namespace gantry::transformer
