#include <gantry/transformer/dequantize.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gantry/cpp/error.hpp>

namespace gantry::transformer {
namespace {

struct Record {
    int32_t dtype = 0;
    std::vector<char> raw;
    std::vector<float> expected;
};

std::vector<Record> read_records() {
    std::ifstream file(GANTRY_SOURCE_DIR "/tests/sdk/transformer/quant_blocks.bin", std::ios::binary);
    std::vector<Record> records;
    struct {
        int32_t dtype;
        uint32_t bytes, elements;
    } head{};
    while (file.read(reinterpret_cast<char*>(&head), sizeof head)) {
        Record r{head.dtype, std::vector<char>(head.bytes), std::vector<float>(head.elements)};
        file.read(r.raw.data(), head.bytes);
        file.read(reinterpret_cast<char*>(r.expected.data()), static_cast<std::streamsize>(head.elements * 4));
        records.push_back(std::move(r));
    }
    return records;
}

TEST(Dequantize, RandomBlocksOfEveryTypeDecodeAsGgufPyDoes) {
    const auto records = read_records();
    ASSERT_EQ(records.size(), 22U);
    for (const Record& r : records) {
        SCOPED_TRACE(std::string(type_traits(r.dtype).name));
        ASSERT_EQ(row_bytes(r.dtype, r.expected.size()), r.raw.size());
        std::vector<float> got(r.expected.size());
        dequantize(r.dtype, r.raw.data(), got.data(), got.size());
        for (size_t i = 0; i < got.size(); ++i) {
            ASSERT_NEAR(got[i], r.expected[i], 1e-6F * std::abs(r.expected[i]) + 1e-7F) << "element " << i;
        }
    }
}

TEST(Dequantize, UnalignedSourceIsFine) {
    const float value = 1.5F;
    char bytes[5];
    std::memcpy(bytes + 1, &value, 4);
    float out = 0;
    dequantize(GANTRY_DTYPE_F32, bytes + 1, &out, 1);
    EXPECT_EQ(out, 1.5F);
}

TEST(Dequantize, RefusesTypesAndCountsThatItCannotDecode) {
    float out[64];
    char in[256] = {};
    try {
        dequantize(GANTRY_DTYPE_Q8_1, in, out, 64);
        FAIL();
    } catch (const sdk::Error& e) {
        EXPECT_EQ(e.code(), GANTRY_ERR_UNIMPLEMENTED);
        EXPECT_NE(e.message().find("Q8_1"), std::string::npos);
    }
    try {
        dequantize(GANTRY_DTYPE_Q8_0, in, out, 33);
        FAIL();
    } catch (const sdk::Error& e) {
        EXPECT_EQ(e.code(), GANTRY_ERR_INVALID_ARGUMENT);
    }
    EXPECT_EQ(type_traits(4).block_elements, 0U);
    EXPECT_EQ(row_bytes(GANTRY_DTYPE_Q4_K, 255), 0U);
}

TEST(HalfPrecision, EveryFiniteHalfSurvivesTheRoundTrip) {
    for (uint32_t h = 0; h < 0x10000U; ++h) {
        const float f = f16_to_f32(static_cast<uint16_t>(h));
        if (std::isnan(f)) {
            EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f))));
        } else {
            ASSERT_EQ(f32_to_f16(f), h) << f;
        }
    }
}

TEST(HalfPrecision, RoundsToNearestEvenAndOverflowsToInfinity) {
    EXPECT_EQ(f32_to_f16(65504.0F), 0x7bff);
    EXPECT_EQ(f32_to_f16(65519.0F), 0x7bff);
    EXPECT_EQ(f32_to_f16(65520.0F), 0x7c00);
    EXPECT_EQ(f32_to_f16(1.0F + 0x1p-11F), 0x3c00);
    EXPECT_EQ(f32_to_f16(1.0F + 0x3p-11F), 0x3c02);
    EXPECT_EQ(f32_to_f16(0x1p-25F), 0x0000);
    EXPECT_EQ(f32_to_f16(0x1.8p-25F), 0x0001);
    EXPECT_EQ(f32_to_bf16(1.0F + 0x1p-8F), 0x3f80);
    EXPECT_EQ(f32_to_bf16(1.0F + 0x3p-8F), 0x3f82);
    EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace gantry::transformer
