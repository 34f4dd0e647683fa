/// Kernels against the reference plugin and the library's own decoding, for warps of 32 and 64, with races looked for.

#include <gantry/transformer/dequantize.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "plugins/gpu/device.hpp"
#include "plugins/gpu/emulator/backend.hpp"
#include "plugins/reference/device.hpp"

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

/// Two sequences, the second one a tree of four tokens; head dimensions that fill no block of 32.
class AttentionCase {
  public:
    AttentionCase(transformer::KvType type, bool tree, uint32_t window) : spec_{1, 2, 40, 24, 4, 24, type} {
        params_ = {0, 4, 2, 40, 0.2F, window, 3};
        if (tree) parents_ = {-1, -1, 0, 0, 2};
        fill(k_, 85 * 80);
        fill(v_, 85 * 48);
        fill(q_, 5 * 160);
    }

    /// What the device makes of it: the cache filled through store_kv, then attention.
    std::vector<float> run(transformer::Device& device) {
        const auto kv = device.create_kv(spec_);
        std::vector<uint32_t> slots;
        for (uint32_t i = 0; i < 85; ++i) slots.push_back(physical(i));
        device.store_kv(*kv, 0, {k_.data(), 85, 80}, {v_.data(), 85, 48}, slots);
        std::vector<float> out(5 * 96);
        device.attention(*kv, params_, step(), {q_.data(), 5, 160}, {out.data(), 5, 96});
        return out;
    }

  private:
    static constexpr uint32_t kFirstBlocks = 2;  // of the first sequence: 5 slots and a new one

    static uint32_t block_of(uint32_t logical) { return 23 - logical; }
    static uint32_t physical(uint32_t i) { return block_of(i / 4) * 4 + i % 4; }
    void fill(std::vector<float>& values, size_t count) {
        values.resize(count);
        for (float& value : values) value = std::uniform_real_distribution<float>(-2, 2)(random_);
    }
    transformer::Step step() {
        blocks_.clear();
        for (uint32_t b = 0; b < 24; ++b) blocks_.push_back(block_of(b));
        transformer::Step out;
        out.token_begin = begins_;
        out.context_len = contexts_;
        out.block_begin = block_begins_;
        out.block_ids = blocks_;
        out.positions = positions_;
        out.slots = positions_;
        out.tree_parent = parents_;
        return out;
    }

    transformer::KvSpec spec_;
    transformer::AttentionParams params_;
    std::mt19937 random_{11};
    std::vector<float> k_, v_, q_;
    std::vector<uint32_t> begins_{0, 1, 5}, contexts_{5, 73}, block_begins_{0, kFirstBlocks, 24}, blocks_;
    std::vector<uint32_t> positions_{5, 73, 74, 75, 76};
    std::vector<int32_t> parents_;
};

TEST_P(GpuOperations, AttentionOverEveryCacheTypeEqualsTheReference) {
    using transformer::KvType;
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBf16, KvType::kQ8_0, KvType::kQ4_0}) {
        for (const bool tree : {false, true}) {
            for (const uint32_t window : {0U, 2U, 33U}) {
                reference::ReferenceDevice oracle;
                AttentionCase one(type, tree, window);
                const std::vector<float> expected = one.run(oracle);
                const std::vector<float> got = one.run(device_);
                for (size_t i = 0; i < got.size(); ++i) {
                    ASSERT_NEAR(got[i], expected[i], 1e-4F)
                        << "cache type " << static_cast<int>(type) << (tree ? " tree" : "") << " window " << window
                        << " value " << i;
                }
            }
        }
    }
}

TEST_P(GpuOperations, RotationAndPointwiseOperationsEqualTheReference) {
    std::vector<float> mine(3 * 34);
    for (float& value : mine) value = std::uniform_real_distribution<float>(-3, 3)(random_);
    std::vector<float> theirs = mine;
    reference::ReferenceDevice oracle;
    const std::vector<uint32_t> positions{0, 7, 400};
    const auto both = [&](const auto& operation) {
        operation(static_cast<transformer::Device&>(device_), Mat{mine.data(), 3, 34});
        operation(static_cast<transformer::Device&>(oracle), Mat{theirs.data(), 3, 34});
    };
    for (const auto style : {transformer::RopeStyle::kHalf, transformer::RopeStyle::kInterleaved}) {
        const transformer::Rope rope{style, {1, 0.1F, 0.01F}, 1.1F};
        both([&](transformer::Device& d, Mat x) { d.rope(x, 17, rope, positions); });
    }
    both([](transformer::Device& d, Mat x) { d.scale(x, 1.5F); });
    both([](transformer::Device& d, Mat x) { d.softcap(x, 4); });
    for (const auto act : {transformer::Activation::kGelu, transformer::Activation::kGeluTanh,
                           transformer::Activation::kSilu, transformer::Activation::kTanh}) {
        both([&](transformer::Device& d, Mat x) { d.activate(act, x); });
    }
    for (size_t i = 0; i < mine.size(); ++i) EXPECT_NEAR(mine[i], theirs[i], 1e-5F) << i;
}

INSTANTIATE_TEST_SUITE_P(Warp, GpuOperations, testing::Values(32U, 64U));

}  // namespace
}  // namespace gantry::gpu
