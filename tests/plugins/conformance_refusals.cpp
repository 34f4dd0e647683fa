// Wrong input of every kind gets an error that names what is wrong, and the plugin goes on.

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "tests/plugins/conformance_test.hpp"

namespace gantry::test {
namespace {

struct BadModel {
    const char* what;
    std::function<void(TestModel&)> spoil;
    int32_t code;
    const char* mentions;
};

void set_float(TestTensor& t, size_t index, float value) { std::memcpy(t.data.data() + 4 * index, &value, 4); }

const std::vector<BadModel>& bad_models() {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    static const std::vector<BadModel> kModels = {
        {"unknown architecture", [](TestModel& m) { m.architecture = "perceptron"; }, GANTRY_ERR_UNIMPLEMENTED,
         "perceptron"},
        {"missing hyperparameter", [](TestModel& m) { m.hyper.erase("layer_count"); }, GANTRY_ERR_NOT_FOUND,
         "layer_count"},
        {"hyperparameter of the wrong type", [](TestModel& m) { m.hyper["hidden_size"] = std::string("wide"); },
         GANTRY_ERR_INVALID_ARGUMENT, "hidden_size"},
        {"absurd width", [](TestModel& m) { m.hyper["hidden_size"] = int64_t{1} << 40; }, GANTRY_ERR_INVALID_ARGUMENT,
         "hidden_size"},
        {"negative count", [](TestModel& m) { m.hyper["layer_count"] = int64_t{-1}; }, GANTRY_ERR_INVALID_ARGUMENT,
         "layer_count"},
        {"heads that do not divide", [](TestModel& m) { m.hyper["kv_head_count"] = int64_t{3}; },
         GANTRY_ERR_INVALID_ARGUMENT, "kv_head_count"},
        {"epsilon NaN", [nan](TestModel& m) { m.hyper["norm_eps"] = double{nan}; }, GANTRY_ERR_INVALID_ARGUMENT,
         "norm_eps"},
        {"unknown rope scaling", [](TestModel& m) { m.hyper["rope.scaling"] = std::string("wavy"); },
         GANTRY_ERR_UNIMPLEMENTED, "wavy"},
        {"missing tensor",
         [](TestModel& m) {
             std::erase_if(m.tensors, [](const auto& t) { return t.name == "layers.1.ffn_up.weight"; });
         },
         GANTRY_ERR_NOT_FOUND, "layers.1.ffn_up.weight"},
        {"surplus tensor",
         [](TestModel& m) {
             TestTensor t = m.tensor("output_norm.weight");
             t.name = "layers.0.mystery.weight";
             m.tensors.push_back(t);
         },
         GANTRY_ERR_INVALID_ARGUMENT, "layers.0.mystery.weight"},
        {"wrong shape",
         [](TestModel& m) {
             std::swap(m.tensor("layers.0.ffn_gate.weight").shape[0], m.tensor("layers.0.ffn_gate.weight").shape[1]);
         },
         GANTRY_ERR_INVALID_ARGUMENT, "[512, 256]"},
        {"wrong rank",
         [](TestModel& m) {
             m.tensor("output_norm.weight").shape = {1, 256};
         },
         GANTRY_ERR_INVALID_ARGUMENT, "output_norm.weight"},
        {"cut-off tensor", [](TestModel& m) { m.tensor("layers.0.attn_q.weight").data.resize(100); },
         GANTRY_ERR_INVALID_ARGUMENT, "layers.0.attn_q.weight"},
        {"unusable type", [](TestModel& m) { m.tensor("layers.0.attn_q.weight").dtype = GANTRY_DTYPE_I64; },
         GANTRY_ERR_UNIMPLEMENTED, "I64"},
        {"unknown type", [](TestModel& m) { m.tensor("layers.0.attn_q.weight").dtype = 4711; },
         GANTRY_ERR_UNIMPLEMENTED, "4711"},
    };
    return kModels;
}

/// NaN and infinity show only when the data is read, that is, in load.
const std::vector<BadModel>& bad_weights() {
    static const std::vector<BadModel> kModels = {
        {"NaN in a norm", [](TestModel& m) { set_float(m.tensor("layers.1.ffn_norm.weight"), 17, std::nanf("")); },
         GANTRY_ERR_DATA_LOSS, "layers.1.ffn_norm.weight"},
        {"infinity in a norm", [](TestModel& m) { set_float(m.tensor("output_norm.weight"), 0, HUGE_VALF); },
         GANTRY_ERR_DATA_LOSS, "output_norm.weight"},
        {"NaN in a linear layer",
         [](TestModel& m) { set_float(m.tensor("layers.0.attn_v.weight"), 1234, std::nanf("")); }, GANTRY_ERR_DATA_LOSS,
         "layers.0.attn_v.weight"},
    };
    return kModels;
}

struct BadArgs {
    const char* what;
    std::function<void(LoadArgs&)> spoil;
    int32_t code;
    const char* mentions;
};

const std::vector<BadArgs>& bad_args() {
    static const std::vector<BadArgs> kArgs = {
        {"unknown option", [](LoadArgs& a) { a.options["kv_dtyp"] = "f32"; }, GANTRY_ERR_INVALID_ARGUMENT, "kv_dtyp"},
        {"unknown KV type", [](LoadArgs& a) { a.options["kv_dtype"] = "f7"; }, GANTRY_ERR_INVALID_ARGUMENT, "f7"},
        {"no threads", [](LoadArgs& a) { a.options["threads"] = "0"; }, GANTRY_ERR_INVALID_ARGUMENT, "threads"},
        {"threads in words", [](LoadArgs& a) { a.options["threads"] = "many"; }, GANTRY_ERR_INVALID_ARGUMENT, "many"},
        {"absurd threads", [](LoadArgs& a) { a.options["threads"] = "1000000"; }, GANTRY_ERR_INVALID_ARGUMENT,
         "threads"},
        {"context beyond the model", [](LoadArgs& a) { a.max_context = 1 << 30; }, GANTRY_ERR_INVALID_ARGUMENT,
         "max_context"},
        {"absurd block size", [](LoadArgs& a) { a.block_size = 1 << 30; }, GANTRY_ERR_INVALID_ARGUMENT, "block_size"},
        {"absurd step", [](LoadArgs& a) { a.max_step_tokens = 0xffffffff; }, GANTRY_ERR_INVALID_ARGUMENT,
         "max_step_tokens"},
        {"no such device", [](LoadArgs& a) { a.devices = {99}; }, GANTRY_ERR_INVALID_ARGUMENT, "99"},
    };
    return kArgs;
}

struct BadBatch {
    const char* what;
    std::function<void(gantry_batch_t&)> spoil;
    const char* mentions;
};

// The good batch: sequences of 3 and 2 tokens, contexts 0 and 4, a block table of one block each.
const int32_t kBadId[] = {1, 2, 128, 4, 5}, kNegativeId[] = {1, -2, 3, 4, 5};
const uint32_t kFalling[] = {0, 4, 3}, kShortBegin[] = {0, 3, 4}, kLateBegin[] = {1, 3, 5}, kEmpty[] = {0, 0, 5};
const uint32_t kHugeContext[] = {0, 4000000000U}, kTightContext[] = {0, 7};
const uint32_t kBadBlocks[] = {0, 64}, kSharedBlocks[] = {5, 5}, kFallingBlocks[] = {0, 2, 1};
const uint32_t kBadRows[] = {2, 9}, kFallingRows[] = {4, 2}, kBadPositions[] = {0, 1, 2, 4, 1000000};
const int32_t kForwardTree[] = {-1, 2, 1, -1, 0}, kBadTree[] = {-1, -2, 1, -1, 0};
const uint32_t kAdapters[] = {0, 3};

const std::vector<BadBatch>& bad_batches() {
    static const std::vector<BadBatch> kBatches = {
        {"no sequence", [](gantry_batch_t& b) { b.sequence_count = 0; }, "empty"},
        {"no tokens", [](gantry_batch_t& b) { b.token_count = 0; }, "empty"},
        {"too many sequences", [](gantry_batch_t& b) { b.sequence_count = 1000; }, "max_sequences"},
        {"too many tokens", [](gantry_batch_t& b) { b.token_count = 1000; }, "max_step_tokens"},
        {"too many rows", [](gantry_batch_t& b) { b.logit_row_count = 1000; }, "max_logit_rows"},
        {"no ids", [](gantry_batch_t& b) { b.token_ids = nullptr; }, "token_ids"},
        {"id beyond the vocabulary", [](gantry_batch_t& b) { b.token_ids = kBadId; }, "128"},
        {"negative id", [](gantry_batch_t& b) { b.token_ids = kNegativeId; }, "-2"},
        {"falling offsets", [](gantry_batch_t& b) { b.token_begin = kFalling; }, "token range"},
        {"offsets that end early", [](gantry_batch_t& b) { b.token_begin = kShortBegin; }, "token_begin"},
        {"offsets that begin late", [](gantry_batch_t& b) { b.token_begin = kLateBegin; }, "token_begin"},
        {"a sequence without tokens", [](gantry_batch_t& b) { b.token_begin = kEmpty; }, "sequence 0"},
        {"context beyond the model", [](gantry_batch_t& b) { b.context_len = kHugeContext; }, "max_context"},
        {"too few blocks", [](gantry_batch_t& b) { b.context_len = kTightContext; }, "2 needed"},
        {"block beyond the cache", [](gantry_batch_t& b) { b.block_ids = kBadBlocks; }, "block 64"},
        {"two writers of one block", [](gantry_batch_t& b) { b.block_ids = kSharedBlocks; }, "block 5"},
        {"falling block offsets", [](gantry_batch_t& b) { b.block_begin = kFallingBlocks; }, "block_begin"},
        {"row beyond the tokens", [](gantry_batch_t& b) { b.logit_rows = kBadRows; }, "logit_rows"},
        {"falling rows", [](gantry_batch_t& b) { b.logit_rows = kFallingRows; }, "logit_rows"},
        {"nowhere to put logits", [](gantry_batch_t& b) { b.logits = nullptr; }, "logits"},
        {"position beyond the context", [](gantry_batch_t& b) { b.positions = kBadPositions; }, "position"},
        {"a parent that comes later", [](gantry_batch_t& b) { b.tree_parent = kForwardTree; }, "tree_parent"},
        {"a parent that cannot be", [](gantry_batch_t& b) { b.tree_parent = kBadTree; }, "tree_parent"},
        {"an adapter", [](gantry_batch_t& b) { b.adapter_ids = kAdapters; }, "adapter"},
        {"unknown flags", [](gantry_batch_t& b) { b.flags = 0x80000000U; }, "flags"},
    };
    return kBatches;
}

}  // namespace

TEST_P(Conformance, BadModelsAreRefusedByAssessAndLoad) {
    for (const BadModel& bad : bad_models()) {
        SCOPED_TRACE(bad.what);
        TestModel model = random_model(GANTRY_DTYPE_F32, 5);
        bad.spoil(model);
        gantry_assessment_t assessment{};
        std::unique_ptr<Model> out;
        for (const auto& failure : {plugin().assess(model, {}, assessment), plugin().load(model, {}, out)}) {
            ASSERT_TRUE(failure);
            EXPECT_EQ(failure->code, bad.code) << failure->message;
            EXPECT_NE(failure->message.find(bad.mentions), std::string::npos) << failure->message;
        }
    }
}

TEST_P(Conformance, WeightsThatAreNoNumbersAreRefused) {
    for (const BadModel& bad : bad_weights()) {
        SCOPED_TRACE(bad.what);
        TestModel model = random_model(GANTRY_DTYPE_F32, 5);
        bad.spoil(model);
        std::unique_ptr<Model> out;
        const auto failure = plugin().load(model, {}, out);
        ASSERT_TRUE(failure);
        EXPECT_EQ(failure->code, bad.code) << failure->message;
        EXPECT_NE(failure->message.find(bad.mentions), std::string::npos) << failure->message;
    }
}

TEST_P(Conformance, AbsurdOptionsAndLimitsAreRefused) {
    const TestModel model = random_model(GANTRY_DTYPE_F32, 5);
    for (const BadArgs& bad : bad_args()) {
        SCOPED_TRACE(bad.what);
        LoadArgs args;
        bad.spoil(args);
        gantry_assessment_t assessment{};
        std::unique_ptr<Model> out;
        for (const auto& failure : {plugin().assess(model, args, assessment), plugin().load(model, args, out)}) {
            ASSERT_TRUE(failure);
            EXPECT_EQ(failure->code, bad.code) << failure->message;
            EXPECT_NE(failure->message.find(bad.mentions), std::string::npos) << failure->message;
        }
    }
}

TEST_P(Conformance, AnUnknownOptionNamesTheNearestKnownOne) {
    LoadArgs args;
    args.options = {{"kv_dtyp", "f32"}};
    gantry_assessment_t assessment{};
    const auto failure = plugin().assess(random_model(GANTRY_DTYPE_F32, 5), args, assessment);
    ASSERT_TRUE(failure);
    EXPECT_NE((failure->message + failure->hint).find("'kv_dtype'"), std::string::npos) << failure->hint;
}

TEST_P(Conformance, OptionsOfOtherPluginsAreSkippedAndOwnOnesMayCarryTheId) {
    LoadArgs args;
    args.options = {{"another.whatever", "1"}, {plugin().id() + ".kv_dtype", "f32"}};
    gantry_assessment_t assessment{};
    EXPECT_FALSE(plugin().assess(random_model(GANTRY_DTYPE_F32, 5), args, assessment));
    args.options = {{plugin().id() + ".nonsense", "1"}};
    EXPECT_TRUE(plugin().assess(random_model(GANTRY_DTYPE_F32, 5), args, assessment));
}

TEST_P(Conformance, ACacheThatCannotFitIsRefusedWithTheSum) {
    const TestModel model = random_model(GANTRY_DTYPE_F32, 5);
    for (const uint64_t blocks : {uint64_t{1} << 28, ~uint64_t{0}}) {
        LoadArgs args;
        args.block_count = blocks;
        std::unique_ptr<Model> out;
        const auto failure = plugin().load(model, args, out);
        ASSERT_TRUE(failure);
        EXPECT_TRUE(failure->code == GANTRY_ERR_OUT_OF_MEMORY || failure->code == GANTRY_ERR_INVALID_ARGUMENT);
        EXPECT_NE(failure->message.find(std::to_string(blocks)), std::string::npos) << failure->message;
    }
}

TEST_P(Conformance, BadBatchesAreRefusedAndTheModelGoesOn) {
    const TestModel f32 = random_model(GANTRY_DTYPE_F32, 5);
    const auto model = plugin().load(f32);
    const int32_t ids[] = {1, 2, 3, 4, 5};
    const uint32_t token_begin[] = {0, 3, 5}, context[] = {0, 4}, block_begin[] = {0, 1, 2}, blocks[] = {0, 1};
    const uint32_t rows[] = {2, 4};
    std::vector<float> logits(2 * 128);
    gantry_batch_t good{};
    good.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
    good.sequence_count = 2;
    good.token_count = 5;
    good.logit_row_count = 2;
    good.token_ids = ids;
    good.token_begin = token_begin;
    good.context_len = context;
    good.block_begin = block_begin;
    good.block_ids = blocks;
    good.logit_rows = rows;
    good.logits = logits.data();
    run(*model, Part{{7, 8, 9, 10}, 0, {1}});
    ASSERT_FALSE(take(model->lm().execute(model->get(), &good)));
    const std::vector<float> expected = logits;
    for (const BadBatch& bad : bad_batches()) {
        SCOPED_TRACE(bad.what);
        gantry_batch_t batch = good;
        bad.spoil(batch);
        std::fill(logits.begin(), logits.end(), 0.0F);
        const auto failure = take(model->lm().execute(model->get(), &batch));
        ASSERT_TRUE(failure);
        EXPECT_TRUE(failure->code == GANTRY_ERR_INVALID_ARGUMENT || failure->code == GANTRY_ERR_UNIMPLEMENTED);
        EXPECT_NE(failure->message.find(bad.mentions), std::string::npos) << failure->message;
        ASSERT_FALSE(take(model->lm().execute(model->get(), &good)));
        EXPECT_LE(difference(logits, expected), own_tolerance());
    }
    EXPECT_TRUE(take(model->lm().execute(model->get(), nullptr)));
    const uint32_t far = 64, near = 0;
    const gantry_copy_list_t list{GANTRY_SIZE(gantry_copy_list_t, dst), 1, &near, &far};
    EXPECT_TRUE(take(model->lm().copy_blocks(model->get(), &list)));
}

}  // namespace gantry::test
