#include <gtest/gtest.h>

#include <functional>
#include <gantry/transformer/config.hpp>
#include <string>
#include <vector>

#include "tests/sdk/support/random_model.hpp"
#include "tests/sdk/support/test_model.hpp"

namespace gantry::transformer {
namespace {

using test::TestModel;

ModelConfig read(const std::function<void(TestModel&)>& change) {
    TestModel model = test::random_model(GANTRY_DTYPE_F32, 1);
    change(model);
    const test::TestManifest manifest(model, false);
    return read_config(sdk::Manifest(manifest.get()));
}

TEST(Config, DefaultsAreThoseOfTheVocabulary) {
    const ModelConfig c = read([](TestModel& m) {
        for (const char* key : {"head_dim", "kv_head_count", "tie_embeddings", "rope.theta"}) m.hyper.erase(key);
    });
    EXPECT_EQ(c.head_dim, 64U);
    EXPECT_EQ(c.kv_head_count, c.head_count);
    EXPECT_FALSE(c.tie_embeddings);
    EXPECT_EQ(c.rope.theta, 10000);
    EXPECT_EQ(c.rope.dim, 64U);
    EXPECT_EQ(c.rope.style, RopeStyle::kHalf);
    EXPECT_FLOAT_EQ(c.attention_scale, 0.125F);
    EXPECT_EQ(c.sliding_window, std::vector<uint32_t>({0, 0}));
    EXPECT_EQ(c.max_context(), 512U);
    EXPECT_TRUE(read([](TestModel& m) {
                    m.hyper.erase("tie_embeddings");
                    m.tensors.pop_back();  // the output head
                }).tie_embeddings);
}

TEST(Config, ArchitecturesDifferInBiasesAndHeadNorms) {
    EXPECT_FALSE(read([](TestModel& m) { m.architecture = "mistral"; }).biases.q);
    const ModelConfig qwen2 = read([](TestModel& m) { m.architecture = "qwen2"; });
    EXPECT_TRUE(qwen2.biases.q && qwen2.biases.k && qwen2.biases.v);
    EXPECT_FALSE(qwen2.biases.attn_out || qwen2.qk_norm);
    EXPECT_TRUE(read([](TestModel& m) { m.architecture = "qwen3"; }).qk_norm);
    const ModelConfig biased = read([](TestModel& m) {
        m.tensors.push_back({"layers.0.ffn_down.bias", GANTRY_DTYPE_F32, {256}, {}});
    });
    EXPECT_TRUE(biased.biases.ffn_down);
}

TEST(Config, SlidingWindowMayHoldForSomeLayers) {
    const ModelConfig c = read([](TestModel& m) {
        m.hyper["sliding_window"] = int64_t{128};
        m.hyper["sliding_window_layers"] = std::vector<int64_t>{1, 0};
    });
    EXPECT_EQ(c.sliding_window, std::vector<uint32_t>({128, 0}));
}

TEST(Config, DynamicScalingStretchesTheContext) {
    const ModelConfig c = read([](TestModel& m) {
        m.hyper["rope.scaling"] = std::string("dynamic");
        m.hyper["rope.factor"] = int64_t{4};
    });
    EXPECT_EQ(c.max_context(), 2048U);
}

TEST(Config, AFactorLeftOutIsTheRatioOfTheContexts) {
    const ModelConfig c = read([](TestModel& m) {
        m.hyper["rope.scaling"] = std::string("yarn");
        m.hyper["rope.original_context"] = int64_t{128};
    });
    EXPECT_EQ(c.rope.factor, 4.0);
}

TEST(Config, ImpossibleValuesAreRefusedByName) {
    using Doubles = std::vector<double>;
    struct Row {
        const char* key;
        test::Hyper value;
    };
    const Row rows[] = {
        {"rope.dim", int64_t{63}},
        {"rope.dim", int64_t{128}},
        {"rope.theta", -1.0},
        {"rope.theta", 1.0},
        {"rope.style", std::string("sideways")},
        {"rope.frequency_divisors", Doubles(31, 1.0)},
        {"rope.frequency_divisors", Doubles(32, 0.0)},
        {"rope.scaling", std::string("longrope")},
        {"rope.scaling", std::string("linear")},
        {"activation", std::string("swoosh")},
        {"context_length", int64_t{0}},
        {"sliding_window_layers", std::vector<int64_t>{1}},
        {"attention.scale", 0.0},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.key);
        try {
            read([&](TestModel& m) { m.hyper[row.key] = row.value; });
            ADD_FAILURE() << "not refused";
        } catch (const sdk::Error& e) {
            const std::string key = std::string(row.key) == "rope.scaling" ? "rope." : row.key;
            EXPECT_NE(e.message().find(key), std::string::npos) << e.message();
        }
    }
}

}  // namespace
}  // namespace gantry::transformer
