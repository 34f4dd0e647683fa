/// gantry convert's library: encoders against the decoders, mixtures, the file that is written.

#include "registry/convert/convert.hpp"

#include <gantry/abi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gantry/transformer/dequantize.hpp>
#include <random>

#include "registry/convert/quantize.hpp"
#include "tests/registry/gguf_builder.hpp"

namespace gantry::registry {
namespace {

namespace fs = std::filesystem;

std::vector<float> noise(size_t count) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 0.05F);
    std::vector<float> out(count);
    for (auto& v : out) {
        v = normal(random);
    }
    return out;
}

double error_of(int32_t dtype, const std::vector<float>& values) {
    std::vector<std::byte> coded(transformer::row_bytes(dtype, values.size()));
    quantize_row(dtype, values, coded.data());
    std::vector<float> back(values.size());
    transformer::dequantize(dtype, coded.data(), back.data(), back.size());
    double sum = 0;
    double whole = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        sum += std::pow(back[i] - values[i], 2);
        whole += std::pow(values[i], 2);
    }
    return whole == 0 ? sum : std::sqrt(sum / whole);
}

TEST(Quantize, EveryTypesErrorOnNormalNoiseIsThatOfItsBits) {
    const auto values = noise(4096);
    // Relative to the values' norm; a wrong bit anywhere in a block's layout gives far more.
    for (const auto& [dtype, most] : {std::pair{GANTRY_DTYPE_F32, 0.0},
                                      {GANTRY_DTYPE_F16, 4e-4},
                                      {GANTRY_DTYPE_BF16, 3e-3},
                                      {GANTRY_DTYPE_Q8_0, 6e-3},
                                      {GANTRY_DTYPE_Q6_K, 0.02},
                                      {GANTRY_DTYPE_Q5_K, 0.04},
                                      {GANTRY_DTYPE_Q5_1, 0.042},
                                      {GANTRY_DTYPE_Q5_0, 0.046},
                                      {GANTRY_DTYPE_Q4_K, 0.08},
                                      {GANTRY_DTYPE_Q4_1, 0.085},
                                      {GANTRY_DTYPE_Q4_0, 0.09}}) {
        EXPECT_LE(error_of(dtype, values), most) << transformer::type_traits(dtype).name;
    }
}

TEST(Quantize, ZerosAndConstantsStay) {
    for (const int32_t dtype : {GANTRY_DTYPE_Q8_0, GANTRY_DTYPE_Q6_K, GANTRY_DTYPE_Q5_K, GANTRY_DTYPE_Q5_1,
                                GANTRY_DTYPE_Q5_0, GANTRY_DTYPE_Q4_K, GANTRY_DTYPE_Q4_1, GANTRY_DTYPE_Q4_0}) {
        const auto name = transformer::type_traits(dtype).name;
        EXPECT_EQ(error_of(dtype, std::vector<float>(256, 0.0F)), 0) << name;
        EXPECT_LT(error_of(dtype, std::vector<float>(256, 0.5F)), 2e-3) << name;
        EXPECT_LT(error_of(dtype, std::vector<float>(256, -0.5F)), 2e-3) << name;
    }
}

TEST(Mixture, NamesMeanWhatTheyMeanElsewhere) {
    const auto* medium = find_mixture("q4_k_m");
    ASSERT_NE(medium, nullptr);
    EXPECT_EQ(find_mixture("Q4"), nullptr);
    const MixtureModel model{.layers = 16, .experts = 0, .tied = true};
    const std::vector<uint64_t> shape{512, 512};
    const auto type = [&](std::string_view mixture, std::string_view name) {
        return mixture_type(*find_mixture(mixture), model, name, shape);
    };
    EXPECT_EQ(type("Q4_K_M", "blk.0.attn_v.weight"), GANTRY_DTYPE_Q6_K);
    EXPECT_EQ(type("Q4_K_M", "blk.2.attn_v.weight"), GANTRY_DTYPE_Q4_K);
    EXPECT_EQ(type("Q4_K_M", "blk.4.ffn_down.weight"), GANTRY_DTYPE_Q6_K);
    EXPECT_EQ(type("Q4_K_M", "blk.15.ffn_down.weight"), GANTRY_DTYPE_Q6_K);
    EXPECT_EQ(type("Q4_K_M", "blk.15.ffn_up.weight"), GANTRY_DTYPE_Q4_K);
    EXPECT_EQ(type("Q4_K_S", "blk.3.attn_v.weight"), GANTRY_DTYPE_Q5_K);
    EXPECT_EQ(type("Q4_K_S", "blk.4.attn_v.weight"), GANTRY_DTYPE_Q4_K);
    EXPECT_EQ(type("Q4_0", "token_embd.weight"), GANTRY_DTYPE_Q6_K);
    EXPECT_EQ(type("Q8_0", "token_embd.weight"), GANTRY_DTYPE_Q8_0);
    EXPECT_EQ(type("F16", "blk.0.attn_q.weight"), GANTRY_DTYPE_F16);
    EXPECT_EQ(type("Q4_0", "blk.0.attn_q.bias"), std::nullopt);
    EXPECT_EQ(type("Q4_0", "blk.0.ffn_gate_inp.weight"), std::nullopt);
    const std::vector<uint64_t> narrow{512, 96};
    EXPECT_EQ(mixture_type(*medium, model, "blk.2.attn_q.weight", narrow), GANTRY_DTYPE_Q5_0);
    const std::vector<uint64_t> odd{512, 40};
    EXPECT_EQ(mixture_type(*medium, model, "blk.2.attn_q.weight", odd), GANTRY_DTYPE_F16);
}

