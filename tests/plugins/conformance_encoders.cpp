// Encoders (gantry.encoder/1): what transformers computes, whatever a text's batch mates are; and refusals.

#include <gantry/ext/encoder.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "tests/plugins/conformance_test.hpp"
#include "tests/plugins/encoder_model.hpp"

namespace gantry::test {
namespace {

/// Everything in fp32 where a plugin would do otherwise.
LoadArgs exact(const Plugin& plugin) {
    LoadArgs args;
    args.options.clear();
    if (plugin.id() == "cpu") args.options["precision"] = "fp32";
    return args;
}

float exact_tolerance(const Plugin& plugin) { return plugin.id() == "reference" ? 2e-4F : 1e-3F; }

bool is_linear(const TestTensor& t) {
    return t.shape.size() == 2 &&
           (t.name.find("attn_") != std::string::npos || t.name.find("ffn_") != std::string::npos);
}

/// fp32 values that bfloat16 holds exactly, as such.
void store_bf16(TestTensor& t) {
    const std::vector<char> from = t.data;
    t.data.clear();
    for (size_t i = 0; i < from.size(); i += 4)
        t.data.insert(t.data.end(), from.begin() + static_cast<std::ptrdiff_t>(i) + 2,
                      from.begin() + static_cast<std::ptrdiff_t>(i) + 4);
    t.dtype = GANTRY_DTYPE_BF16;
}

/// Blocks of 32 in int8 with the scale 1/64 (binary16 0x2400), which small weights fit into.
void store_q8_0(TestTensor& t) {
    std::vector<float> values(t.data.size() / sizeof(float));
    std::memcpy(values.data(), t.data.data(), t.data.size());
    t.data.clear();
    for (size_t block = 0; block < values.size(); block += 32) {
        t.data.push_back(0x00);
        t.data.push_back(0x24);
        for (size_t i = block; i < block + 32; ++i) {
            t.data.push_back(static_cast<char>(std::lround(std::clamp(values[i] * 64.0F, -127.0F, 127.0F))));
        }
    }
    t.dtype = GANTRY_DTYPE_Q8_0;
}

TestModel stored(TestModel model, void (*store)(TestTensor&)) {
    for (TestTensor& t : model.tensors) {
        if (is_linear(t)) store(t);
    }
    return model;
}

}  // namespace

TEST_P(Conformance, EncodersGiveTheHiddenStatesAndVectorsOfTransformers) {
    for (const auto& name : encoder_names()) {
        SCOPED_TRACE(name);
        const EncoderCase c = read_encoder(name);
        const auto model = plugin().load(c.model, exact(plugin()));
        EXPECT_LE(difference(encode(*model, c.batch, GANTRY_POOLING_NONE, false), c.hidden), exact_tolerance(plugin()));
        // GGUF files do not say whether to normalise, the expected vectors are those of the folder.
        const bool normalize = c.info.normalize;
        EXPECT_LE(difference(encode(*model, c.batch, GANTRY_POOLING_DEFAULT, normalize), c.pooled),
                  exact_tolerance(plugin()));
    }
}

TEST_P(Conformance, EncodersAgreeWithTheOracleForEveryWayToStoreTheirWeights) {
    const Plugin oracle(built_plugin("reference"));
    const EncoderCase c = read_encoder("bert");
    for (const auto& [store, bound] : {std::pair{&store_bf16, 0.06F}, std::pair{&store_q8_0, 0.15F}}) {
        const TestModel model = stored(c.model, store);
        const TestModel decoded = model.as_f32();
        const auto expected_model = oracle.load(decoded);
        const Rows expected = encode(*expected_model, c.batch, GANTRY_POOLING_NONE, false);
        LoadArgs args;
        args.options.clear();
        const auto loaded = plugin().load(model, args);
        EXPECT_LE(difference(encode(*loaded, c.batch, GANTRY_POOLING_NONE, false), expected), bound);
    }
}

TEST_P(Conformance, ATextsVectorDoesNotDependOnItsBatchMates) {
    for (const auto& name : encoder_names()) {
        SCOPED_TRACE(name);
        const EncoderCase c = read_encoder(name);
        const auto model = plugin().load(c.model, exact(plugin()));
        const Rows together = encode(*model, c.batch, GANTRY_POOLING_DEFAULT, false);
        Rows single;
        for (const Tokens& text : c.batch)
            single.push_back(encode(*model, {text}, GANTRY_POOLING_DEFAULT, false).front());
        EXPECT_LE(difference(together, single), 1e-5F);
    }
}

TEST_P(Conformance, PoolingTakesTheTokensThatItNames) {
    const EncoderCase c = read_encoder("bert");
    const auto model = plugin().load(c.model, exact(plugin()));
    const Rows all = encode(*model, c.batch, GANTRY_POOLING_NONE, false);
    const Rows first = encode(*model, c.batch, GANTRY_POOLING_CLS, false);
    const Rows last = encode(*model, c.batch, GANTRY_POOLING_LAST, false);
    const Rows mean = encode(*model, c.batch, GANTRY_POOLING_MEAN, false);
    const Rows unit = encode(*model, c.batch, GANTRY_POOLING_MEAN, true);
    size_t begin = 0;
    for (size_t s = 0; s < c.batch.size(); ++s) {
        const size_t count = c.batch[s].ids.size();
        EXPECT_LE(difference(first[s], all[begin]), 1e-6F);
        EXPECT_LE(difference(last[s], all[begin + count - 1]), 1e-6F);
        double length = 0;
        for (size_t i = 0; i < mean[s].size(); ++i) {
            double sum = 0;
            for (size_t t = 0; t < count; ++t) sum += double{all[begin + t][i]};
            EXPECT_NEAR(mean[s][i], sum / static_cast<double>(count), 1e-5);
            length += double{mean[s][i]} * double{mean[s][i]};
        }
        for (size_t i = 0; i < mean[s].size(); ++i) EXPECT_NEAR(unit[s][i], mean[s][i] / std::sqrt(length), 1e-5);
        begin += count;
    }
}

TEST_P(Conformance, EncodersTellTheirWidthsAndLimits) {
    const EncoderCase dense = read_encoder("bert_cls_dense");
    LoadArgs args = exact(plugin());
    args.max_step_tokens = 24;
    args.max_sequences = 3;
    gantry_assessment_t needs{};
    ASSERT_FALSE(plugin().assess(dense.model, args, needs));
    EXPECT_EQ(needs.max_context, 24U) << "a text has to fit in one step";
    EXPECT_EQ(needs.kv_bytes_per_block, 0U);
    EXPECT_EQ(needs.block_size, args.block_size) << "hosts count in blocks, also in those of no bytes";
    EXPECT_GT(needs.scratch_bytes, 24U * 32U * sizeof(float));
    EXPECT_GT(needs.weights_bytes + needs.mapped_bytes, 60000U);
    const auto model = plugin().load(dense.model, args);
    const gantry_model_info_t info = model->info();
    EXPECT_EQ(info.max_context, 24U);
    EXPECT_EQ(info.max_step_tokens, 24U);
    EXPECT_EQ(info.max_sequences, 3U);
    EXPECT_EQ(info.scratch_bytes, needs.scratch_bytes);
    EXPECT_LE(info.weights_bytes, needs.weights_bytes);
    EXPECT_GT(info.plan.size, 0U);
    for (const auto& [pooling, width] : {std::pair{GANTRY_POOLING_DEFAULT, 24U}, std::pair{GANTRY_POOLING_NONE, 32U}}) {
        uint64_t got = 0;
        ASSERT_FALSE(take(model->encoder().width(model->get(), pooling, &got)));
        EXPECT_EQ(got, width);
    }
    args.max_step_tokens = 0;
    ASSERT_FALSE(plugin().assess(dense.model, args, needs));
    EXPECT_EQ(needs.max_context, 40U);
}

TEST_P(Conformance, EncodersRefuseWrongBatchesAndGoOn) {
    const EncoderCase c = read_encoder("bert");
    LoadArgs args = exact(plugin());
    args.max_step_tokens = 48;
    args.max_sequences = 4;
    const auto model = plugin().load(c.model, args);
    const Rows before = encode(*model, {c.batch[0]}, GANTRY_POOLING_DEFAULT, false);
    const Tokens fine{{5, 6, 7}};
    struct Bad {
        std::vector<Tokens> batch;
        int32_t pooling;
        int32_t code;
        const char* mentions;
    };
    const std::vector<Bad> bad = {
        {{}, GANTRY_POOLING_DEFAULT, GANTRY_ERR_INVALID_ARGUMENT, "sequence_count"},
        {{fine, fine, fine, fine, fine}, GANTRY_POOLING_DEFAULT, GANTRY_ERR_INVALID_ARGUMENT, "sequence_count is 5"},
        {{fine, Tokens{}}, GANTRY_POOLING_DEFAULT, GANTRY_ERR_INVALID_ARGUMENT, "sequence 1 has no tokens"},
        {{Tokens{{5, 70}}}, GANTRY_POOLING_DEFAULT, GANTRY_ERR_INVALID_ARGUMENT, "token 1 is 70"},
        {{Tokens{{5, -1}}}, GANTRY_POOLING_DEFAULT, GANTRY_ERR_INVALID_ARGUMENT, "token 1 is -1"},
        {{Tokens{{5, 6}, {0, 2}}}, GANTRY_POOLING_DEFAULT, GANTRY_ERR_INVALID_ARGUMENT, "type_ids"},
        {{Tokens{std::vector<int32_t>(41, 5)}}, GANTRY_POOLING_DEFAULT, GANTRY_ERR_INVALID_ARGUMENT, "41 tokens"},
        {{Tokens{std::vector<int32_t>(30, 5)}, Tokens{std::vector<int32_t>(30, 5)}},
         GANTRY_POOLING_DEFAULT,
         GANTRY_ERR_INVALID_ARGUMENT,
         "token_count is 60"},
        {{fine}, 17, GANTRY_ERR_INVALID_ARGUMENT, "pooling is 17"},
        {{fine}, GANTRY_POOLING_SCORES, GANTRY_ERR_UNIMPLEMENTED, "classification head"},
    };
    for (const Bad& b : bad) {
        SCOPED_TRACE(b.mentions);
        Rows out;
        const auto failure = try_encode(*model, b.batch, b.pooling, false, out);
        ASSERT_TRUE(failure);
        EXPECT_EQ(failure->code, b.code);
        EXPECT_NE(failure->message.find(b.mentions), std::string::npos) << failure->message;
    }
    EXPECT_EQ(encode(*model, {c.batch[0]}, GANTRY_POOLING_DEFAULT, false), before);
}

TEST_P(Conformance, EncodersThatAreNotWhatTheySayAreRefused) {
    struct Bad {
        std::function<void(TestModel&)> spoil;
        const char* mentions;
    };
    const auto drop = [](const char* name) {
        return [name](TestModel& m) { std::erase_if(m.tensors, [name](const auto& t) { return t.name == name; }); };
    };
    const std::vector<Bad> bad = {
        {[](TestModel& m) { m.architecture = "perceptron"; }, "perceptron"},
        {[](TestModel& m) { m.hyper["encoder.pooling"] = std::string("max"); }, "encoder.pooling"},
        {[](TestModel& m) { m.hyper["norm.kind"] = std::string("batch"); }, "norm.kind"},
        {[](TestModel& m) { m.hyper["position.offset"] = int64_t{7}; }, "position.count"},
        {[](TestModel& m) { m.hyper["position.count"] = int64_t{41}; }, "position_embd.weight"},
        {drop("layers.1.attn_q.bias"), "layers.1.attn_q.bias"},
        {drop("layers.0.ffn_post_norm.bias"), "layers.0.ffn_post_norm.bias"},
        {drop("type_embd.weight"), "type_embd.weight"},
        {[](TestModel& m) {
             TestTensor t = m.tensor("layers.0.attn_q.bias");
             t.name = "layers.0.attn_q_norm.weight";
             m.tensors.push_back(t);
         },
         "layers.0.attn_q_norm.weight"},
    };
    for (const Bad& b : bad) {
        SCOPED_TRACE(b.mentions);
        EncoderCase c = read_encoder("bert");
        b.spoil(c.model);
        gantry_assessment_t needs{};
        const auto failure = plugin().assess(c.model, exact(plugin()), needs);
        ASSERT_TRUE(failure);
        EXPECT_NE(failure->message.find(b.mentions), std::string::npos) << failure->message;
    }
}

}  // namespace gantry::test
