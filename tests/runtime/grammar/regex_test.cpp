#include "runtime/grammar/regex.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/runtime/grammar/support.hpp"

namespace gantry::grammar {
namespace {

std::string unescape(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\') {
            out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16)));
            i += 3;
        } else {
            out.push_back(text[i]);
        }
    }
    return out;
}

std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> out(1);
    for (const char c : line) {
        if (c == '\t') {
            out.emplace_back();
        } else {
            out.back().push_back(c);
        }
    }
    return out;
}

/// `pattern` may be one that searching leaves no way for (an anchor inside a repeated group and the like).
void check(const std::vector<std::string>& fields, bool search, size_t& compared) {
    const std::string pattern = unescape(fields[0]);
    const auto automaton = regex_automaton(pattern, {search, false, false});
    ASSERT_TRUE(automaton.has_value()) << pattern << ": " << automaton.error().text();
    const std::string text = unescape(fields[1]);
    EXPECT_EQ(matches(**automaton, text), fields[search ? 3 : 2] == "1")
        << '/' << pattern << "/ " << text << (search ? " search" : "");
    ++compared;
}

TEST(Regex, AgreesWithPythonOnGeneratedCases) {
    std::ifstream in(GANTRY_SOURCE_DIR "/tests/runtime/grammar/regex_cases.txt");
    size_t compared = 0;
    for (std::string line; std::getline(in, line);) {
        const auto fields = split(line);
        ASSERT_EQ(fields.size(), 4u) << line;
        check(fields, false, compared);
        check(fields, true, compared);
    }
    EXPECT_GT(compared, 3000u);
}

TEST(Regex, TakesUnicodeCategories) {
    const auto letters = regex_automaton("\\p{Lu}\\p{L}*\\P{L}").value();
    EXPECT_TRUE(matches(*letters, "Élan!"));
    EXPECT_TRUE(matches(*letters, "Жук1"));
    EXPECT_FALSE(matches(*letters, "élan!"));
    EXPECT_FALSE(matches(*letters, "Élan"));
}

TEST(Regex, AllowsNoInvalidUtf8) {
    const auto any = regex_automaton("[^a]*").value();
    EXPECT_TRUE(matches(*any, "\xF4\x8F\xBF\xBF"));
    for (const auto* text : {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE0\x80\x80", "\xFF"}) {
        EXPECT_EQ(walk(*any, any->start(), text), Automaton::kDead);
    }
}

TEST(Regex, SaysWhatItDoesNotSupportAndWhere) {
    struct Case {
        const char* pattern;
        const char* where;
        const char* what;
    };
    for (const Case& c : {Case{"a(?=b)", "character 4", "look-around"},
                          {"(a)\\1", "character 4", "back references"},
                          {"\\bx", "character 1", "word boundaries"},
                          {"a++", "character 3", "possessive"},
                          {"(?>a)", "character 3", "atomic"},
                          {"(a", "character 1", "never closed"},
                          {"a)", "character 2", "closes nothing"},
                          {"é[a", "character 2", "never closed"},
                          {"*a", "character 1", "nothing to repeat"},
                          {"a{3,2}", "character 2", "above the largest"},
                          {"[z-a]", "character 2", "wrong way round"},
                          {"a^b", "character 2", "beginning only"},
                          {"a$b", "character 2", "end only"},
                          {"\\p{Foo}", "character 2", "unknown"},
                          {"\\y", "character 1", "unknown"},
                          {"a{1,200000}", "character 2", "at most 100000"},
                          {"(?x)a", "character 1", "flag 'x'"},
                          {"a\\", "character 2", "backslash"}}) {
        const auto automaton = regex_automaton(c.pattern);
        ASSERT_FALSE(automaton.has_value()) << c.pattern;
        EXPECT_EQ(automaton.error().code, Code::kInvalidArgument);
        EXPECT_THAT(automaton.error().message, testing::AllOf(testing::HasSubstr(c.where), testing::HasSubstr(c.what)));
    }
}

TEST(Regex, RefusesWhatIsTooLarge) {
    EXPECT_THAT(regex_automaton("((a{1000}){1000}){1000}").error().message, testing::HasSubstr("too large"));
    EXPECT_THAT(regex_automaton("((a?){3000}){3000}").error().message, testing::HasSubstr("too large"));
    EXPECT_FALSE(regex_automaton(std::string(1000, '(')).has_value());
    EXPECT_FALSE(regex_automaton(std::string(100'000, 'a')).has_value());
}

TEST(Regex, ALanguageWithoutTextsIsAnError) {
    EXPECT_THAT(regex_automaton("[^\\d\\D]").error().message, testing::HasSubstr("matches no text"));
}

TEST(Regex, MasksEqualBruteForceOnRandomWalks) {
    std::mt19937 random(7);
    const TokenTrie trie(small_vocabulary(3, 3000, "ab c1\xC3\xA9\"-"));
    for (const auto* pattern : {"(ab|c)*1", "[a-c]{2,5} é*", "\"([^\"\\\\]|\\\\.)*\"", ".*", "-?[0-9]+(\\.1)?",
                                "(a|b)*a(a|b){3}", "\\w+( \\w+){0,4}", "[^a]+a"}) {
        const auto automaton = regex_automaton(pattern).value();
        for (int run = 0; run < 5; ++run) {
            Automaton::State state = automaton->start();
            for (int step = 0; step < 12; ++step) {
                const TokenMask mask = trie.mask(*automaton, state);
                ASSERT_TRUE(std::ranges::equal(mask.words(), brute_force_mask(trie, *automaton, state).words()))
                    << pattern;
                std::vector<int32_t> allowed;
                for (size_t id = 0; id < trie.vocab_size(); ++id) {
                    if (mask.test(id)) {
                        allowed.push_back(static_cast<int32_t>(id));
                    }
                }
                EXPECT_TRUE(!allowed.empty() || automaton->accepts(state)) << pattern;
                if (allowed.empty()) {
                    break;
                }
                state = walk(*automaton, state, trie.token_bytes(allowed[random() % allowed.size()]));
            }
        }
    }
}

}  // namespace
}  // namespace gantry::grammar
