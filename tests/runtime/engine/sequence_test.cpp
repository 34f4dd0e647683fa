#include "runtime/engine/sequence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.hpp"

namespace gantry::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int32_t kEnd = 256;

/// Token b is byte b; 256 ends an answer; 257 and up are the given longer tokens.
std::shared_ptr<const testing::FakeTokenizer> byte_tokenizer(std::vector<std::string> more = {}) {
    std::vector<std::string> tokens;
    for (int b = 0; b < 256; ++b) {
        tokens.emplace_back(1, static_cast<char>(b));
    }
    tokens.emplace_back("<end>");
    tokens.insert(tokens.end(), more.begin(), more.end());
    return std::make_shared<testing::FakeTokenizer>(std::move(tokens), std::set<int32_t>{kEnd});
}

StopRules rules(std::vector<std::string> texts = {}, uint32_t max_tokens = 1000) {
    StopRules r;
    r.texts = std::move(texts);
    r.ids = {kEnd};
    r.max_tokens = max_tokens;
    r.logprobs = true;
    return r;
}

/// The deltas of an answer that is fed these tokens one by one, until it ends.
struct Played {
    std::vector<Delta> deltas;
    std::string text;
    std::vector<int32_t> ids;
    std::optional<FinishReason> finish;
    std::string stop_text;
    uint32_t tokens = 0;
};

Played play(const StopRules& r, const std::shared_ptr<const testing::FakeTokenizer>& tokenizer,
            const std::vector<int32_t>& ids, std::string lead = {}) {
    Answer answer(0, r, tokenizer, std::move(lead));
    Played played;
    for (int32_t id : ids) {
        answer.push({id, -0.5, {}});
        if (auto delta = answer.take_delta()) {
            EXPECT_TRUE(testing::lossy(delta->text) == delta->text) << "half a character";
            EXPECT_EQ(delta->ids.size(), delta->logprobs.size());
            played.text += delta->text;
            played.ids.insert(played.ids.end(), delta->ids.begin(), delta->ids.end());
            played.deltas.push_back(std::move(*delta));
        }
        if (answer.finished()) {
            break;
        }
    }
    played.finish = answer.finished();
    played.stop_text = answer.stop_text();
    played.tokens = answer.tokens();
    return played;
}

std::vector<int32_t> byte_ids(std::string_view text) {
    std::vector<int32_t> ids;
    for (char c : text) {
        ids.push_back(static_cast<unsigned char>(c));
    }
    return ids;
}

TEST(Answer, EmitsEveryTokenOfPlainTextAtOnce) {
    const auto r = rules();
    const auto played = play(r, byte_tokenizer(), byte_ids("hello"));
    EXPECT_EQ(played.text, "hello");
    EXPECT_EQ(played.deltas.size(), 5u);
    EXPECT_EQ(played.finish, std::nullopt);
}

TEST(Answer, HoldsBackIncompleteCharactersWithTheirTokens) {
    const auto r = rules();
    const auto played = play(r, byte_tokenizer(), byte_ids("a\xE2\x82\xAC!"));
    ASSERT_EQ(played.deltas.size(), 3u);
    EXPECT_EQ(played.deltas[1].text, "\xE2\x82\xAC");
    EXPECT_THAT(played.deltas[1].ids, ElementsAre(0xE2, 0x82, 0xAC));
    EXPECT_EQ(played.deltas[1].logprobs[0].bytes, "\xE2");
}

TEST(Answer, EndsAtAnEndTokenWhichIsNotShown) {
    const auto r = rules();
    auto ids = byte_ids("hi");
    ids.push_back(kEnd);
    const auto played = play(r, byte_tokenizer(), ids);
    EXPECT_EQ(played.text, "hi");
    EXPECT_THAT(played.ids, ElementsAre('h', 'i'));
    EXPECT_EQ(played.finish, FinishReason::kStop);
    EXPECT_EQ(played.tokens, 3u);
}

TEST(Answer, EndsAfterMaxTokensWithAllItsText) {
    const auto r = rules({"xyz"}, 4);
    const auto played = play(r, byte_tokenizer(), byte_ids("abxyzw"));
    EXPECT_EQ(played.text, "abxy");
    EXPECT_EQ(played.finish, FinishReason::kLength);
    const auto cut = rules({}, 2);
    EXPECT_EQ(play(cut, byte_tokenizer(), byte_ids("a\xE2\x82\xAC")).text, "a\xEF\xBF\xBD");
}

TEST(Answer, AStopTextInTheLastTokenWinsOverTheLength) {
    const auto r = rules({"xy"}, 4);
    EXPECT_EQ(play(r, byte_tokenizer(), byte_ids("abxyz")).finish, FinishReason::kStop);
}

TEST(Answer, NeedsNoTokensWhereNoneAreAllowed) {
    const auto r = rules({}, 0);
    Answer answer(0, r, byte_tokenizer(), "the prompt");
    EXPECT_EQ(answer.finished(), FinishReason::kLength);
    EXPECT_EQ(answer.take_delta()->text, "the prompt");
}

