// gantry.adapter/1: a model with an adapter answers as the model whose weights the adapter was merged into, whoever
// else is in the batch.

#include <gantry/ext/adapter.h>

#include <cmath>
#include <random>

#include "tests/plugins/conformance_test.hpp"

namespace gantry::test {
namespace {

struct Module {
    const char* name;
    bool queries_or_keys;
};
constexpr Module kModules[] = {{"attn_q", true},    {"attn_k", true},  {"attn_v", false},  {"attn_out", false},
                               {"ffn_gate", false}, {"ffn_up", false}, {"ffn_down", false}};

TestTensor tensor_of(std::string name, uint64_t rows, uint64_t cols, const std::vector<float>& values) {
    TestTensor t{std::move(name), GANTRY_DTYPE_F32, {rows, cols}, {}};
    const auto* bytes = reinterpret_cast<const char*>(values.data());
    t.data.assign(bytes, bytes + values.size() * sizeof(float));
    return t;
}

/// An adapter of random numbers for every linear layer of the model.
TestModel random_adapter(const TestModel& model, uint64_t rank, double alpha, uint32_t seed) {
    TestModel out;
    out.hyper["lora.alpha"] = alpha;
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0F, 0.15F);
    const auto values = [&](uint64_t n) {
        std::vector<float> v(n);
        for (float& f : v) f = normal(random);
        return v;
    };
    for (int64_t layer = 0; layer < model.integer("layer_count"); ++layer) {
        for (const Module& module : kModules) {
            const std::string name = "layers." + std::to_string(layer) + "." + module.name;
            const TestTensor& weight = model.tensor(name + ".weight");
            const uint64_t rows = weight.shape[0], cols = weight.shape[1];
            out.tensors.push_back(tensor_of(name + ".lora_a", rank, cols, values(rank * cols)));
            out.tensors.push_back(tensor_of(name + ".lora_b", rows, rank, values(rows * rank)));
        }
    }
    return out;
}

/// W + scale * B * A in every layer that the adapter changes.
TestModel merged(const TestModel& model, const TestModel& adapter, double scale) {
    TestModel out = model.as_f32();
    for (const TestTensor& a : adapter.tensors) {
        if (!a.name.ends_with(".lora_a")) continue;
        const std::string name = a.name.substr(0, a.name.size() - 7);
        TestTensor& weight = out.tensor(name + ".weight");
        const uint64_t rank = a.shape[0], cols = a.shape[1], rows = weight.shape[0];
        std::vector<float> w = out.values(name + ".weight");
        const std::vector<float> av = adapter.values(a.name), bv = adapter.values(name + ".lora_b");
        for (uint64_t r = 0; r < rows; ++r) {
            for (uint64_t c = 0; c < cols; ++c) {
                double sum = 0;
                for (uint64_t k = 0; k < rank; ++k) sum += double{bv[r * rank + k]} * double{av[k * cols + c]};
                w[r * cols + c] += static_cast<float>(scale * sum);
            }
        }
        weight = tensor_of(weight.name, rows, cols, w);
    }
    return out;
}

class Adapters : public Conformance {
  protected:
    /// The model's adapter table, or null (then the plugin has none, and the test is skipped).
    static const gantry_adapter_t* table(const Model& model) {
        return static_cast<const gantry_adapter_t*>(model.get()->get_extension(model.get(), GANTRY_ADAPTER));
    }
    static uint32_t load(const Model& model, const TestModel& adapter, double scale = 1) {
        const TestManifest manifest(adapter, true);
        uint32_t id = 0;
        const auto failure = take(table(model)->load(model.get(), manifest.get(), scale, &id));
        EXPECT_FALSE(failure) << failure->message;
        EXPECT_NE(id, 0U);
        return id;
    }
};

const std::vector<int32_t> kPrompt = {3, 17, 99, 4, 4, 81, 52, 7, 120, 33, 6};

TEST_P(Adapters, EqualTheMergedWeights) {
    for (const auto& name : golden_names()) {
        SCOPED_TRACE(name);
        const Golden golden = read_golden(name);
        const TestModel f32 = golden.model.as_f32();
        const auto model = plugin().load(f32);
        if (table(*model) == nullptr) GTEST_SKIP() << "the plugin has no adapters";
        const TestModel adapter = random_adapter(f32, 4, 6, 7);
        const TestModel whole = merged(f32, adapter, 0.5 * 6 / 4);
        const auto expected_model = plugin().load(whole);
        const Rows expected = run(*expected_model, Part{kPrompt, 0, blocks_from(0, 4)});
        const Rows plain = run(*model, Part{kPrompt, 0, blocks_from(0, 4)});
        const uint32_t id = load(*model, adapter, 0.5);
        Part part{kPrompt, 0, blocks_from(8, 4)};
        part.adapter = id;
        EXPECT_LE(difference(run(*model, part), expected), std::max(own_tolerance(), 1e-4F));
        EXPECT_GT(difference(plain, expected), 0.1F);  // else nothing was tested
        part.last_row_only = true;
        EXPECT_LE(difference(run(*model, part).front(), expected.back()), std::max(own_tolerance(), 1e-4F));
        EXPECT_EQ(run(*model, Part{kPrompt, 0, blocks_from(0, 4)}), plain);
    }
}

TEST_P(Adapters, SeveralInOneBatchDoNotMix) {
    const TestModel f32 = random_model(GANTRY_DTYPE_F32, 3);
    const auto model = plugin().load(f32);
    if (table(*model) == nullptr) GTEST_SKIP() << "the plugin has no adapters";
    const uint32_t first = load(*model, random_adapter(f32, 3, 3, 1));
    const uint32_t second = load(*model, random_adapter(f32, 8, 8, 2));
    ASSERT_NE(first, second);
    std::vector<Part> parts;
    std::vector<Rows> alone;
    for (const uint32_t adapter : {first, 0U, second, second, first}) {
        Part part{kPrompt, 0, blocks_from(static_cast<uint32_t>(parts.size()) * 4, 4)};
        part.tokens.resize(5 + parts.size());
        part.adapter = adapter;
        part.last_row_only = parts.size() % 2 == 1;
        alone.push_back(run(*model, part));
        parts.push_back(std::move(part));
    }
    const std::vector<Rows> together = run(*model, parts);
    for (size_t i = 0; i < parts.size(); ++i) EXPECT_LE(difference(together[i], alone[i]), own_tolerance()) << i;

    // The one that stays is not touched by the other's end, and numbers are not used again.
    ASSERT_FALSE(take(table(*model)->drop(model->get(), second)));
    EXPECT_LE(difference(run(*model, parts[0]), alone[0]), own_tolerance());
    EXPECT_GT(load(*model, random_adapter(f32, 2, 2, 3)), second);
    EXPECT_THROW(run(*model, parts[2]), std::runtime_error);
    EXPECT_TRUE(take(table(*model)->drop(model->get(), second)));
}

TEST_P(Adapters, FollowTheModelsOrderOfRotaryPairs) {
    const Golden golden = read_golden("llama");
    const TestModel half = golden.model.as_f32();
    TestModel adapter = random_adapter(half, 4, 4, 7);
    adapter.hyper["rope.style"] = std::string("half");
    const TestModel whole = merged(half, adapter, 1);
    const Rows expected = run(*plugin().load(whole), Part{kPrompt, 0, blocks_from(0, 4)});

    TestModel interleaved = half;
    interleaved.hyper["rope.style"] = std::string("interleaved");
    const auto head_dim = static_cast<size_t>(half.integer("head_dim"));
    for (TestTensor& t : interleaved.tensors) {
        if (!t.name.ends_with("attn_q.weight") && !t.name.ends_with("attn_k.weight")) continue;
        const std::vector<char> old = t.data;
        const size_t row = old.size() / t.shape[0];
        for (size_t r = 0; r < t.shape[0]; ++r) {
            const size_t within = r % head_dim;
            const size_t from = r - within + within / 2 + (within % 2) * head_dim / 2;
            std::copy_n(old.data() + from * row, row, t.data.data() + r * row);
        }
    }
    const auto model = plugin().load(interleaved);
    if (table(*model) == nullptr) GTEST_SKIP() << "the plugin has no adapters";
    Part part{kPrompt, 0, blocks_from(0, 4)};
    part.adapter = load(*model, adapter);
    EXPECT_LE(difference(run(*model, part), expected), std::max(own_tolerance(), 1e-4F));
}

TEST_P(Adapters, WhatDoesNotFitIsRefusedByName) {
    const TestModel f32 = random_model(GANTRY_DTYPE_F32, 3);
    const auto model = plugin().load(f32);
    if (table(*model) == nullptr) GTEST_SKIP() << "the plugin has no adapters";
    const struct {
        const char* what;
        void (*spoil)(TestModel&);
        const char* mentions;
    } cases[] = {
        {"wrong shape", [](TestModel& m) { m.tensor("layers.0.attn_k.lora_b").shape[0] += 1; },
         "layers.0.attn_k.lora_b"},
        {"ranks that differ",
         [](TestModel& m) {
             m.tensor("layers.1.ffn_up.lora_a").shape = {1, 1};
         },
         "layers.1.ffn_up.lora_a"},
        {"half a pair", [](TestModel& m) { m.tensors.erase(m.tensors.begin()); }, "layers.0.attn_q.lora_a"},
        {"a module that is not there",
         [](TestModel& m) { m.tensors[0].name = m.tensors[1].name = "layers.0.router.x"; }, "layers.0.router.x"},
        {"a layer that is not there", [](TestModel& m) { m.tensors[0].name = "layers.99.attn_q.lora_a"; }, "lora_a"},
        {"not a number",
         [](TestModel& m) {
             const float nan = std::nanf("");
             std::copy_n(reinterpret_cast<const char*>(&nan), sizeof nan, m.tensors[2].data.data());
         },
         "NaN"},
        {"nothing at all", [](TestModel& m) { m.tensors.clear(); }, "no tensors"},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.what);
        TestModel adapter = random_adapter(f32, 4, 4, 1);
        c.spoil(adapter);
        const TestManifest manifest(adapter, true);
        uint32_t id = 77;
        const auto failure = take(table(*model)->load(model->get(), manifest.get(), 1, &id));
        ASSERT_TRUE(failure);
        EXPECT_NE(failure->message.find(c.mentions), std::string::npos) << failure->message;
        EXPECT_EQ(id, 77U);
    }
    const TestModel adapter = random_adapter(f32, 4, 4, 1);
    const TestManifest manifest(adapter, false);
    uint64_t bytes = 0;
    ASSERT_FALSE(take(table(*model)->assess(model->get(), manifest.get(), &bytes)));
    uint64_t floats = 0;
    for (const TestTensor& t : adapter.tensors) floats += t.shape[0] * t.shape[1];
    EXPECT_GE(bytes, floats * sizeof(float));
}

INSTANTIATE_TEST_SUITE_P(Plugins, Adapters, testing::ValuesIn(conformance_plugins()), plugin_name);

}  // namespace
}  // namespace gantry::test
