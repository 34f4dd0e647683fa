#include "plugins/cpu/kernels/kernels.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <limits>

#include "plugins/cpu/packing.hpp"
#include "tests/plugins/cpu/support.hpp"

namespace gantry::cpu::test {
namespace {

constexpr float kGuard = 12345.0F;

/// Every kernel, on every instruction set of this machine.
class KernelsTest : public testing::TestWithParam<const Kernels*> {
  protected:
    const Kernels& k = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Isa, KernelsTest, testing::ValuesIn(runnable_kernels()), [](const auto& i) {
    std::string name(i.param->name);
    name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
    return name;
});

TEST_P(KernelsTest, QuantizedActivationsAreWithinHalfAStep) {
    const uint32_t blocks = 5;
    std::vector<float> x = random_floats(blocks * kBlock, 1);
    std::fill_n(x.begin() + kBlock, kBlock, 0.0F);
    std::vector<int8_t> q(x.size());
    std::vector<BlockInfo> info(blocks);
    k.quantize(x.data(), blocks, q.data(), info.data());
    for (uint32_t b = 0; b < blocks; ++b) {
        int32_t half[2] = {0, 0};
        float peak = 0;
        for (uint32_t i = 0; i < kBlock; ++i) {
            const float value = x[b * kBlock + i];
            peak = std::max(peak, std::fabs(value));
            half[i / 16] += q[b * kBlock + i];
            EXPECT_NEAR(value, info[b].scale * q[b * kBlock + i], info[b].scale * 0.5001F);
        }
        const int32_t total = half[0] + half[1];
        EXPECT_FLOAT_EQ(info[b].scale, peak / 127.0F);
        EXPECT_FLOAT_EQ(info[b].scaled_sum, info[b].scale * static_cast<float>(total));
        EXPECT_EQ(info[b].offset8, -8 * total);
        EXPECT_EQ(info[b].offset16, -16 * total);
        EXPECT_EQ(info[b].offset128, -128 * total);
        EXPECT_EQ(info[b].offset32[0], -32 * half[0]);
        EXPECT_EQ(info[b].offset32[1], -32 * half[1]);
    }
}

/// A packed product against fp64 over the dequantised weights and the int8 activations: only the rounding of fp32 sums
/// is left, bounded by 2e-6 of the sum of magnitudes.
void check_packed(const Kernels& k, int32_t dtype, uint32_t rows, uint32_t columns, uint32_t depth, bool accumulate) {
    SCOPED_TRACE(type_name(dtype) + " rows " + std::to_string(rows) + " columns " + std::to_string(columns) +
                 " depth " + std::to_string(depth));
    const RandomWeight weight(dtype, columns, depth, 7 * columns + depth);
    const std::vector<float> w = weight.values();
    const std::vector<float> x = random_floats(static_cast<size_t>(rows) * depth, 3 + rows);
    const std::vector<float> bias = random_floats(columns, 5);
    const Pack pack = *pack_of(dtype);
    std::vector<uint8_t> panel(packed_bytes(pack, columns, depth), 0);
    const size_t row_bytes = transformer::row_bytes(dtype, depth);
    for (uint32_t c = 0; c < columns; c += kPanelRows) {
        pack_panel(dtype, weight.bytes.data() + c * row_bytes, row_bytes, std::min(kPanelRows, columns - c), depth,
                   panel.data() + packed_bytes(pack, c, depth));
    }

    const uint32_t blocks = depth / kBlock;
    std::vector<int8_t> q(x.size());
    std::vector<BlockInfo> info(static_cast<size_t>(rows) * blocks);
    k.quantize(x.data(), rows * blocks, q.data(), info.data());

    const size_t stride = columns + 3;
    std::vector<float> out(rows * stride, accumulate ? 0.5F : kGuard);
    std::vector<float> before = out;
    k.packed[static_cast<size_t>(pack)](panel.data(), {q.data(), depth, info.data(), blocks, blocks, rows}, columns,
                                        {out.data(), stride, accumulate ? bias.data() : nullptr, accumulate});
    for (uint32_t r = 0; r < rows; ++r) {
        for (uint32_t c = 0; c < columns; ++c) {
            double exact = accumulate ? 0.5 + double{bias[c]} : 0.0;
            double magnitude = std::fabs(exact);
            for (uint32_t i = 0; i < depth; ++i) {
                const double value = double{info[r * blocks + i / kBlock].scale} * q[r * depth + i];
                exact += value * double{w[c * depth + i]};
                magnitude += std::fabs(value * double{w[c * depth + i]});
            }
            // Formats with a minimum add and take away more than what is left.
            ASSERT_NEAR(out[r * stride + c], exact, 4e-6 * magnitude + 1e-4 * double{info[r * blocks].scale})
                << r << "," << c;
        }
        for (size_t c = columns; c < stride; ++c)
            ASSERT_EQ(out[r * stride + c], before[r * stride + c]) << "wrote beyond";
    }
}

TEST_P(KernelsTest, PackedProductsMatchTheDequantisedWeights) {
    for (const int32_t dtype : weight_types()) {
        if (!pack_of(dtype)) continue;
        const bool super = transformer::type_traits(dtype).block_elements == 256;
        for (const uint32_t depth : super ? std::vector<uint32_t>{256, 768} : std::vector<uint32_t>{32, 96, 896}) {
            for (const uint32_t rows : {1U, 2U, 3U, 5U, 8U, 13U, 23U}) {
                check_packed(k, dtype, rows, 16, depth, rows % 2 == 0);
            }
            for (const uint32_t columns : {1U, 5U, 8U, 11U, 15U, 31U}) check_packed(k, dtype, 4, columns, depth, false);
            for (const uint32_t columns : {3U, 16U, 17U, 32U}) check_packed(k, dtype, 65, columns, depth, columns > 16);
        }
    }
}

TEST_P(KernelsTest, PackedProductsSurviveTheLargestValues) {
    // All weights and activations at their extremes: what a 16-bit intermediate would saturate at.
    for (const int32_t dtype : {GANTRY_DTYPE_Q8_0, GANTRY_DTYPE_Q6_K, GANTRY_DTYPE_Q5_1}) {
        for (const int fill : {0x80, 0x7f, 0xff}) {
            RandomWeight weight(dtype, 16, 256, 1);
            const size_t block = transformer::type_traits(dtype).block_bytes;
            for (size_t i = 0; i < weight.bytes.size(); ++i) {
                const size_t at = i % block;
                const bool scale = dtype == GANTRY_DTYPE_Q6_K ? at >= 192 : at < (dtype == GANTRY_DTYPE_Q8_0 ? 2 : 4);
                if (!scale) weight.bytes[i] = static_cast<std::byte>(fill);
            }
            const auto w = weight.values();
            const std::vector<float> x(256, -1.0F);
            const Pack pack = *pack_of(dtype);
            std::vector<uint8_t> panel(packed_bytes(pack, 16, 256), 0);
            pack_panel(dtype, weight.bytes.data(), transformer::row_bytes(dtype, 256), 16, 256, panel.data());
            std::vector<int8_t> q(256);
            std::vector<BlockInfo> info(8);
            k.quantize(x.data(), 8, q.data(), info.data());
            std::vector<float> out(16);
            k.packed[static_cast<size_t>(pack)](panel.data(), {q.data(), 256, info.data(), 8, 8, 1}, 16,
                                                {out.data(), 16, nullptr, false});
            for (uint32_t c = 0; c < 16; ++c) {
                double exact = 0, magnitude = 0;
                for (uint32_t i = 0; i < 256; ++i) {
                    exact -= double{w[c * 256 + i]};
                    magnitude += std::fabs(double{w[c * 256 + i]});
                }
                EXPECT_NEAR(out[c], exact, 1e-5 * magnitude + 1e-3) << type_name(dtype) << " " << fill;
            }
        }
    }
}

TEST_P(KernelsTest, ARowsResultDoesNotDependOnTheOtherRows) {
    for (const int32_t dtype : weight_types()) {
        const RandomWeight weight(dtype, 32, 1024, 11);
        const uint32_t rows = 70;  // more than one pass
        const std::vector<float> x = random_floats(rows * 1024, 12);
        std::vector<float> together(rows * 32), alone(rows * 32);
        if (const auto pack = pack_of(dtype)) {
            std::vector<uint8_t> panel(packed_bytes(*pack, 32, 1024), 0);
            const size_t row_bytes = transformer::row_bytes(dtype, 1024);
            pack_panel(dtype, weight.bytes.data(), row_bytes, 16, 1024, panel.data());
            pack_panel(dtype, weight.bytes.data() + 16 * row_bytes, row_bytes, 16, 1024,
                       panel.data() + packed_bytes(*pack, 16, 1024));
            std::vector<int8_t> q(x.size());
            std::vector<BlockInfo> info(x.size() / kBlock);
            k.quantize(x.data(), rows * 32, q.data(), info.data());
            const auto fn = k.packed[static_cast<size_t>(*pack)];
            fn(panel.data(), {q.data(), 1024, info.data(), 32, 32, rows}, 32, {together.data(), 32, nullptr, false});
            for (uint32_t r = 0; r < rows; ++r) {
                fn(panel.data(), {q.data() + r * 1024, 1024, info.data() + r * 32, 32, 32, 1}, 32,
                   {alone.data() + r * 32, 32, nullptr, false});
            }
        } else {
            const auto element = dtype == GANTRY_DTYPE_F32   ? Element::kF32
                                 : dtype == GANTRY_DTYPE_F16 ? Element::kF16
                                                             : Element::kBf16;
            const auto fn = k.dot[static_cast<size_t>(element)];
            const size_t stride = transformer::row_bytes(dtype, 1024);
            fn({weight.bytes.data(), stride, 32, 1024, x.data(), 1024, rows, {together.data(), 32, nullptr, false}});
            for (uint32_t r = 0; r < rows; ++r) {
                fn({weight.bytes.data(),
                    stride,
                    32,
                    1024,
                    x.data() + r * 1024,
                    1024,
                    1,
                    {alone.data() + r * 32, 32, nullptr, false}});
            }
        }
        EXPECT_EQ(together, alone) << type_name(dtype);
    }
}

TEST_P(KernelsTest, PlainProductsMatchFp64) {
    const std::pair<int32_t, Element> types[] = {
        {GANTRY_DTYPE_F32, Element::kF32}, {GANTRY_DTYPE_F16, Element::kF16}, {GANTRY_DTYPE_BF16, Element::kBf16}};
    for (const auto& [dtype, element] : types) {
        for (const uint32_t depth : {1U, 7U, 16U, 33U, 100U, 896U}) {
            for (const uint32_t rows : {1U, 2U, 3U, 7U}) {
                for (const uint32_t columns : {1U, 4U, 7U, 16U}) {
                    const RandomWeight weight(dtype, columns, depth, depth + columns);
                    const auto w = weight.values();
                    const auto x = random_floats(static_cast<size_t>(rows) * depth, rows);
                    const auto bias = random_floats(columns, 9);
                    std::vector<float> out(static_cast<size_t>(rows) * columns, 2.0F);
                    const bool add = rows == 2;
                    k.dot[static_cast<size_t>(element)]({weight.bytes.data(),
                                                         transformer::row_bytes(dtype, depth),
                                                         columns,
                                                         depth,
                                                         x.data(),
                                                         depth,
                                                         rows,
                                                         {out.data(), columns, bias.data(), add}});
                    for (uint32_t r = 0; r < rows; ++r) {
                        for (uint32_t c = 0; c < columns; ++c) {
                            double exact = double{bias[c]} + (add ? 2.0 : 0.0);
                            for (uint32_t i = 0; i < depth; ++i)
                                exact += double{x[r * depth + i]} * double{w[c * depth + i]};
                            ASSERT_NEAR(out[r * columns + c], exact, 1e-5) << type_name(dtype) << " depth " << depth;
                        }
                    }
                }
            }
        }
    }
}

TEST_P(KernelsTest, NormsMatchFp64) {
    for (const uint32_t n : {1U, 5U, 16U, 31U, 64U, 100U, 897U}) {
        const auto x = random_floats(n, n);
        const auto gain = random_floats(n, n + 1);
        const auto bias = random_floats(n, n + 2);
        double squares = 0, mean = 0, variance = 0;
        for (const float v : x) squares += double{v} * double{v} / n, mean += double{v} / n;
        for (const float v : x) variance += (double{v} - mean) * (double{v} - mean) / n;
        std::vector<float> rms(n), layer(n), sum = x, fused(n);
        k.rms_norm(x.data(), gain.data(), n, 1e-5F, 1.0F, rms.data());
        k.layer_norm(x.data(), gain.data(), bias.data(), n, 1e-5F, layer.data());
        k.add_rms_norm(sum.data(), bias.data(), gain.data(), n, 1e-5F, 0.0F, fused.data());
        std::vector<float> two(n);
        k.rms_norm(sum.data(), gain.data(), n, 1e-5F, 0.0F, two.data());
        EXPECT_EQ(fused, two);
        for (uint32_t i = 0; i < n; ++i) {
            EXPECT_NEAR(rms[i], double{x[i]} / std::sqrt(squares + 1e-5) * (double{gain[i]} + 1), 2e-5);
            EXPECT_NEAR(layer[i],
                        (double{x[i]} - mean) / std::sqrt(variance + 1e-5) * double{gain[i]} + double{bias[i]}, 1e-4);
            EXPECT_EQ(sum[i], x[i] + bias[i]);
        }
    }
}

double exact_activation(Act act, double x) {
    switch (act) {
        case Act::kSilu:
            return x / (1 + std::exp(-x));
        case Act::kGelu:
            return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
        case Act::kGeluTanh:
            return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        case Act::kRelu:
            return std::max(x, 0.0);
        case Act::kReluSquared:
            return std::max(x, 0.0) * std::max(x, 0.0);
        case Act::kTanh:
            return std::tanh(x);
    }
    return 0;
}

TEST_P(KernelsTest, ActivationsMatchFp64) {
    std::vector<float> x = random_floats(203, 1, 4.0F);
    x.insert(x.end(), {0.0F, -0.0F, 100.0F, -100.0F, 1000.0F, -1000.0F, 1e-20F});
    const auto up = random_floats(x.size(), 2);
    for (const Act act : {Act::kSilu, Act::kGelu, Act::kGeluTanh, Act::kRelu, Act::kReluSquared, Act::kTanh}) {
        std::vector<float> out(x.size()), plain = x;
        k.gated(act, x.data(), up.data(), x.size(), out.data());
        k.gated(act, plain.data(), nullptr, x.size(), plain.data());
        for (size_t i = 0; i < x.size(); ++i) {
            const double exact = exact_activation(act, double{x[i]});
            EXPECT_NEAR(plain[i], exact, 2e-6 * std::max(1.0, std::fabs(exact))) << x[i];
            EXPECT_NEAR(out[i], exact * double{up[i]}, 2e-6 * std::max(1.0, std::fabs(exact * double{up[i]}))) << x[i];
        }
    }
}

TEST_P(KernelsTest, ElementwiseOperationsCoverOddLengths) {
    for (const size_t n : {1U, 15U, 16U, 37U}) {
        const auto x = random_floats(n, 1, 3.0F);
        const auto y = random_floats(n, 2);
        auto sum = x, product = x, capped = x;
        k.add(sum.data(), y.data(), n);
        k.scale(product.data(), 0.25F, n);
        k.softcap(capped.data(), 2.0F, n);
        for (size_t i = 0; i < n; ++i) {
            EXPECT_EQ(sum[i], x[i] + y[i]);
            EXPECT_EQ(product[i], x[i] * 0.25F);
            EXPECT_NEAR(capped[i], 2 * std::tanh(double{x[i]} / 2), 2e-6);
        }
    }
}

TEST_P(KernelsTest, RotationsMatchFp64) {
    for (const uint32_t pairs : {1U, 8U, 20U, 32U, 64U}) {
        const auto x = random_floats(2 * pairs, pairs);
        std::vector<float> c(pairs), s(pairs);
        for (uint32_t i = 0; i < pairs; ++i)
            c[i] = std::cos(0.1F * static_cast<float>(i)), s[i] = std::sin(0.1F * static_cast<float>(i));
        auto half = x, interleaved = x;
        k.rope_half(half.data(), c.data(), s.data(), pairs);
        k.rope_interleaved(interleaved.data(), c.data(), s.data(), pairs);
        for (uint32_t i = 0; i < pairs; ++i) {
            EXPECT_NEAR(half[i], double{x[i]} * double{c[i]} - double{x[i + pairs]} * double{s[i]}, 1e-6);
            EXPECT_NEAR(half[i + pairs], double{x[i + pairs]} * double{c[i]} + double{x[i]} * double{s[i]}, 1e-6);
            EXPECT_NEAR(interleaved[2 * i], double{x[2 * i]} * double{c[i]} - double{x[2 * i + 1]} * double{s[i]},
                        1e-6);
            EXPECT_NEAR(interleaved[2 * i + 1], double{x[2 * i + 1]} * double{c[i]} + double{x[2 * i]} * double{s[i]},
                        1e-6);
        }
    }
}

TEST_P(KernelsTest, ConversionsRoundToNearestEven) {
    std::vector<float> x = random_floats(77, 1, 100.0F);
    x.insert(x.end(),
             {0.0F, -0.0F, 65504.0F, 1e30F, 1e-7F, 6e-8F, 1.00048828125F, std::numeric_limits<float>::infinity()});
    std::vector<uint16_t> f16(x.size()), bf16(x.size());
    k.to_f16(x.data(), x.size(), f16.data());
    k.to_bf16(x.data(), x.size(), bf16.data());
    std::vector<float> back16(x.size()), back_b(x.size());
    k.from_f16(f16.data(), x.size(), back16.data());
    k.from_bf16(bf16.data(), x.size(), back_b.data());
    for (size_t i = 0; i < x.size(); ++i) {
        EXPECT_EQ(f16[i], transformer::f32_to_f16(x[i])) << x[i];
        EXPECT_EQ(bf16[i], transformer::f32_to_bf16(x[i])) << x[i];
        EXPECT_EQ(back16[i], transformer::f16_to_f32(f16[i]));
        EXPECT_EQ(back_b[i], transformer::bf16_to_f32(bf16[i]));
    }
    const float nan = std::numeric_limits<float>::quiet_NaN();
    uint16_t half = 0;
    k.to_bf16(&nan, 1, &half);
    EXPECT_TRUE(std::isnan(transformer::bf16_to_f32(half)));
}

}  // namespace
}  // namespace gantry::cpu::test
