#include "plugins/cpu/products.hpp"

#include <array>

#include "tests/plugins/cpu/support.hpp"

namespace gantry::cpu::test {
namespace {

using transformer::LinearOut;
using transformer::Mat;
using transformer::WeightUse;

/// Relative to the root of the sums of squares: int8 activations (a scale per 32) are off by at most 1/254 of a block's
/// peak each, at random; bf16 rounds both sides to 8 bits.
constexpr double kInt8Bound = 0.03;
constexpr double kBf16Bound = 0.01;
constexpr double kFp32Bound = 1e-5;

struct Case {
    Precision precision;
    Prefill prefill;
    double bound;
};

void check(ThreadPool& pool, const Case& c, int32_t dtype, uint32_t rows, uint32_t columns, uint32_t depth) {
    SCOPED_TRACE(type_name(dtype) + " rows " + std::to_string(rows) + " columns " + std::to_string(columns));
    const CpuFeatures features = detect_features();
    Products products(select_kernels("", features), features, pool, c.precision, c.prefill);
    const RandomWeight first(dtype, columns, depth, 1);
    const RandomWeight second(GANTRY_DTYPE_F32, 24, depth, 2);
    const RandomWeight bias(GANTRY_DTYPE_F16, 1, columns, 3);
    const CpuWeight w1(first.view(), WeightUse::kLinear, c.precision, pool);
    const CpuWeight w2(second.view(), WeightUse::kLinear, c.precision, pool);
    const CpuWeight b(bias.view(), WeightUse::kVector, c.precision, pool);
    auto x = random_floats(static_cast<size_t>(rows) * depth, 4);
    std::vector<float> out1(static_cast<size_t>(rows) * columns, 1.0F), out2(static_cast<size_t>(rows) * 24);
    const LinearOut outs[] = {{&w1, &b, {out1.data(), rows, columns}, true},
                              {&w2, nullptr, {out2.data(), rows, 24}, false}};
    products.run({x.data(), rows, depth}, outs, false);

    const auto values = first.values();
    const auto shift = bias.values();
    for (uint32_t r = 0; r < rows; ++r) {
        for (uint32_t o = 0; o < columns; ++o) {
            double exact = 1.0 + double{shift[o]}, squares = 1.0;
            for (uint32_t i = 0; i < depth; ++i) {
                const double product = double{x[r * depth + i]} * double{values[o * depth + i]};
                exact += product;
                squares += product * product;
            }
            ASSERT_NEAR(out1[r * columns + o], exact, c.bound * std::sqrt(squares)) << r << "," << o;
        }
    }
}

void check_all(const Case& c) {
    ThreadPool pool(3);
    for (const int32_t dtype : weight_types()) {
        for (const uint32_t rows : {1U, 3U, 65U}) check(pool, c, dtype, rows, 70, 512);
        check(pool, c, dtype, 2, 1, 256);
        check(pool, c, dtype, 70, 17, 256);
    }
}

TEST(ProductsTest, AutoIsWithinTheBoundOfInt8Activations) { check_all({Precision::kAuto, Prefill::kAuto, kInt8Bound}); }
TEST(ProductsTest, OwnKernelsAreWithinTheBoundOfInt8Activations) {
    check_all({Precision::kAuto, Prefill::kOwn, kInt8Bound});
}
TEST(ProductsTest, Fp32IsExact) { check_all({Precision::kFp32, Prefill::kAuto, kFp32Bound}); }
TEST(ProductsTest, Fp32WithOwnKernelsIsExact) { check_all({Precision::kFp32, Prefill::kOwn, kFp32Bound}); }

TEST(ProductsTest, LargeProductsThroughTheLibraryAreWithinTheBoundOfBf16) {
    ThreadPool pool(2);
    for (const int32_t dtype : weight_types()) {
        check(pool, {Precision::kAuto, Prefill::kOneDnn, kBf16Bound}, dtype, 64, 300, 512);
    }
}

TEST(ProductsTest, OwnKernelsGiveARowTheSameBitsInAnyBatch) {
    const CpuFeatures features = detect_features();
    ThreadPool pool(2);
    Products products(select_kernels("", features), features, pool, Precision::kAuto, Prefill::kAuto);
    for (const int32_t dtype : weight_types()) {
        const RandomWeight random(dtype, 50, 256, 1);
        const CpuWeight weight(random.view(), WeightUse::kLinear, Precision::kAuto, pool);
        auto x = random_floats(40 * 256, 2);
        std::vector<float> all(40 * 50), one(50);
        products.run({x.data(), 40, 256}, std::array{LinearOut{&weight, nullptr, {all.data(), 40, 50}, false}}, true);
        for (uint32_t r = 0; r < 40; ++r) {
            products.run({x.data() + r * 256, 1, 256},
                         std::array{LinearOut{&weight, nullptr, {one.data(), 1, 50}, false}}, true);
            ASSERT_EQ(one, std::vector<float>(all.begin() + r * 50, all.begin() + (r + 1) * 50)) << type_name(dtype);
        }
    }
}

TEST(ProductsTest, TheLibraryDoesNotFallBackToItsReferenceCode) {
    ThreadPool pool(1);
    const auto library = MatrixLibrary::create(1);
    if (library == nullptr) GTEST_SKIP() << "built without oneDNN";
    if (!detect_features().avx2) GTEST_SKIP() << "oneDNN has nothing better here";
    const std::string wide = library->implementation(Element::kF32, 64, 256, 512);
    EXPECT_EQ(wide.find("ref"), std::string::npos) << wide;
    if (detect_features().avx512) {
        EXPECT_NE(wide.find("avx512"), std::string::npos) << wide;
    }
    if (prefers_bf16(detect_features())) {
        EXPECT_EQ(library->implementation(Element::kBf16, 64, 256, 512).find("ref"), std::string::npos);
    }
}

}  // namespace
}  // namespace gantry::cpu::test
