#include "plugins/cpu/device.hpp"

#include <gantry/ext/causal_lm.h>
#include <gantry/cpp/error.hpp>

#include <algorithm>
#include <array>
#include <limits>

#include "plugins/cpu/provider.hpp"
#include "tests/plugins/cpu/support.hpp"

namespace gantry::cpu::test {
namespace {

using transformer::Mat;
using transformer::WeightUse;

CpuDevice make_device(uint32_t threads, Precision precision = Precision::kAuto) {
    const CpuFeatures features = detect_features();
    return CpuDevice(select_kernels("", features), features, {threads, {}, precision, Prefill::kAuto});
}

gantry_option_t option(std::string_view key, std::string_view value) {
    return {{key.data(), key.size()}, {value.data(), value.size()}};
}

TEST(DeviceTest, EmbeddingRowsAreTheDequantisedRows) {
    CpuDevice device = make_device(2);
    for (const int32_t dtype : weight_types()) {
        const RandomWeight table(dtype, 9, 256, 1);
        for (const WeightUse use : {WeightUse::kEmbedding, WeightUse::kEmbeddingAndLinear}) {
            const auto weight = device.load_weight(table.view(), use);
            std::vector<float> out(3 * 256);
            device.embed(*weight, std::array<int32_t, 3>{8, 0, 8}, {out.data(), 3, 256});
            const auto values = table.values();
            EXPECT_TRUE(std::equal(out.begin(), out.begin() + 256, values.begin() + 8 * 256)) << type_name(dtype);
            EXPECT_TRUE(std::equal(out.begin() + 256, out.begin() + 512, values.begin())) << type_name(dtype);
        }
    }
}

TEST(DeviceTest, PrivateBytesAreAsPromised) {
    for (const Precision precision : {Precision::kAuto, Precision::kFp32}) {
        CpuDevice device = make_device(1, precision);
        for (const int32_t dtype : weight_types()) {
            for (const WeightUse use :
                 {WeightUse::kLinear, WeightUse::kEmbedding, WeightUse::kEmbeddingAndLinear, WeightUse::kVector}) {
                ASSERT_TRUE(device.supports(dtype, use));
                const RandomWeight random(dtype, 33, 512, 1);
                const auto weight = device.load_weight(random.view(), use);
                EXPECT_EQ(weight->private_bytes(), device.weight_bytes(random.view(), use)) << type_name(dtype);
                const bool reads_file =
                    use != WeightUse::kVector && (use != WeightUse::kLinear || weight->private_bytes() == 0);
                EXPECT_EQ(weight->uses_mapping(), reads_file) << type_name(dtype);
            }
        }
    }
}

TEST(DeviceTest, ALargeWeightCanBeStoppedInItsMiddle) {
    CpuDevice device = make_device(2);
    const RandomWeight large(GANTRY_DTYPE_Q8_0, 2048, 8192, 1);  // 17 MiB, in parts of 4
    int polls = 0;
    device.set_poll([&polls] { ++polls; });
    EXPECT_GT(device.load_weight(large.view(), WeightUse::kLinear)->private_bytes(), uint64_t{16} << 20);
    EXPECT_GE(polls, 4);
    polls = 0;
    device.set_poll([&polls] {
        if (++polls == 3) throw sdk::Error(GANTRY_ERR_CANCELLED, "stop");
    });
    EXPECT_THROW(device.load_weight(large.view(), WeightUse::kLinear), sdk::Error);
    EXPECT_EQ(polls, 3);
}

TEST(DeviceTest, DamagedWeightsAreRefused) {
    CpuDevice device = make_device(1);
    const RandomWeight random(GANTRY_DTYPE_Q8_0, 4, 64, 1);
    gantry_tensor_view_t view = random.view();
    view.nbytes -= 1;
    EXPECT_THROW(device.load_weight(view, WeightUse::kLinear), sdk::Error);
    view = random.view();
    view.shape[1] = 48;  // no whole number of blocks
    EXPECT_THROW(device.load_weight(view, WeightUse::kLinear), sdk::Error);
    view = random.view();
    view.rank = 0;
    EXPECT_THROW(device.load_weight(view, WeightUse::kLinear), sdk::Error);
    EXPECT_FALSE(device.supports(GANTRY_DTYPE_Q8_1, WeightUse::kLinear));
}

TEST(DeviceTest, OperationsOnSeveralThreadsEqualThoseOnOne) {
    CpuDevice one = make_device(1), three = make_device(3);
    const uint32_t rows = 130, cols = 512;
    const auto x = random_floats(rows * cols, 1), y = random_floats(rows * cols, 2);
    const RandomWeight gain(GANTRY_DTYPE_F32, 1, cols, 3);
    std::vector<uint32_t> positions(rows);
    for (uint32_t i = 0; i < rows; ++i) positions[i] = 3 * i;
    transformer::Rope rope;
    for (int i = 0; i < 16; ++i) rope.inv_freq.push_back(std::pow(10000.0F, -static_cast<float>(i) / 16.0F));
    const auto run = [&](CpuDevice& device) {
        auto a = x, b = y;
        std::vector<float> out(a.size());
        const auto weight = device.load_weight(gain.view(), WeightUse::kVector);
        const Mat ma{a.data(), rows, cols}, mb{b.data(), rows, cols}, mo{out.data(), rows, cols};
        device.add_rms_norm(ma, mb, *weight, 1e-5F, 0, mo);
        device.rms_norm_heads(
            mo, 64, *device.load_weight(RandomWeight(GANTRY_DTYPE_F32, 1, 64, 4).view(), WeightUse::kVector), 1e-5F, 0);
        device.rope(mo, 64, rope, positions);
        device.gated(transformer::Activation::kSilu, mo, mb, mo);
        device.scale(mo, 3.0F);
        device.softcap(mo, 2.0F);
        device.add(mo, ma);
        device.activate(transformer::Activation::kGeluTanh, mo);
        device.layer_norm(mo, *weight, nullptr, 1e-5F, mb);
        return b;
    };
    EXPECT_EQ(run(one), run(three));
}

TEST(DeviceTest, LogitsAreSummedUpAsTheLibraryDoes) {
    constexpr uint32_t kRows = 3;
    for (const Kernels* kernels : runnable_kernels()) {
        CpuDevice device(*kernels, detect_features(), {2, {}, Precision::kAuto, Prefill::kAuto});
        for (const uint32_t cols : {1U, 300U, 9000U}) {
            SCOPED_TRACE(std::string(kernels->name) + " " + std::to_string(cols));
            auto logits = random_floats(kRows * cols, cols, 5);
            constexpr float kInf = std::numeric_limits<float>::infinity();
            if (cols > 1) {
                std::fill_n(logits.begin(), 256, -kInf);
                logits[cols + 299] = std::numeric_limits<float>::quiet_NaN();
                logits[cols + 20] = kInf;
                logits[2 * cols + 8] = -kInf;
            }
            const size_t blocks = (cols + GANTRY_LOGIT_BLOCK - 1) / GANTRY_LOGIT_BLOCK;
            const std::array<float, kRows> scales{1.25F, 1, 0};
            std::vector<float> copy(logits.size()), peaks(kRows * blocks, -1), masses(kRows * blocks, -1);
            device.download_logits(copy.data(), {logits.data(), kRows, cols},
                                   {peaks.data(), masses.data(), scales.data()});
            EXPECT_EQ(std::memcmp(copy.data(), logits.data(), copy.size() * sizeof(float)), 0);
            std::vector<float> expected_peaks(peaks.size(), -1), expected_masses(peaks.size(), -1);
            device.Device::download_logits(copy.data(), {logits.data(), kRows, cols},
                                           {expected_peaks.data(), expected_masses.data(), scales.data()});
            for (size_t i = 0; i < peaks.size(); ++i) {
                const bool nan = std::isnan(expected_peaks[i]);
                EXPECT_TRUE(nan ? std::isnan(peaks[i]) : peaks[i] == expected_peaks[i]) << i;
                EXPECT_NEAR(masses[i], expected_masses[i], 2e-6F * std::abs(expected_masses[i])) << i;
            }
            EXPECT_EQ(masses.back(), -1) << "no scale, no mass";
        }
    }
}

TEST(DeviceTest, RotationFollowsThePositionsOfEachStep) {
    CpuDevice device = make_device(1);
    transformer::Rope rope;
    rope.inv_freq = {1.0F, 0.5F};
    rope.magnitude = 2.0F;
    for (const uint32_t position : {0U, 3U, 3U, 4U}) {
        std::vector<float> x = {1, 0, 0, 0, 7};  // head of 5 with 4 rotated
        device.rope({x.data(), 1, 5}, 5, rope, std::array{position});
        EXPECT_NEAR(x[0], 2 * std::cos(static_cast<float>(position)), 1e-6);
        EXPECT_NEAR(x[2], 2 * std::sin(static_cast<float>(position)), 1e-6);
        EXPECT_EQ(x[4], 7);
    }
}

TEST(ProviderTest, DescribesTheProcessor) {
    CpuProvider provider(nullptr);
    const auto& devices = provider.devices();
    ASSERT_EQ(devices.size(), 1U);
    EXPECT_EQ(devices[0].kind, GANTRY_DEVICE_CPU);
    EXPECT_EQ(devices[0].unified, 1U);
    EXPECT_GT(devices[0].name.size, 0U);
    EXPECT_GT(devices[0].memory_total, 0U);
    EXPECT_LE(devices[0].memory_free, devices[0].memory_total);
}

TEST(ProviderTest, OptionsAreReadAndRefused) {
    CpuProvider provider(nullptr);
    const auto fp32 = provider.create(0, 2, std::array{option("precision", "fp32"), option("prefill", "own")});
    EXPECT_NE(fp32->plan().find("fp32"), std::string::npos);
    EXPECT_NE(fp32->plan().find("2 threads"), std::string::npos);
    EXPECT_THROW(provider.create(0, 1, std::array{option("precision", "fp8")}), sdk::Error);
    EXPECT_THROW(provider.create(0, 1, std::array{option("prefill", "mkl")}), sdk::Error);
}

}  // namespace
}  // namespace gantry::cpu::test
