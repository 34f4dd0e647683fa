#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "runtime/engine/ngram_drafter.hpp"
#include "runtime/engine/suffix_drafter.hpp"

namespace gantry::engine {
namespace {

using Tokens = std::vector<int32_t>;

DraftTree propose(Drafter& drafter, SequenceId id, uint32_t count, bool trees = false) {
    DraftRequest request;
    request.id = id;
    request.max_tokens = count;
    request.trees = trees;
    drafter.propose({&request, 1});
    return request.draft;
}

struct Kind {
    const char* name;
    std::unique_ptr<Drafter> (*make)();
};

class TextDrafters : public ::testing::TestWithParam<Kind> {
  protected:
    std::unique_ptr<Drafter> drafter_ = GetParam().make();
};

TEST_P(TextDrafters, DraftWhatFollowedTheLastTime) {
    drafter_->begin(1, {}, Tokens{5, 6, 7, 8, 9, 1, 5, 6});
    EXPECT_EQ(propose(*drafter_, 1, 3).tokens, (Tokens{7, 8, 9}));
}

TEST_P(TextDrafters, DraftNothingWhereNothingRepeats) {
    drafter_->begin(1, {}, Tokens{1, 2, 3, 4, 5});
    EXPECT_TRUE(propose(*drafter_, 1, 4).empty());
}

TEST_P(TextDrafters, PreferTheLaterPlace) {
    drafter_->begin(1, {}, Tokens{5, 6, 1, 0, 5, 6, 2, 3, 5, 6});
    EXPECT_EQ(propose(*drafter_, 1, 1).tokens, (Tokens{2}));
}

TEST_P(TextDrafters, PreferTheLongerMatch) {
    drafter_->begin(1, {}, Tokens{4, 5, 6, 1, 9, 5, 6, 2, 3, 4, 5, 6});
    EXPECT_EQ(propose(*drafter_, 1, 1).tokens, (Tokens{1}));
}

TEST_P(TextDrafters, GoRoundInAShortLoop) {
    drafter_->begin(1, {}, Tokens{1, 2, 3, 1, 2, 3});
    EXPECT_EQ(propose(*drafter_, 1, 7).tokens, (Tokens{1, 2, 3, 1, 2, 3, 1}));
}

TEST_P(TextDrafters, LearnWhatIsAppended) {
    drafter_->begin(1, {}, Tokens{1, 2, 3});
    drafter_->append(1, Tokens{4, 5, 1});
    drafter_->append(1, Tokens{2});
    EXPECT_EQ(propose(*drafter_, 1, 2).tokens, (Tokens{3, 4}));
}

TEST_P(TextDrafters, QuoteTheHintButNotItsEnd) {
    drafter_->begin(1, Tokens{20, 21, 22, 23}, Tokens{1, 2, 20, 21});
    EXPECT_EQ(propose(*drafter_, 1, 5).tokens, (Tokens{22, 23}));
}

TEST_P(TextDrafters, KeepSequencesApartAndForgetThem) {
    drafter_->begin(1, {}, Tokens{1, 2, 3, 1, 2});
    drafter_->begin(2, {}, Tokens{1, 2, 9, 1, 2});
    EXPECT_EQ(propose(*drafter_, 1, 1).tokens, (Tokens{3}));
    EXPECT_EQ(propose(*drafter_, 2, 1).tokens, (Tokens{9}));
    drafter_->end(1);
    drafter_->end(7);
    drafter_->begin(1, {}, Tokens{1, 2});
    EXPECT_TRUE(propose(*drafter_, 1, 1).empty());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, TextDrafters,
    ::testing::Values(Kind{"ngram", [] { return std::unique_ptr<Drafter>(std::make_unique<NgramDrafter>()); }},
                      Kind{"suffix", [] { return std::unique_ptr<Drafter>(std::make_unique<SuffixDrafter>()); }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(NgramDrafter, TakesUpAHintAfterOneToken) {
    NgramDrafter drafter;
    drafter.begin(1, Tokens{20, 21, 22}, Tokens{1, 2, 20});
    EXPECT_EQ(propose(drafter, 1, 5).tokens, (Tokens{21, 22}));
}

TEST(NgramDrafter, TakesNoShorterTextForALongerOne) {
    // With a weaker hash the texts [1] and [2, 0] had the same, and what stands before the hint was read.
    NgramDrafter drafter;
    drafter.begin(1, Tokens{1, 9}, Tokens{3, 2, 0});
    EXPECT_TRUE(propose(drafter, 1, 5).tokens.empty());
}

TEST(SuffixDrafter, GivesBranchesWhereShorterEndsWentOnOtherwise) {
    SuffixDrafter drafter;
    drafter.begin(1, {}, Tokens{4, 5, 6, 1, 2, 3, 9, 5, 6, 7, 8, 0, 4, 5, 6});
    const DraftTree tree = propose(drafter, 1, 8, true);
    EXPECT_FALSE(tree.is_chain());
    EXPECT_TRUE(tree.child(DraftTree::kRoot, 1));
    EXPECT_TRUE(tree.child(DraftTree::kRoot, 7));
    EXPECT_EQ(tree.size(), 8u);
    EXPECT_TRUE(propose(drafter, 1, 8, false).is_chain());
}

TEST(SuffixDrafter, ForgetsTheOlderHalfOfATextThatIsTooLong) {
    SuffixDrafter drafter;
    drafter.begin(1, {}, Tokens{-5, -6, -7});
    Tokens filler(SuffixDrafter::kLongestText);
    for (size_t i = 0; i < filler.size(); ++i) {
        filler[i] = static_cast<int32_t>(i);
    }
    drafter.append(1, filler);
    drafter.append(1, Tokens{-5, -6});
    EXPECT_TRUE(propose(drafter, 1, 1).empty());
    const auto last = static_cast<int32_t>(filler.size()) - 3;
    drafter.append(1, Tokens{last, last + 1});
    EXPECT_EQ(propose(drafter, 1, 1).tokens, (Tokens{last + 2}));
}

TEST(SuffixAutomaton, FindsTheLongestEarlierEndOfAnyText) {
    std::mt19937 dice(11);
    for (int round = 0; round < 200; ++round) {
        SuffixAutomaton automaton;
        Tokens text;
        const auto alphabet = 1 + dice() % 5;
        for (int i = 0; i < 60; ++i) {
            text.push_back(static_cast<int32_t>(dice() % alphabet));
            automaton.push(text.back());
            size_t longest = 0;
            for (size_t end = 1; end < text.size(); ++end) {
                size_t length = 0;
                while (length < end && text[end - 1 - length] == text[text.size() - 1 - length]) {
                    ++length;
                }
                longest = std::max(longest, length);
            }
            const auto ends = automaton.earlier_ends(1);
            ASSERT_EQ(ends.empty() ? 0 : ends.front().length, longest);
            for (const auto& match : ends) {
                ASSERT_GE(match.follows, match.length);
                ASSERT_TRUE(std::equal(text.end() - match.length, text.end(),
                                       text.begin() + static_cast<std::ptrdiff_t>(match.follows - match.length)));
            }
        }
    }
}

TEST(DraftTree, SharesTheBeginningsOfItsChains) {
    DraftTree tree;
    tree.merge(Tokens{1, 2, 3}, 5);
    EXPECT_TRUE(tree.is_chain());
    tree.merge(Tokens{1, 4, 5, 6}, 5);
    EXPECT_EQ(tree.tokens, (Tokens{1, 2, 3, 4, 5}));
    EXPECT_EQ(tree.parents, (Tokens{-1, 0, 1, 0, 3}));
    EXPECT_EQ(tree.depth(4), 3u);
    tree.truncate(3);
    EXPECT_TRUE(tree.is_chain());
}

}  // namespace
}  // namespace gantry::engine
