// What must not matter: how a prompt is cut into steps, batch mates, which blocks are used, where they were copied.

#include "tests/plugins/conformance_test.hpp"

namespace gantry::test {
namespace {

/// The manifest borrows f32, so a case is started only where it will stay.
struct Case {
    Golden golden;
    TestModel f32;
    Rows expected;  ///< of the prompt in one step
    std::unique_ptr<Model> model;
};

Case make_case(const std::string& name) {
    Case c{read_golden(name), {}, {}, nullptr};
    c.f32 = c.golden.model.as_f32();
    return c;
}

void start(const Plugin& plugin, Case& c) {
    c.model = plugin.load(c.f32);
    c.expected = run(*c.model, Part{c.golden.prompt, 0, blocks_from(0, 4)});
}

std::vector<int32_t> slice(const std::vector<int32_t>& v, size_t begin, size_t end) {
    return {v.begin() + static_cast<std::ptrdiff_t>(begin), v.begin() + static_cast<std::ptrdiff_t>(end)};
}

const std::vector<std::string> kModels = {"llama", "mistral"};  // one with a sliding window

}  // namespace

TEST_P(Conformance, ChunkedPrefillEqualsOneShot) {
    for (const auto& name : golden_names()) {
        SCOPED_TRACE(name);
        Case c = make_case(name);
        start(plugin(), c);
        for (const size_t chunk : {1U, 3U, 8U, 13U}) {
            SCOPED_TRACE(chunk);
            Rows got;
            for (size_t at = 0; at < c.golden.prompt.size(); at += chunk) {
                const size_t end = std::min(at + chunk, c.golden.prompt.size());
                const Part part{slice(c.golden.prompt, at, end), static_cast<uint32_t>(at), blocks_from(10, 4)};
                for (auto& row : run(*c.model, part)) got.push_back(std::move(row));
            }
            EXPECT_LE(difference(got, c.expected), own_tolerance());
        }
    }
}

TEST_P(Conformance, LogitsOfOneRowAreThoseOfAllRows) {
    Case c = make_case("llama");
    start(plugin(), c);
    Part part{c.golden.prompt, 0, blocks_from(20, 4)};
    part.last_row_only = true;
    EXPECT_LE(difference(run(*c.model, part).front(), c.expected.back()), own_tolerance());
}

TEST_P(Conformance, BatchMatesDoNotMatter) {
    for (const auto& name : kModels) {
        SCOPED_TRACE(name);
        Case c = make_case(name);
        start(plugin(), c);
        const auto& prompt = c.golden.prompt;
        // A decode, a chunk, a fresh prompt and a single token together.
        run(*c.model, Part{slice(prompt, 0, 20), 0, blocks_from(10, 4)});
        run(*c.model, Part{slice(prompt, 0, 7), 0, blocks_from(20, 4)});
        const auto got =
            run(*c.model,
                {Part{slice(prompt, 20, 21), 20, blocks_from(10, 4)}, Part{slice(prompt, 7, 18), 7, blocks_from(20, 4)},
                 Part{prompt, 0, blocks_from(30, 4)}, Part{slice(prompt, 0, 1), 0, blocks_from(40, 1)}});
        EXPECT_LE(difference(got[0].front(), c.expected[20]), own_tolerance());
        for (size_t i = 0; i < 11; ++i) EXPECT_LE(difference(got[1][i], c.expected[7 + i]), own_tolerance());
        EXPECT_LE(difference(got[2], c.expected), own_tolerance());
        EXPECT_LE(difference(got[3].front(), c.expected[0]), own_tolerance());
    }
}

TEST_P(Conformance, DeterministicStepsGiveTheSameBits) {
    Case c = make_case("llama");
    start(plugin(), c);
    if (!has(*c.model, GANTRY_CAUSAL_LM_DETERMINISTIC)) GTEST_SKIP() << "the plugin does not promise it";
    const Part part{c.golden.prompt, 0, blocks_from(10, 4)};
    const Part mate{slice(c.golden.prompt, 3, 17), 0, blocks_from(20, 4)};
    const auto alone = run(*c.model, {part}, GANTRY_BATCH_DETERMINISTIC);
    const auto together = run(*c.model, {mate, part}, GANTRY_BATCH_DETERMINISTIC);
    EXPECT_EQ(alone[0], together[1]);
}

TEST_P(Conformance, PhysicalBlocksDoNotMatter) {
    for (const auto& name : kModels) {
        SCOPED_TRACE(name);
        Case c = make_case(name);
        start(plugin(), c);
        const std::vector<uint32_t> scattered = {63, 2, 40, 17};
        const auto& prompt = c.golden.prompt;
        Rows got = run(*c.model, Part{slice(prompt, 0, 15), 0, scattered});
        for (auto& row : run(*c.model, Part{slice(prompt, 15, prompt.size()), 15, scattered})) got.push_back(row);
        EXPECT_LE(difference(got, c.expected), own_tolerance());
    }
}

TEST_P(Conformance, CopiedBlocksContinueAlike) {
    Case c = make_case("mistral");
    start(plugin(), c);
    const auto& prompt = c.golden.prompt;
    run(*c.model, Part{slice(prompt, 0, 19), 0, blocks_from(10, 3)});
    const std::vector<uint32_t> src = {10, 11, 12, 30}, dst = {30, 31, 32, 33};  // in order: 33 becomes 10 too
    const gantry_copy_list_t list{GANTRY_SIZE(gantry_copy_list_t, dst), 4, src.data(), dst.data()};
    ASSERT_FALSE(take(c.model->lm().copy_blocks(c.model->get(), &list)));
    const Part from_copy{slice(prompt, 19, 29), 19, {33, 31, 32, 40}};
    const Rows got = run(*c.model, from_copy);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_LE(difference(got[i], c.expected[19 + i]), own_tolerance());
}

TEST_P(Conformance, CopiedSlotsContinueAlike) {
    Case c = make_case("llama");
    start(plugin(), c);
    if (c.model->lm().copy_slots == nullptr) GTEST_SKIP() << "the plugin copies no slots";
    const auto& prompt = c.golden.prompt;
    run(*c.model, Part{slice(prompt, 0, 19), 0, blocks_from(10, 3)});
    std::vector<uint32_t> src, dst;
    for (uint32_t i = 0; i < 19; ++i) {
        src.push_back(10 * 8 + i);
        dst.push_back(i < 8 ? 50 * 8 + i : 44 * 8 + i - 8);  // blocks 50, 44, 45
    }
    const gantry_copy_list_t list{GANTRY_SIZE(gantry_copy_list_t, dst), 19, src.data(), dst.data()};
    ASSERT_FALSE(take(c.model->lm().copy_slots(c.model->get(), &list)));
    const Rows got = run(*c.model, Part{slice(prompt, 19, 29), 19, {50, 44, 45, 46}});
    for (size_t i = 0; i < got.size(); ++i) EXPECT_LE(difference(got[i], c.expected[19 + i]), own_tolerance());
}

TEST_P(Conformance, BlocksThatTravelThroughTheHostContinueAlikeInAnotherModel) {
    Case c = make_case("llama");
    start(plugin(), c);
    const auto& lm = c.model->lm();
    if (lm.read_blocks == nullptr || lm.write_blocks == nullptr) GTEST_SKIP() << "the plugin moves no blocks";
    gantry_assessment_t assessment{};
    ASSERT_FALSE(plugin().assess(c.f32, {}, assessment));
    const uint64_t bytes = assessment.kv_bytes_per_block;
    std::vector<char> host(3 * bytes);
    run(*c.model, Part{slice(c.golden.prompt, 0, 19), 0, blocks_from(10, 3)});
    const std::vector<uint32_t> from = blocks_from(10, 3), to = {5, 1, 3};
    ASSERT_FALSE(take(lm.read_blocks(c.model->get(), from.data(), 3, host.data(), bytes)));

    const auto other = plugin().load(c.f32);
    ASSERT_NE(lm.block_identity, nullptr);
    const gantry_str_t mine = lm.block_identity(c.model->get()), theirs = lm.block_identity(other->get());
    EXPECT_EQ(std::string(mine.data, mine.size), std::string(theirs.data, theirs.size));
    ASSERT_FALSE(take(lm.write_blocks(other->get(), to.data(), 3, host.data(), bytes)));
    const Rows got = run(*other, Part{slice(c.golden.prompt, 19, 29), 19, {5, 1, 3, 9}});
    for (size_t i = 0; i < got.size(); ++i) EXPECT_LE(difference(got[i], c.expected[19 + i]), own_tolerance());

    const auto failure = take(lm.read_blocks(c.model->get(), from.data(), 3, host.data(), bytes - 1));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, GANTRY_ERR_INVALID_ARGUMENT);
}

