// Results against transformers (golden files) and against the reference plugin.

#include <algorithm>
#include <cstdlib>
#include <gantry/transformer/dequantize.hpp>

#include "tests/plugins/conformance_test.hpp"

namespace gantry::test {
namespace {

Rows rows_of(const std::vector<float>& flat, size_t width) {
    Rows out;
    for (size_t i = 0; i < flat.size(); i += width) {
        out.emplace_back(flat.begin() + static_cast<std::ptrdiff_t>(i),
                         flat.begin() + static_cast<std::ptrdiff_t>(i + width));
    }
    return out;
}

/// Prompt and answer of the golden models: 29 + 64 tokens in blocks of 8.
const std::vector<uint32_t> kBlocks = blocks_from(3, 12);

}  // namespace

TEST_P(Conformance, PrefillGivesTheLogitsOfTransformers) {
    for (const auto& name : golden_names()) {
        SCOPED_TRACE(name);
        const Golden golden = read_golden(name);
        const TestModel f32 = golden.model.as_f32();
        const auto model = plugin().load(f32);
        const Rows got = run(*model, Part{golden.prompt, 0, kBlocks});
        EXPECT_LE(difference(got, rows_of(golden.logits, model->info().vocab_size)), tolerance(GANTRY_DTYPE_F32));
    }
}

TEST_P(Conformance, WeightsAsStoredGiveTheLogitsOfTransformers) {
    for (const auto& name : golden_names()) {
        SCOPED_TRACE(name);
        const Golden golden = read_golden(name);
        const auto model = plugin().load(golden.model);
        const Rows got = run(*model, Part{golden.prompt, 0, kBlocks});
        const int32_t dtype = golden.model.tensor("token_embd.weight").dtype;
        EXPECT_LE(difference(got, rows_of(golden.logits, model->info().vocab_size)), tolerance(dtype));
    }
}

TEST_P(Conformance, GreedyDecodingOver64StepsGivesTheTokensOfTransformers) {
    for (const auto& name : golden_names()) {
        SCOPED_TRACE(name);
        const Golden golden = read_golden(name);
        const TestModel f32 = golden.model.as_f32();
        const auto model = plugin().load(f32);
        const Rows kept = rows_of(golden.greedy_logits, model->info().vocab_size);
        auto context = static_cast<uint32_t>(golden.prompt.size());
        std::vector<float> row = run(*model, Part{golden.prompt, 0, kBlocks}).back();
        size_t next_kept = 0;
        for (size_t step = 0; step < golden.greedy.size(); ++step) {
            if (next_kept < kept.size() && Golden::kKeptSteps[next_kept] == step) {
                EXPECT_LE(difference(row, kept[next_kept++]), tolerance(GANTRY_DTYPE_F32)) << "step " << step;
            }
            const int32_t token = argmax(row);
            ASSERT_EQ(token, golden.greedy[step]) << "step " << step;
            row = run(*model, Part{{token}, context++, kBlocks}).back();
        }
    }
}

TEST_P(Conformance, EveryWeightTypeAgreesWithTheOracleOnTheDecodedWeights) {
    if (plugin().id() == "gpu-emulated" && std::getenv("GANTRY_CONFORMANCE_SLOW") == nullptr) {
        GTEST_SKIP() << "takes minutes under the emulator; GANTRY_CONFORMANCE_SLOW=1 runs it";
    }
    const Plugin oracle(built_plugin("reference"));
    std::vector<int32_t> prompt;
    for (int32_t i = 0; i < 24; ++i) prompt.push_back((i * 37 + 11) % 128);
    for (const int32_t dtype :
         {GANTRY_DTYPE_F32, GANTRY_DTYPE_F16, GANTRY_DTYPE_BF16, GANTRY_DTYPE_Q8_0, GANTRY_DTYPE_Q4_0,
          GANTRY_DTYPE_Q4_1, GANTRY_DTYPE_Q5_0, GANTRY_DTYPE_Q5_1, GANTRY_DTYPE_Q4_K, GANTRY_DTYPE_Q5_K,
          GANTRY_DTYPE_Q6_K, GANTRY_DTYPE_Q2_K, GANTRY_DTYPE_Q3_K, GANTRY_DTYPE_IQ4_NL, GANTRY_DTYPE_IQ4_XS,
          GANTRY_DTYPE_IQ2_XXS, GANTRY_DTYPE_IQ3_XXS, GANTRY_DTYPE_IQ3_S, GANTRY_DTYPE_MXFP4}) {
        for (const bool tied : {false, true}) {
            SCOPED_TRACE(std::string(transformer::type_traits(dtype).name) + (tied ? ", tied" : ""));
            const TestModel stored = random_model(dtype, 7, tied);
            const TestModel decoded = stored.as_f32();
            const auto expected_model = oracle.load(decoded);
            const Rows expected = run(*expected_model, Part{prompt, 0, blocks_from(0, 4)});
            const auto model = plugin().load(stored);
            // Prefill and decode may take different kernels.
            EXPECT_LE(difference(run(*model, Part{prompt, 0, blocks_from(0, 4)}), expected), tolerance(dtype));
            Rows one_by_one;
            for (uint32_t t = 0; t < prompt.size(); ++t) {
                one_by_one.push_back(run(*model, Part{{prompt[t]}, t, blocks_from(8, 4)}).front());
            }
            EXPECT_LE(difference(one_by_one, expected), tolerance(dtype));
        }
    }
}

// GGUF's llama stores query and key rows so that the rotated pairs are neighbours.
TEST_P(Conformance, InterleavedRotationOfPermutedWeightsGivesTheSameLogits) {
    const Golden golden = read_golden("llama");
    TestModel permuted = golden.model;
    permuted.hyper["rope.style"] = std::string("interleaved");
    const auto head_dim = static_cast<size_t>(permuted.integer("head_dim"));
    for (TestTensor& t : permuted.tensors) {
        if (!t.name.ends_with("attn_q.weight") && !t.name.ends_with("attn_k.weight")) continue;
        const std::vector<char> old = t.data;
        const size_t row = old.size() / t.shape[0];
        for (size_t r = 0; r < t.shape[0]; ++r) {
            const size_t within = r % head_dim;
            const size_t from = r - within + within / 2 + (within % 2) * head_dim / 2;
            std::copy_n(old.data() + from * row, row, t.data.data() + r * row);
        }
    }
    const auto model = plugin().load(permuted);
    const Rows got = run(*model, Part{golden.prompt, 0, kBlocks});
    EXPECT_LE(difference(got, rows_of(golden.logits, 160)), tolerance(GANTRY_DTYPE_F32));
}

TEST_P(Conformance, SmallerKvTypesStayNearTheFullOne) {
    const Golden golden = read_golden("llama");
    const Rows expected = rows_of(golden.logits, 160);
    for (const auto& [kv, bound] :
         std::vector<std::pair<std::string, float>>{{"f16", 0.02F}, {"bf16", 0.2F}, {"q8_0", 0.5F}, {"q4_0", 8.0F}}) {
        SCOPED_TRACE(kv);
        LoadArgs args;
        args.options["kv_dtype"] = kv;
        std::unique_ptr<Model> model;
        if (const auto failure = plugin().load(golden.model, args, model)) {
            EXPECT_TRUE(failure->code == GANTRY_ERR_UNIMPLEMENTED || failure->code == GANTRY_ERR_INVALID_ARGUMENT);
            EXPECT_NE(failure->message.find(kv), std::string::npos) << failure->message;
            continue;
        }
        EXPECT_LE(difference(run(*model, Part{golden.prompt, 0, kBlocks}), expected), bound);
    }
}

TEST_P(Conformance, InputEmbeddingsStandInForTokens) {
    const Golden golden = read_golden("qwen2");
    const TestModel f32 = golden.model.as_f32();
    const auto model = plugin().load(f32);
    if (!has(*model, GANTRY_CAUSAL_LM_EMBEDDINGS)) GTEST_SKIP() << "the plugin takes no input embeddings";
    const Rows expected = run(*model, Part{golden.prompt, 0, kBlocks});

    const auto count = static_cast<uint32_t>(golden.prompt.size());
    const size_t hidden = model->info().hidden_size;
    const size_t vocab = model->info().vocab_size;
    const std::vector<float> table = f32.values("token_embd.weight");
    std::vector<int32_t> ids = golden.prompt;
    std::vector<uint32_t> embedded, rows;
    std::vector<float> embeddings;
    for (uint32_t t = 0; t < count; ++t) {
        rows.push_back(t);
        if (t % 3 != 1) continue;
        const auto row = table.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(ids[t]) * hidden);
        embeddings.insert(embeddings.end(), row, row + static_cast<std::ptrdiff_t>(hidden));
        embedded.push_back(t);
        ids[t] = -1;  // ignored
    }
    const std::vector<uint32_t> token_begin = {0, count};
    const std::vector<uint32_t> block_begin = {0, static_cast<uint32_t>(kBlocks.size())};
    const uint32_t context = 0;
    std::vector<float> logits(count * vocab), states(count * hidden);
    gantry_batch_t b{};
    b.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
    b.sequence_count = 1;
    b.token_count = b.logit_row_count = count;
    b.token_ids = ids.data();
    b.token_begin = token_begin.data();
    b.context_len = &context;
    b.block_begin = block_begin.data();
    b.block_ids = kBlocks.data();
    b.logit_rows = rows.data();
    b.logits = logits.data();
    b.embeddings = embeddings.data();
    b.embedding_rows = embedded.data();
    b.embedding_count = static_cast<uint32_t>(embedded.size());
    b.hidden = has(*model, GANTRY_CAUSAL_LM_HIDDEN) ? states.data() : nullptr;
    ASSERT_FALSE(take(model->lm().execute(model->get(), &b)));
    EXPECT_LE(difference(rows_of(logits, vocab), expected), own_tolerance());
    if (b.hidden == nullptr) return;

    // The hidden state is what the (tied) output head is applied to.
    for (uint32_t t = 0; t < count; t += 7) {
        for (size_t v = 0; v < vocab; ++v) {
            double sum = 0;
            for (size_t i = 0; i < hidden; ++i) sum += double{states[t * hidden + i]} * double{table[v * hidden + i]};
            ASSERT_NEAR(sum, logits[t * vocab + v], static_cast<double>(own_tolerance()));
        }
    }
}

}  // namespace gantry::test
