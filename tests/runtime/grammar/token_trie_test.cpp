#include "runtime/grammar/token_trie.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/grammar/choice.hpp"
#include "tests/runtime/grammar/support.hpp"

namespace gantry::grammar {
namespace {

std::vector<int32_t> ids(const TokenMask& mask, size_t limit) {
    std::vector<int32_t> out;
    for (size_t id = 0; id < limit; ++id) {
        if (mask.test(id)) {
            out.push_back(static_cast<int32_t>(id));
        }
    }
    return out;
}

/// One state that everything but a quote leads back to, as inside a JSON string.
class Unquoted final : public Automaton {
  public:
    Unquoted() { loop_.set().reset('"'); }
    State start() override { return 0; }
    State next(State, uint8_t byte) override { return byte == '"' ? kDead : 0; }
    bool accepts(State) override { return true; }
    const std::bitset<256>& self_loop(State) override { return loop_; }
    size_t state_count() const override { return 1; }

  private:
    std::bitset<256> loop_;
};

TEST(TokenTrie, AMaskHasTheTokensThatGoOnLikeAChoice) {
    const TokenTrie trie({"", "y", "ye", "yes", "yesterday", "n", "no", "yes", "es", ""});
    const auto choice = choice_automaton(std::vector<std::string>{"yes", "no"}).value();
    EXPECT_THAT(ids(trie.mask(*choice, choice->start()), 10), testing::ElementsAre(1, 2, 3, 5, 6, 7));
    EXPECT_THAT(ids(trie.mask(*choice, walk(*choice, choice->start(), "y")), 10), testing::ElementsAre(8));
    EXPECT_TRUE(trie.mask(*choice, walk(*choice, choice->start(), "no")).none());
}

TEST(TokenTrie, MasksEqualBruteForce) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
        const TokenTrie trie(small_vocabulary(seed, 2000, "abcde\""));
        Unquoted unquoted;
        EXPECT_TRUE(std::ranges::equal(trie.mask(unquoted, 0).words(), brute_force_mask(trie, unquoted, 0).words()));
        const auto choice = choice_automaton(std::vector<std::string>{"abcde", "abba", "eda", "cab"}).value();
        for (Automaton::State s = 0; s < choice->state_count(); ++s) {
            EXPECT_TRUE(std::ranges::equal(trie.mask(*choice, s).words(), brute_force_mask(trie, *choice, s).words()));
        }
    }
}

TEST(TokenTrie, KeepsTheBytesOfEveryToken) {
    const auto vocabulary = small_vocabulary(1, 100, "xyz");
    const TokenTrie trie(vocabulary);
    for (size_t id = 0; id < vocabulary.size(); ++id) {
        EXPECT_EQ(trie.token_bytes(static_cast<int32_t>(id)), vocabulary[id]);
    }
    EXPECT_EQ(trie.token_bytes(-1), "");
    EXPECT_EQ(trie.token_bytes(static_cast<int32_t>(vocabulary.size())), "");
}

TEST(TokenTrie, AnEmptyVocabularyAllowsNothing) {
    const TokenTrie trie({});
    Unquoted unquoted;
    EXPECT_TRUE(trie.mask(unquoted, 0).none());
}

TEST(Choice, TakesItsTextsAndNoOthers) {
    const auto choice = choice_automaton(std::vector<std::string>{"yes", "no", "not"}).value();
    for (const auto* text : {"yes", "no", "not"}) {
        EXPECT_TRUE(matches(*choice, text)) << text;
    }
    for (const auto* text : {"", "y", "ye", "yess", "nox"}) {
        EXPECT_FALSE(matches(*choice, text)) << text;
    }
}

TEST(Choice, RefusesNothingToChoose) {
    EXPECT_EQ(choice_automaton({}).error().code, Code::kInvalidArgument);
    EXPECT_THAT(choice_automaton(std::vector<std::string>{"a", ""}).error().message, testing::HasSubstr("choice 1"));
}

}  // namespace
}  // namespace gantry::grammar
