/// Kernels against the library's own decoding, for warps of 32 and 64, with races looked for.

#include <gantry/transformer/dequantize.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "plugins/gpu/device.hpp"
#include "plugins/gpu/emulator/backend.hpp"

namespace gantry::gpu {
namespace {

using transformer::Mat;
using transformer::WeightUse;

constexpr int32_t kTypes[] = {GANTRY_DTYPE_F32,    GANTRY_DTYPE_F16,  GANTRY_DTYPE_BF16, GANTRY_DTYPE_Q8_0,
                              GANTRY_DTYPE_Q4_0,   GANTRY_DTYPE_Q4_1, GANTRY_DTYPE_Q5_0, GANTRY_DTYPE_Q5_1,
                              GANTRY_DTYPE_Q4_K,   GANTRY_DTYPE_Q5_K, GANTRY_DTYPE_Q6_K, GANTRY_DTYPE_Q2_K,
                              GANTRY_DTYPE_IQ4_NL, GANTRY_DTYPE_MXFP4};

/// Random bytes that decode to numbers: blocks that do not are drawn again.
std::vector<std::byte> random_weight(int32_t dtype, uint64_t rows, uint64_t cols, std::mt19937& random) {
    const uint64_t bytes = transformer::row_bytes(dtype, cols);
    std::vector<std::byte> out(rows * bytes);
    std::vector<float> decoded(cols);
    const auto block = transformer::type_traits(dtype);
    for (uint64_t at = 0; at < out.size(); at += block.block_bytes) {
        for (bool usable = false; !usable;) {
            for (uint32_t i = 0; i < block.block_bytes; ++i) out[at + i] = static_cast<std::byte>(random());
            transformer::dequantize(dtype, out.data() + at, decoded.data(), block.block_elements);
            usable = true;
            for (uint32_t i = 0; i < block.block_elements; ++i) usable = usable && std::fabs(decoded[i]) < 1e3F;
        }
    }
    return out;
}

class GpuOperations : public testing::TestWithParam<uint32_t> {
  protected:
    GpuDevice device_{emulator::make_backend(GetParam(), emulator::Checks::kRaces)};
    std::mt19937 random_{7};
};

TEST_P(GpuOperations, ProductsOfEveryTypeEqualTheDecodedOnes) {
    for (const int32_t dtype : kTypes) {
        const uint64_t cols = transformer::type_traits(dtype).block_elements == 1 ? 37 : 256;
        constexpr uint32_t kOut = 5;
        const auto bytes = random_weight(dtype, kOut, cols, random_);
        gantry_tensor_view_t view{};
        view.struct_size = sizeof view;
        view.dtype = dtype;
        view.rank = 2;
        view.shape[0] = kOut;
        view.shape[1] = cols;
        view.data = bytes.data();
        const auto weight = device_.load_weight(view, WeightUse::kLinear);
        std::vector<float> w(kOut * cols);
        transformer::dequantize(dtype, bytes.data(), w.data(), w.size());
        for (const uint32_t rows : {1U, 3U, 17U}) {  // MatVec alone, with rows left over, and MatMat
            std::vector<float> x(rows * cols);
            for (float& value : x) value = std::uniform_real_distribution<float>(-1, 1)(random_);
            std::vector<float> out(rows * kOut, 1);
            const transformer::LinearOut to{weight.get(), nullptr, {out.data(), rows, kOut}, true};
            device_.linear({x.data(), rows, static_cast<uint32_t>(cols)}, {&to, 1});
            for (uint32_t r = 0; r < rows; ++r) {
                for (uint32_t n = 0; n < kOut; ++n) {
                    double sum = 1;
                    double size = 1;
                    for (uint64_t i = 0; i < cols; ++i) {
                        const double term = double{x[r * cols + i]} * double{w[n * cols + i]};
                        sum += term;
                        size += std::fabs(term);
                    }
                    EXPECT_NEAR(double{out[r * kOut + n]}, sum, 1e-5 * size)
                        << transformer::type_traits(dtype).name << " row " << r << " column " << n;
                }
            }
        }
    }
}

TEST_P(GpuOperations, LayerNormHasMeanZeroAndVarianceOne) {
    constexpr uint32_t kCols = 77;
    std::vector<float> ones(kCols, 1);
    gantry_tensor_view_t view{};
    view.struct_size = sizeof view;
    view.dtype = GANTRY_DTYPE_F32;
    view.rank = 1;
    view.shape[0] = kCols;
    view.data = ones.data();
    const auto gain = device_.load_weight(view, WeightUse::kVector);
    std::vector<float> x(2 * kCols);
    for (float& value : x) value = std::uniform_real_distribution<float>(1, 3)(random_);
    device_.layer_norm({x.data(), 2, kCols}, *gain, nullptr, 0, {x.data(), 2, kCols});
    for (uint32_t r = 0; r < 2; ++r) {
        double sum = 0;
        double squares = 0;
        for (uint32_t i = 0; i < kCols; ++i) {
            const double value = double{x[r * kCols + i]};
            sum += value;
            squares += value * value;
        }
        EXPECT_NEAR(sum / kCols, 0, 1e-5);
        EXPECT_NEAR(squares / kCols, 1, 1e-4);
    }
}

INSTANTIATE_TEST_SUITE_P(Warp, GpuOperations, testing::Values(32U, 64U));

}  // namespace
}  // namespace gantry::gpu