class Convert : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::path(::testing::TempDir()) /
                  ("convert_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    GgufModel source(const std::vector<float>& values) {
        testing::GgufBuilder builder;
        builder.text("general.architecture", "llama").u32("llama.block_count", 1).u32("general.file_type", 0);
        builder.texts("tokenizer.ggml.tokens", {"a", "bc"});
        const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * 4);
        builder.tensor(
            {.name = "blk.0.attn_q.weight", .ne = {256, 8}, .type = 0, .nbytes = bytes.size(), .data = bytes});
        builder.tensor(
            {.name = "output_norm.weight", .ne = {256}, .type = 0, .nbytes = 1024, .data = bytes.substr(0, 1024)});
        const auto image = builder.build();
        const auto path = folder_ / "in.gguf";
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
        return open_gguf(path).value();
    }
    size_t files() const {
        return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator{}));
    }

    fs::path folder_;
};

TEST_F(Convert, WritesTensorsAndKeysThatAreReadBack) {
    const auto values = noise(2048);
    const auto model = source(values);
    const auto plan = plan_conversion(model, *find_mixture("Q4_K_M"), false).value();
    const auto target = folder_ / "out.gguf";
    uint64_t last = 0;
    ASSERT_TRUE(
        run_conversion(plan, target, {.threads = 2, .progress = [&](uint64_t done, uint64_t) { last = done; }}));
    EXPECT_EQ(last, plan.source_bytes);
    const auto written = open_gguf(target).value();
    const auto& file = written.parts.front();
    EXPECT_EQ(std::get<uint64_t>(file.find("general.file_type")->value), 15U);
    EXPECT_EQ(std::get<uint64_t>(file.find("llama.block_count")->value), 1U);
    EXPECT_EQ(std::get<GgufArray>(file.find("tokenizer.ggml.tokens")->value).strings(),
              (std::vector<std::string_view>{"a", "bc"}));
    ASSERT_EQ(file.tensors.size(), 2U);
    EXPECT_EQ(file.tensors[0].dtype, GANTRY_DTYPE_Q4_K);
    EXPECT_EQ(file.tensors[0].shape, (std::vector<uint64_t>{8, 256}));
    EXPECT_EQ(file.tensors[1].dtype, GANTRY_DTYPE_F32);
    EXPECT_EQ(std::memcmp(file.bytes.data() + file.tensors[1].offset, values.data(), 1024), 0);
    std::vector<float> back(2048);
    transformer::dequantize(GANTRY_DTYPE_Q4_K, file.bytes.data() + file.tensors[0].offset, back.data(), 2048);
    for (size_t i = 0; i < back.size(); ++i) {
        ASSERT_NEAR(back[i], values[i], 0.02) << i;
    }
}

TEST_F(Convert, AStopLeavesNothingBehind) {
    const auto model = source(noise(2048));
    const auto plan = plan_conversion(model, *find_mixture("Q8_0"), false).value();
    std::stop_source stop;
    const auto done =
        run_conversion(plan, folder_ / "out.gguf",
                       {.progress = [&](uint64_t, uint64_t) { stop.request_stop(); }, .stop = stop.get_token()});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::kCancelled);
    EXPECT_EQ(files(), 1U);
}

TEST_F(Convert, RefusesWhatWouldLoseDataSilently) {
    auto values = noise(2048);
    values[700] = 1e6F;
    values[900] = NAN;
    const auto model = source(values);
    for (const auto* type : {"F16", "Q4_0"}) {
        const auto plan = plan_conversion(model, *find_mixture(type), false).value();
        const auto done = run_conversion(plan, folder_ / "out.gguf", {});
        ASSERT_FALSE(done) << type;
        EXPECT_NE(done.error().message.find("blk.0.attn_q.weight"), std::string::npos) << done.error().message;
    }
    EXPECT_EQ(files(), 1U);
}

TEST_F(Convert, RefusesToReplaceAFileOrToQuantiseTwice) {
    const auto model = source(noise(2048));
    const auto target = folder_ / "out.gguf";
    const auto plan = plan_conversion(model, *find_mixture("Q8_0"), false).value();
    ASSERT_TRUE(run_conversion(plan, target, {}));
    const auto again = run_conversion(plan, target, {});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::kAlreadyExists);
    EXPECT_TRUE(run_conversion(plan, target, {.overwrite = true}));
    const auto small = open_gguf(target).value();
    EXPECT_FALSE(plan_conversion(small, *find_mixture("Q4_0"), false));
    EXPECT_TRUE(plan_conversion(small, *find_mixture("Q4_0"), true));
}

}  // namespace
}  // namespace gantry::registry
