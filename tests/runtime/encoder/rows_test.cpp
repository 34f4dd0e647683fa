#include "runtime/encoder/rows.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace gantry::encoder {
namespace {

TEST(Rows, KeepsTheFirstComponents) {
    EXPECT_EQ(first_components({1, 2, 3, 4, 5, 6}, 3, 2), (std::vector<float>{1, 2, 4, 5}));
}

TEST(Rows, NormalizesEachRowAndLeavesZeros) {
    std::vector<float> rows{3, 4, 0, 0};
    normalize_rows(rows, 2);
    EXPECT_EQ(rows, (std::vector<float>{0.6F, 0.8F, 0, 0}));
}

TEST(Rows, SoftmaxAddsUpToOneAndTakesLargeOutputs) {
    std::vector<float> rows{1000, 1000, -5, 5};
    softmax_rows(rows, 2);
    EXPECT_FLOAT_EQ(rows[0], 0.5F);
    EXPECT_NEAR(rows[2] + rows[3], 1, 1e-6);
    EXPECT_GT(rows[3], 0.99F);
}

TEST(Rows, LogisticIsPerValue) {
    std::vector<float> rows{0, 100, -100};
    logistic_rows(rows);
    EXPECT_FLOAT_EQ(rows[0], 0.5F);
    EXPECT_FLOAT_EQ(rows[1], 1);
    EXPECT_NEAR(rows[2], 0, 1e-6);
}

}  // namespace
}  // namespace gantry::encoder
