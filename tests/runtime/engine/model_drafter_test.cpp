#include "runtime/engine/model_drafter.hpp"

#include <gtest/gtest.h>

#include "fakes.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

using testing::FakeModel;
using Tokens = std::vector<int32_t>;

/// What the fake model says greedily after `text`.
Tokens greedy(Tokens text, size_t count) {
    std::vector<float> row(32);
    Tokens out;
    while (out.size() < count) {
        testing::fake_logits(text, row);
        out.push_back(static_cast<int32_t>(std::ranges::max_element(row) - row.begin()));
        text.push_back(out.back());
    }
    return out;
}

class ModelDrafterTest : public ::testing::Test {
  protected:
    void make(ModelLimits limits) {
        auto model = std::make_unique<FakeModel>(limits);
        model_ = model.get();
        drafter_ = std::make_unique<ModelDrafter>(std::move(model), 32);
    }
    std::vector<Tokens> propose(std::vector<SequenceId> ids, uint32_t count) {
        std::vector<DraftRequest> requests(ids.size());
        for (size_t i = 0; i < ids.size(); ++i) {
            requests[i].id = ids[i];
            requests[i].max_tokens = count;
        }
        drafter_->propose(requests);
        EXPECT_EQ(model_->complaint, "");
        std::vector<Tokens> out;
        for (const DraftRequest& r : requests) {
            EXPECT_TRUE(r.draft.is_chain());
            out.push_back(r.draft.tokens);
        }
        return out;
    }

    FakeModel* model_ = nullptr;
    std::unique_ptr<ModelDrafter> drafter_;
};

TEST_F(ModelDrafterTest, SaysWhatItsModelSays) {
    make(testing::small_limits());
    Tokens text{3, 1, 4};
    drafter_->begin(1, {}, text);
    EXPECT_EQ(propose({1}, 4)[0], greedy(text, 4));
    const uint64_t before = model_->executes;
    // Two of its guesses were right, then something else came.
    const Tokens next{greedy(text, 2)[0], greedy(text, 2)[1], 30};
    drafter_->append(1, next);
    text.insert(text.end(), next.begin(), next.end());
    EXPECT_EQ(propose({1}, 3)[0], greedy(text, 3));
    EXPECT_EQ(model_->executes - before, 3u) << "what was computed is not computed again";
}

TEST_F(ModelDrafterTest, BatchesItsSequences) {
    make(testing::small_limits());
    const Tokens a{3, 1, 4}, b{5, 9, 2, 6, 5};
    drafter_->begin(1, {}, a);
    drafter_->begin(2, {}, b);
    EXPECT_EQ(propose({1, 2}, 3), (std::vector<Tokens>{greedy(a, 3), greedy(b, 3)}));
    EXPECT_EQ(model_->executes, 3u);
}

TEST_F(ModelDrafterTest, ReadsALongTextOverSeveralProposals) {
    make(testing::small_limits());
    Tokens text;
    for (int32_t i = 0; i < 70; ++i) {
        text.push_back(i % 30 + 1);
    }
    drafter_->begin(1, {}, text);
    EXPECT_TRUE(propose({1}, 3)[0].empty());
    EXPECT_TRUE(propose({1}, 3)[0].empty());
    EXPECT_EQ(propose({1}, 3)[0], greedy(text, 3));
}

TEST_F(ModelDrafterTest, TakesBlocksFromThoseWhoWereNotAskedFor) {
    ModelLimits limits = testing::small_limits();
    limits.block_count = 3;  // of 4 tokens
    make(limits);
    const Tokens a{1, 2, 3, 4, 5, 6}, b{9, 8, 7, 6, 5, 4};
    drafter_->begin(1, {}, a);
    drafter_->begin(2, {}, b);
    EXPECT_EQ(propose({1}, 2)[0], greedy(a, 2));
    EXPECT_EQ(propose({2}, 2)[0], greedy(b, 2));
    EXPECT_EQ(propose({1}, 2)[0], greedy(a, 2));
    drafter_->end(1);
    drafter_->end(2);
    drafter_->begin(3, {}, Tokens(20, 1));
    EXPECT_TRUE(propose({3}, 2)[0].empty());
}

TEST_F(ModelDrafterTest, IsSilentAfterItsModelHasFailed) {
    make(testing::small_limits());
    model_->before_execute = [](const gantry_batch_t&) -> Status { return Error{Code::kInternal, "broken"}; };
    drafter_->begin(1, {}, Tokens{1, 2});
    EXPECT_TRUE(propose({1}, 2)[0].empty());
    const uint64_t executes = model_->executes;
    EXPECT_TRUE(propose({1}, 2)[0].empty());
    EXPECT_EQ(model_->executes, executes);
}

TEST_F(ModelDrafterTest, MakesTheEngineAsFastAsItIsRight) {
    EngineOptions options;
    options.speculative = DraftSource::kDraft;
    options.draft_adaptive = false;
    options.draft_tokens = 4;
    options.drafter = std::make_shared<ModelDrafter>(std::make_unique<FakeModel>(testing::small_limits()), 32);
    auto model = std::make_unique<FakeModel>(testing::small_limits());
    FakeModel* const large = model.get();
    EngineCore core(std::move(model), testing::small_tokenizer(), options);
    EngineRequest request;
    request.id = "a";
    request.prompt = {3, 1, 4};
    request.params.sampling.temperature = 0;
    request.params.max_tokens = 21;
    request.params.ignore_eos = true;
    testing::Transcript transcript;
    core.add(request, [&](auto events) { transcript.take(events); });
    while (core.step()) {
    }
    EXPECT_EQ(transcript.answers.at(0).ids, greedy(request.prompt, 21));
    EXPECT_EQ(large->executes, 5u) << "one for the prompt, then five tokens a step";
}

}  // namespace
}  // namespace gantry::engine
