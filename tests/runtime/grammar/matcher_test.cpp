#include "runtime/grammar/matcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/grammar/choice.hpp"
#include "runtime/grammar/composite.hpp"
#include "runtime/grammar/regex.hpp"
#include "tests/runtime/grammar/support.hpp"

namespace gantry::grammar {
namespace {

/// Tokens: 0 control, 1.. as given.
GrammarMatcher matcher(std::string_view pattern, std::vector<std::string> tokens) {
    tokens.insert(tokens.begin(), "");
    return GrammarMatcher(std::make_shared<TokenGrammar>(std::make_shared<const TokenTrie>(std::move(tokens)),
                                                         regex_automaton(pattern).value()));
}

TEST(GrammarMatcher, TakesTokensAndTakesThemBack) {
    GrammarMatcher m = matcher("ab+c", {"a", "b", "c", "ab", "bc", "x"});
    EXPECT_FALSE(m.accept(2));
    EXPECT_TRUE(m.accept(4));
    EXPECT_FALSE(m.accept(0));
    EXPECT_FALSE(m.accept(99));
    EXPECT_TRUE((*m.mask())->test(2) && (*m.mask())->test(3) && (*m.mask())->test(5) && !(*m.mask())->test(1));
    EXPECT_TRUE(m.accept(5));
    EXPECT_TRUE(m.must_end());
    EXPECT_TRUE((*m.mask())->none());
    m.rollback(1);
    EXPECT_FALSE(m.can_end());
    EXPECT_TRUE(m.accept(2));
    m.rollback(2);
    EXPECT_EQ(m.accepted(), 0u);
    EXPECT_TRUE(m.accept(1));
}

TEST(GrammarMatcher, KnowsTheEnd) {
    GrammarMatcher m = matcher("a+", {"a"});
    EXPECT_FALSE(m.can_end());
    EXPECT_TRUE(m.accept(1));
    EXPECT_TRUE(m.can_end());
    EXPECT_FALSE(m.must_end());
}

TEST(GrammarMatcher, FindsTheTextThatMustCome) {
    EXPECT_EQ(matcher("\\{\"name\": \"\\w+\"\\}", {"a"}).forced_text(100), "{\"name\": \"");
    EXPECT_EQ(matcher("abcdef", {"a"}).forced_text(3), "abc");
    EXPECT_EQ(matcher("a|b", {"a"}).forced_text(100), "");
    EXPECT_EQ(matcher("a(bc)?", {"a"}).forced_text(100), "a");
    EXPECT_EQ(matcher("x(é|è)", {"a"}).forced_text(100), "x");
    EXPECT_EQ(matcher("xé[ab]", {"a"}).forced_text(100), "xé");
}

/// A language that has grown out of all measure.
class Grown final : public Automaton {
  public:
    State start() override { return 0; }
    State next(State, uint8_t) override { return 0; }
    bool accepts(State) override { return true; }
    size_t state_count() const override { return 1'000'000; }
};

TEST(GrammarMatcher, GivesUpOnAGrammarThatHasGrownTooLarge) {
    const auto trie = std::make_shared<const TokenTrie>(std::vector<std::string>{"", "a"});
    const auto grammar = std::make_shared<TokenGrammar>(trie, std::make_unique<Grown>());
    grammar->warm_up();
    EXPECT_TRUE(grammar->outgrown());
    GrammarMatcher m(grammar);
    EXPECT_EQ(m.mask().error().code, Code::kResourceExhausted);
}

TEST(TokenTrie, AMaskStopsWhereStatesGetTooMany) {
    const TokenTrie trie(small_vocabulary(2, 3000, "ab"));
    const auto language = regex_automaton("[ab]*a[ab]{6}").value();
    const size_t some = trie.mask(*language, language->start(), 4).count();
    EXPECT_LT(some, trie.mask(*language, language->start()).count());
}

/// A language that begins behind a text; before it, any.
std::unique_ptr<Automaton> after_text(const std::string& marker, std::unique_ptr<Automaton> language) {
    Composite out;
    const auto start = out.add_node(), open = out.add_node(), end = out.add_node();
    out.add_free_text(start, std::vector{marker}, std::vector{open}, {});
    out.add_automaton(open, std::move(language), end);
    return std::move(out).build(start, end).value();
}

TEST(AfterText, BeginsBehindTheMarkersFirstEnd) {
    const auto language = after_text("</think>", choice_automaton(std::vector<std::string>{"yes", "no"}).value());
    for (const auto* text : {"</think>yes", "well <</think</think>no", "{}\n</think>yes"}) {
        EXPECT_TRUE(matches(*language, text)) << text;
    }
    for (const auto* text : {"", "yes", "</think>", "</think>maybe", "</think> yes", "x</think>yesno"}) {
        EXPECT_FALSE(matches(*language, text)) << text;
    }
}

TEST(AfterText, FindsOverlappingMarkers) {
    const auto language = after_text("aab", choice_automaton(std::vector<std::string>{"x"}).value());
    EXPECT_TRUE(matches(*language, "aaaabx"));
    EXPECT_TRUE(matches(*language, "abaabx"));
    EXPECT_FALSE(matches(*language, "abx"));
}

TEST(AfterText, MasksEqualBruteForce) {
    const TokenTrie trie(small_vocabulary(9, 2000, "<>/tab "));
    const auto language = after_text("</a>", regex_automaton("[ab]*t").value());
    for (const auto* text : {"", "<", "</", "</a", "</a>", "</a>ab", "bb</", "</a>t"}) {
        const auto state = walk(*language, language->start(), text);
        EXPECT_TRUE(
            std::ranges::equal(trie.mask(*language, state).words(), brute_force_mask(trie, *language, state).words()))
            << text;
    }
}

}  // namespace
}  // namespace gantry::grammar