TEST(Answer, PutsTheLeadFirstAndDoesNotSearchIt) {
    const auto r = rules({"stop"});
    const auto played = play(r, byte_tokenizer(), byte_ids("p!"), "a stop sto");
    EXPECT_EQ(played.text, "a stop stop!");
    EXPECT_EQ(played.deltas[0].text, "a stop stop");
}

TEST(Answer, IgnoresStopsBeforeMinTokensAndForbidsEndTokensMeanwhile) {
    auto r = rules({"b"});
    r.min_tokens = 3;
    Answer answer(0, r, byte_tokenizer(), {});
    for (int32_t id : byte_ids("abc")) {
        EXPECT_THAT(answer.forbidden(), ElementsAre(kEnd));
        answer.push({id, 0, {}});
        EXPECT_EQ(answer.finished(), std::nullopt);
    }
    EXPECT_THAT(answer.forbidden(), IsEmpty());
    answer.push({'b', 0, {}});
    EXPECT_EQ(answer.finished(), FinishReason::kStop);
    EXPECT_EQ(answer.take_delta()->text, "abc");
}

TEST(Answer, ReleasesWhatOnlyLookedLikeAStopText) {
    const auto r = rules({"<|end|>"});
    const auto played = play(r, byte_tokenizer(), byte_ids("a<|en<|end<|"));
    EXPECT_EQ(played.text, "a<|en<|end");  // "<|" may still become one
    EXPECT_EQ(played.ids.size(), 10u);
    auto ids = byte_ids("a<|en");
    ids.push_back(kEnd);
    EXPECT_EQ(play(r, byte_tokenizer(), ids).text, "a<|en");
}

TEST(Answer, TheEarliestStopTextWins) {
    const auto r = rules({"cd", "bcde", "zz"});
    EXPECT_EQ(play(r, byte_tokenizer(), byte_ids("abcdef")).text, "ab");
    const auto tokenizer = byte_tokenizer({"abcdef"});
    EXPECT_EQ(play(r, tokenizer, {257}).text, "a");
    EXPECT_EQ(play(r, tokenizer, {257}).stop_text, "bcde") << "and is told";
    EXPECT_EQ(play(r, byte_tokenizer(), byte_ids("abc")).stop_text, "");
}

TEST(Answer, ShowsTheTokensWhoseTextIsShown) {
    const auto tokenizer = byte_tokenizer({"ab", "cST", "OPd"});
    const auto r = rules({"STOP"});
    const auto played = play(r, tokenizer, {257, 258, 259});
    EXPECT_EQ(played.text, "abc");
    EXPECT_THAT(played.ids, ElementsAre(257, 258));
    EXPECT_EQ(played.tokens, 3u);
}

// One text, cut into tokens at every place and every two places: what is shown must not depend on the cuts, and nothing
// that belongs to a stop text may be shown at any time.
TEST(Answer, WhatIsShownDoesNotDependOnHowTheTextIsCut) {
    struct Case {
        std::string text;
        std::vector<std::string> stops;
        std::string shown;
    };
    for (const Case& c : std::vector<Case>{
             {"one two END three", {"END"}, "one two "},
             {"one two END three", {"three", "END"}, "one two "},
             {"aaaaab", {"aaab"}, "aa"},
             {"ababababc tail", {"ababc"}, "abab"},
             {"gr\xC3\xBC\xC3\x9F"
              "e an \xE2\x82\xAC\xF0\x9F\x98\x80 alle",
              {"\xF0\x9F\x98\x80"},
              "gr\xC3\xBC\xC3\x9F"
              "e an \xE2\x82\xAC"},
             {"x\xC3\xA9\xC3\xA8y", {"\xC3\xA9\xC3\xA8"}, "x"},
             {"x\xC3\xA9\xC3\xA8y", {"\xC3\xA9\xC3\xA9"}, "x\xC3\xA9\xC3\xA8y"},
             {"\n\nUser: hi", {"\n\nUser:", "\n\n\n"}, ""},
             {"no stop here at all \xE2\x82\xAC", {"stop there"}, "no stop here at all \xE2\x82\xAC"},
         }) {
        const size_t size = c.text.size();
        for (size_t first = 0; first <= size; ++first) {
            for (size_t second = first; second <= size; ++second) {
                const auto tokenizer = byte_tokenizer(
                    {c.text.substr(0, first), c.text.substr(first, second - first), c.text.substr(second)});
                const auto r = rules(c.stops);
                const auto played = play(r, tokenizer, {257, 258, 259, kEnd});
                ASSERT_EQ(played.text, c.shown) << first << " " << second;
                ASSERT_EQ(played.finish, FinishReason::kStop);
            }
        }
        auto ids = byte_ids(c.text);
        ids.push_back(kEnd);
        const auto r = rules(c.stops);
        EXPECT_EQ(play(r, byte_tokenizer(), ids).text, c.shown);
    }
}

}  // namespace
}  // namespace gantry::engine
