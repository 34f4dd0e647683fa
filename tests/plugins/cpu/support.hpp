#pragma once

/// Random data and fp64 oracles for the tests of the CPU plugin.

#include <gantry/abi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gantry/transformer/dequantize.hpp"
#include "plugins/cpu/dispatch.hpp"

namespace gantry::cpu::test {

inline std::vector<float> random_floats(size_t n, uint32_t seed, float spread = 1.0F) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0F, spread);
    std::vector<float> values(n);
    for (float& v : values) v = normal(random);
    return values;
}

/// All types that weights may have.
inline const std::vector<int32_t>& weight_types() {
    static const std::vector<int32_t> kTypes = {
        GANTRY_DTYPE_F32,     GANTRY_DTYPE_F16,    GANTRY_DTYPE_BF16,  GANTRY_DTYPE_Q8_0,    GANTRY_DTYPE_Q4_0,
        GANTRY_DTYPE_Q4_1,    GANTRY_DTYPE_Q5_0,   GANTRY_DTYPE_Q5_1,  GANTRY_DTYPE_Q4_K,    GANTRY_DTYPE_Q5_K,
        GANTRY_DTYPE_Q6_K,    GANTRY_DTYPE_Q2_K,   GANTRY_DTYPE_Q3_K,  GANTRY_DTYPE_IQ1_S,   GANTRY_DTYPE_IQ1_M,
        GANTRY_DTYPE_IQ2_XXS, GANTRY_DTYPE_IQ2_XS, GANTRY_DTYPE_IQ2_S, GANTRY_DTYPE_IQ3_XXS, GANTRY_DTYPE_IQ3_S,
        GANTRY_DTYPE_IQ4_NL,  GANTRY_DTYPE_IQ4_XS, GANTRY_DTYPE_MXFP4};
    return kTypes;
}

/// A weight of random bits with sensible scales, as it lies in a file.
struct RandomWeight {
    int32_t dtype;
    uint32_t rows, cols;
    std::vector<std::byte> bytes;

    RandomWeight(int32_t type, uint32_t row_count, uint32_t col_count, uint32_t seed)
        : dtype(type), rows(row_count), cols(col_count), bytes(transformer::row_bytes(type, col_count) * row_count) {
        std::mt19937 random(seed);
        if (transformer::type_traits(type).block_elements == 1) {
            const auto values = random_floats(static_cast<size_t>(rows) * cols, seed, 0.1F);
            for (size_t i = 0; i < values.size(); ++i) put(i, values[i]);
            return;
        }
        for (std::byte& b : bytes) b = static_cast<std::byte>(random());
        const size_t block = transformer::type_traits(type).block_bytes;
        for (size_t at = 0; at < bytes.size(); at += block) {
            const float scale = 0.001F * static_cast<float>(1 + random() % 20);
            switch (type) {
                case GANTRY_DTYPE_Q6_K:
                    put_half(at + 208, scale);
                    break;
                case GANTRY_DTYPE_Q3_K:
                    put_half(at + 108, scale);
                    break;
                case GANTRY_DTYPE_Q2_K:
                    put_half(at + 80, scale);
                    put_half(at + 82, -scale);
                    break;
                case GANTRY_DTYPE_IQ1_M: {  // the bits of its scale are the top nibbles of the last four words
                    const uint16_t half = transformer::f32_to_f16(scale);
                    for (size_t i = 0; i < 4; ++i) {
                        std::byte& top = bytes[at + 49 + 2 * i];
                        top = (top & std::byte{15}) | static_cast<std::byte>((half >> (4 * i) & 15) << 4);
                    }
                    break;
                }
                case GANTRY_DTYPE_MXFP4:
                    bytes[at] = static_cast<std::byte>(115 + random() % 8);
                    break;
                case GANTRY_DTYPE_Q4_1:
                case GANTRY_DTYPE_Q5_1:
                case GANTRY_DTYPE_Q4_K:
                case GANTRY_DTYPE_Q5_K:
                    put_half(at + 2, -scale);
                    [[fallthrough]];
                default:
                    put_half(at, scale);
            }
        }
    }

    gantry_tensor_view_t view() const {
        gantry_tensor_view_t v{};
        v.struct_size = GANTRY_SIZE(gantry_tensor_view_t, data);
        v.dtype = dtype;
        v.rank = 2;
        v.shape[0] = rows;
        v.shape[1] = cols;
        v.nbytes = bytes.size();
        v.data = bytes.data();
        return v;
    }

    /// [rows, cols]
    std::vector<float> values() const {
        std::vector<float> out(static_cast<size_t>(rows) * cols);
        transformer::dequantize(dtype, bytes.data(), out.data(), out.size());
        return out;
    }

  private:
    void put(size_t index, float value) {
        if (dtype == GANTRY_DTYPE_F32) {
            std::memcpy(bytes.data() + 4 * index, &value, 4);
            return;
        }
        const uint16_t half =
            dtype == GANTRY_DTYPE_F16 ? transformer::f32_to_f16(value) : transformer::f32_to_bf16(value);
        std::memcpy(bytes.data() + 2 * index, &half, 2);
    }
    void put_half(size_t at, float value) {
        const uint16_t half = transformer::f32_to_f16(value);
        std::memcpy(bytes.data() + at, &half, 2);
    }
};

/// The kernels of every instruction set that this machine can run.
inline std::vector<const Kernels*> runnable_kernels() {
    std::vector<const Kernels*> all;
    for (int isa = 0; isa <= static_cast<int>(best_isa(detect_features())); ++isa) {
        if (const Kernels* k = kernels_for(static_cast<Isa>(isa))) all.push_back(k);
    }
    return all;
}

inline std::string type_name(int32_t dtype) { return std::string(transformer::type_traits(dtype).name); }

}  // namespace gantry::cpu::test
