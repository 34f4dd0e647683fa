#include "plugins/cpu/dispatch.hpp"

#include <gtest/gtest.h>
#include <gantry/cpp/error.hpp>

namespace gantry::cpu {
namespace {

TEST(DispatchTest, TheBestLevelFollowsTheFeatures) {
    CpuFeatures f;
    EXPECT_EQ(best_isa(f), Isa::kScalar);
    f.avx2 = true;
    EXPECT_EQ(best_isa(f), Isa::kAvx2);
    f.avx512 = true;
    EXPECT_EQ(best_isa(f), Isa::kAvx512);
    f.avx512_vnni = true;
    EXPECT_EQ(best_isa(f), Isa::kAvx512Vnni);
    f.avx512_bf16 = true;
    EXPECT_EQ(best_isa(f), Isa::kAvx512Bf16);
}

TEST(DispatchTest, ALowerLevelCanBeForced) {
    CpuFeatures f;
    f.avx2 = f.avx512 = true;
    EXPECT_EQ(select_kernels("", f).isa, Isa::kAvx512);
    EXPECT_EQ(select_kernels("avx2", f).isa, Isa::kAvx2);
    EXPECT_EQ(select_kernels("scalar", f).isa, Isa::kScalar);
}

TEST(DispatchTest, AHigherOrUnknownLevelIsRefusedByName) {
    CpuFeatures f;
    f.avx2 = true;
    try {
        select_kernels("avx512vnni", f);
        FAIL() << "no error";
    } catch (const sdk::Error& e) {
        EXPECT_EQ(e.code(), GANTRY_ERR_FAILED_PRECONDITION);
        EXPECT_NE(e.message().find("avx512vnni"), std::string::npos);
        EXPECT_NE(e.message().find("avx2"), std::string::npos);
    }
    EXPECT_THROW(select_kernels("sse9", f), sdk::Error);
}

TEST(DispatchTest, FeatureNamesAreSpaceSeparated) {
    CpuFeatures f;
    EXPECT_EQ(feature_names(f), "");
    f.avx2 = f.avx512_vnni = true;
    EXPECT_EQ(feature_names(f), "avx2 avx512_vnni");
}

}  // namespace
}  // namespace gantry::cpu