TEST_P(Conformance, OtherWeightsHaveAnotherBlockIdentity) {
    const TestModel a = random_model(GANTRY_DTYPE_F16, 1), b = random_model(GANTRY_DTYPE_F16, 2);
    const auto one = plugin().load(a), two = plugin().load(b);
    if (one->lm().block_identity == nullptr) GTEST_SKIP() << "the plugin names no blocks";
    const gantry_str_t x = one->lm().block_identity(one->get()), y = two->lm().block_identity(two->get());
    EXPECT_NE(std::string(x.data, x.size), std::string(y.data, y.size));
}

// A tree of proposals after 19 tokens of context:
//
//     0 - 1 - 3
//      \- 2 - 4 - 5     and 6, a second child of the context
TEST_P(Conformance, TreeAttentionEqualsSeparateSequences) {
    const std::vector<int32_t> tokens = {11, 12, 13, 14, 15, 16, 17};
    const std::vector<int32_t> parents = {-1, 0, 0, 1, 2, 4, -1};
    const std::vector<std::vector<uint32_t>> paths = {{0, 1, 3}, {0, 2, 4, 5}, {6}};
    for (const auto& name : kModels) {
        SCOPED_TRACE(name);
        Case c = make_case(name);
        start(plugin(), c);
        if (!has(*c.model, GANTRY_CAUSAL_LM_TREE)) GTEST_SKIP() << "the plugin has no tree attention";
        const auto context = slice(c.golden.prompt, 0, 19);
        run(*c.model, Part{context, 0, blocks_from(10, 4)});
        Part tree{tokens, 19, blocks_from(10, 4), parents, {}, false};
        for (size_t i = 0; i < tokens.size(); ++i) {
            tree.positions.push_back(parents[i] < 0 ? 19 : tree.positions[static_cast<size_t>(parents[i])] + 1);
        }
        // A plain batch mate runs along.
        const auto got = run(*c.model, {Part{context, 0, blocks_from(30, 4)}, tree});
        EXPECT_LE(difference(got[0], {c.expected.begin(), c.expected.begin() + 19}), own_tolerance());

        for (const auto& path : paths) {
            auto sequence = context;
            for (const uint32_t t : path) sequence.push_back(tokens[t]);
            const Rows rows = run(*c.model, Part{sequence, 0, blocks_from(20, 4)});
            for (size_t i = 0; i < path.size(); ++i) {
                EXPECT_LE(difference(got[1][path[i]], rows[19 + i]), own_tolerance()) << "token " << path[i];
            }
        }
        // The path 0 2 4 5 is accepted: its slots move together and the sequence goes on.
        if (c.model->lm().copy_slots == nullptr) continue;
        const auto slot = [](uint32_t i) { return 10 * 8 + 19 + i; };
        const std::vector<uint32_t> src = {slot(2), slot(4), slot(5)}, dst = {slot(1), slot(2), slot(3)};
        const gantry_copy_list_t list{GANTRY_SIZE(gantry_copy_list_t, dst), 3, src.data(), dst.data()};
        ASSERT_FALSE(take(c.model->lm().copy_slots(c.model->get(), &list)));
        const Rows next = run(*c.model, Part{{42}, 23, blocks_from(10, 4)});
        auto sequence = context;
        for (const int32_t t : {11, 13, 15, 16, 42}) sequence.push_back(t);
        EXPECT_LE(difference(next.back(), run(*c.model, Part{sequence, 0, blocks_from(20, 4)}).back()),
                  own_tolerance());
    }
}

}  // namespace gantry::test
