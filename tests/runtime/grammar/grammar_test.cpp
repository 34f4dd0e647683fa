#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "runtime/grammar/ebnf.hpp"
#include "runtime/grammar/lark.hpp"
#include "runtime/grammar/regex.hpp"
#include "tests/runtime/grammar/support.hpp"

namespace gantry::grammar {
namespace {

Result<std::unique_ptr<Automaton>> ebnf(std::string_view text) {
    Rules rules;
    GANTRY_TRY(const RuleId root, parse_ebnf(rules, text));
    return rules_automaton(rules, root);
}

Result<std::unique_ptr<Automaton>> lark(std::string_view text) {
    Rules rules;
    GANTRY_TRY(const RuleId root, parse_lark(rules, text));
    return rules_automaton(rules, root);
}

struct LanguageCase {
    const char* name;
    const char* grammar;
    std::vector<std::string> in, out;
};

void check(const LanguageCase& c, Result<std::unique_ptr<Automaton>> automaton) {
    ASSERT_TRUE(automaton.has_value()) << c.name << ": " << automaton.error().text();
    for (const auto& text : c.in) {
        EXPECT_TRUE(matches(**automaton, text)) << c.name << ": " << text;
    }
    for (const auto& text : c.out) {
        EXPECT_FALSE(matches(**automaton, text)) << c.name << ": " << text;
    }
}

const char* const kArithmetic = R"g(
# the usual example
root  ::= (expr "=" ws term "\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \t\n]*
)g";

const char* const kJson = R"g(
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt/] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
)g";

TEST(Ebnf, TakesGbnfAndW3cNotation) {
    for (const LanguageCase& c : std::vector<LanguageCase>{
             {"arithmetic", kArithmetic, {"a+1=b\n", "(a +2) *c= 3\n"}, {"", "a+1", "a+=b\n", "(a=b\n"}},
             {"json",
              kJson,
              {"{}", "{\"a\": [1, -2.5e3, {\"b\":null}], \"é\":\"\\u00e9\"}"},
              {"[]", "{\"a\":}", "{\"a\":01}", "{", "{\"a\":\"\n\"}"}},
             {"left recursion",
              "root ::= root \"+\" [0-9] | [0-9]",
              {"1", "1+2", "1+2+3"},
              {"", "+", "1+", "+1", "12"}},
             {"indirect left recursion",
              "root ::= a \"x\" | \"r\"\na ::= root \"y\" | b\nb ::= a \"z\" | \"q\"",
              {"r", "ryx", "qx", "qzx", "qzzx", "ryxyx", "ryzx"},
              {"", "x", "q", "yx", "ry", "qy"}},
             {"hidden left recursion",
              "root ::= e root \"a\" | \"b\"\ne ::= \"\" | \"c\"",
              {"b", "ba", "baa", "cba", "ccbaa", "cbaa"},
              {"a", "ca", "cb"}},
             {"nullable left recursion", "root ::= root root | \"a\" | \"\"", {"", "a", "aaaa"}, {"b", "ab"}},
             {"ambiguous", "s ::= s s | \"(\" s \")\" | \"\"", {"", "()", "()()", "(()())()"}, {"(", ")", "(()"}},
             {"palindromes",
              "root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"a\" | \"b\" | \"\"",
              {"", "a", "abba", "ababa"},
              {"ab", "abab"}},
             {"right recursion", "root ::= \"a\" root | \"b\"", {"b", "aaaab"}, {"a", "ba"}},
             {"a rule that derives nothing",
              "root ::= \"a\" | dead \"b\"\ndead ::= dead \"x\" | \"y\" dead",
              {"a"},
              {"", "b", "yb"}},
             {"counts",
              "root ::= \"ab\"{2,3} [x-z]{2} \"q\"{0,1} \"r\"{1,}",
              {"ababxyr", "abababzzqrr"},
              {"abxyr", "ababxr"}},
             {"w3c",
              "root ::= #x41 [#x42-#x44]+ 'it' ([a-z] - [aeiou])* /* end */",
              {"ABitbc", "ADDit"},
              {"Ait", "ABita"}},
             {"comments and lines",
              "root ::= # the first\n  \"a\"\n  | // or\n \"b\" c\n\nc ::= \"c\" # last",
              {"a", "bc"},
              {"b", "c", "ac"}},
             {"unicode", "root ::= [à-ü]+ \"\\u00e9\\U0001F600\" [^a-z]", {"éàé😀Z", "éé😀😀"}, {"é😀a"}},
             {"the first rule", "greeting ::= \"hi\" name\nname ::= \" you\"", {"hi you"}, {"hi", "you"}},
             {"dashed names", "root ::= a-b \"x\" | a-b* \"y\"\na-b ::= \"ab\"", {"abx", "y", "ababy"}, {"x"}},
             {"dot", "root ::= . \"x\"", {"ax", "éx"}, {"\nx", "x"}},
         }) {
        check(c, ebnf(c.grammar));
    }
}

TEST(Lark, TakesItsNotation) {
    for (const LanguageCase& c : std::vector<LanguageCase>{
             {"calculator",
              R"g(
?start: sum
?sum: product
    | sum "+" product   -> add
    | sum "-" product   -> sub
?product: atom
    | product "*" atom  -> mul
?atom: NUMBER           -> number
     | "-" atom         -> neg
     | "(" sum ")"
%import common.NUMBER
%import common.WS_INLINE
%ignore WS_INLINE
)g",
              {"1", "1 + 2*3", " ( 1.5-2 )*-3 ", "--1"},
              {"", "1 2", "1+", "(1", "1\n"}},
             {"json",
              R"g(
start: value
value: object | array | STRING | SIGNED_NUMBER | "true" | "false" | "null"
array  : "[" [value ("," value)*] "]"
object : "{" [pair ("," pair)*] "}"
pair   : STRING ":" value
%import common.ESCAPED_STRING -> STRING
%import common (SIGNED_NUMBER, WS)
%ignore WS
)g",
              {"{}", "[1, 2.5, {\"a\" : null}]", " \"x\\\"y\" "},
              {"[1,]", "{\"a\"}", "{a:1}"}},
             {"counts, ranges and flags",
              "start: \"a\" ~ 2 B~1..2 \"end\"i /x\\/y/i\nB.2: \"0\"..\"9\" // digits\n",
              {"aa1END"
               "x/y",
               "aa12eNdX/Y"},
              {"a1endx/y", "aa123endx/y", "aaendx/y"}},
             {"optional and lines",
              "start: [\"a\"] (\"b\"\n  | \"c\"\n )+\n  | \"d\"\n",
              {"ab", "cb", "d"},
              {"a", "ad"}},
             {"marks",
              "!start: _inner NAME?\n_inner: \"x\" | \n%import common.CNAME -> NAME",
              {"", "x", "xab_1", "ab"},
              {"1"}},
         }) {
        check(c, lark(c.grammar));
    }
}

TEST(Ebnf, ErrorsNameThePlace) {
    struct Case {
        const char* grammar;
        const char* place;
        const char* what;
    };
    for (const Case& c : {Case{"", "line 1, column 1", "no rule"},
                          {"root = \"a\"", "line 1, column 6", "'::='"},
                          {"root ::= x", "line 1, column 10", "not defined"},
                          {"root ::= \"a", "line 1, column 10", "never closed"},
                          {"root ::= (\"a\"", "line 1, column 10", "never closed"},
                          {"root ::= [a", "line 1, column 10", "never closed"},
                          {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1", "defined twice"},
                          {"root ::= \"é\" )", "line 1, column 14", "cannot stand here"},
                          {"root ::= \"a\"{3,1}", "line 1, column 13", "counts"},
                          {"root ::= \"\\q\"", "line 1, column 12", "unknown"},
                          {"root ::= [b-a]", "line 1, column 11", "wrong way round"},
                          {"root ::= root", "", "derives no text"},
                          {"root ::= \"a\" /* x", "line 1, column 14", "never closed"}}) {
        const auto automaton = ebnf(c.grammar);
        ASSERT_FALSE(automaton.has_value()) << c.grammar;
        EXPECT_EQ(automaton.error().code, Code::kInvalidArgument);
        EXPECT_THAT(automaton.error().message, testing::AllOf(testing::HasSubstr(c.place), testing::HasSubstr(c.what)))
            << c.grammar;
    }
}

TEST(Lark, ErrorsNameThePlace) {
    struct Case {
        const char* grammar;
        const char* place;
        const char* what;
    };
    for (const Case& c : {Case{"start: A", "line 1, column 8", "not defined"},
                          {"x: \"a\"", "line 1", "no rule 'start'"},
                          {"start: \"a\n", "line 1, column 8", "never closed"},
                          {"start: /a(/", "line 1, column 8", "never closed"},
                          {"start{x}: \"a\"", "line 1, column 7", "parameters"},
                          {"%declare X\nstart: X", "line 1, column 1", "%declare"},
                          {"%import common.FOO\nstart: FOO", "line 1, column 1", "no 'FOO'"},
                          {"%import python.X\nstart: X", "line 1, column 1", "common"},
                          {"start: \"a\" ~ 3..1", "line 1, column 12", "counts"},
                          {"start: (\"a\"", "line 1, column 8", "never closed"},
                          {"start: \"a\"\nstart: \"b\"", "line 2, column 1", "defined twice"}}) {
        const auto automaton = lark(c.grammar);
        ASSERT_FALSE(automaton.has_value()) << c.grammar;
        EXPECT_THAT(automaton.error().message, testing::AllOf(testing::HasSubstr(c.place), testing::HasSubstr(c.what)))
            << c.grammar;
    }
}

/// Follows random masks: the mask is what brute force gives, and there is always a way on or an end.
void wander(Automaton& automaton, const TokenTrie& trie, uint32_t seed, const char* name) {
    std::mt19937 random(seed);
    Automaton::State state = automaton.start();
    for (int step = 0; step < 25; ++step) {
        const TokenMask mask = trie.mask(automaton, state);
        ASSERT_TRUE(std::ranges::equal(mask.words(), brute_force_mask(trie, automaton, state).words())) << name;
        std::vector<int32_t> allowed;
        for (size_t id = 0; id < trie.vocab_size(); ++id) {
            if (mask.test(id)) {
                allowed.push_back(static_cast<int32_t>(id));
            }
        }
        EXPECT_TRUE(!allowed.empty() || automaton.accepts(state)) << name;
        if (allowed.empty()) {
            return;
        }
        state = walk(automaton, state, trie.token_bytes(allowed[random() % allowed.size()]));
    }
}

TEST(Ebnf, MasksEqualBruteForce) {
    const TokenTrie trie(small_vocabulary(5, 3000, "{}[]\":, a1\\\n()+-=tru"));
    for (const char* grammar : {kJson, kArithmetic}) {
        const auto automaton = ebnf(grammar).value();
        for (uint32_t seed = 0; seed < 4; ++seed) {
            wander(*automaton, trie, seed, grammar);
        }
    }
}

/// A random grammar over a and b: its texts up to a length, by fixed-point iteration, against the automaton.
class RandomGrammar {
  public:
    explicit RandomGrammar(uint32_t seed) : random_(seed) {
        const size_t count = 1 + random_() % 3;
        for (size_t rule = 0; rule < count; ++rule) {
            auto& alternatives = rules_.emplace_back();
            for (size_t n = 1 + random_() % 3; n > 0; --n) {
                std::vector<int> parts;
                for (size_t m = random_() % 4; m > 0; --m) {
                    parts.push_back(random_() % 2 == 0 ? -1 - static_cast<int>(random_() % 2)
                                                       : static_cast<int>(random_() % count));
                }
                alternatives.push_back(parts);
            }
        }
    }

    std::string text() const {
        std::string out;
        for (size_t r = 0; r < rules_.size(); ++r) {
            out += (r == 0 ? "root" : "r" + std::to_string(r)) + std::string(" ::= ");
            for (size_t a = 0; a < rules_[r].size(); ++a) {
                out += a > 0 ? " | \"\" " : "\"\" ";
                for (const int part : rules_[r][a]) {
                    out += part == -1   ? "\"a\" "
                           : part == -2 ? "\"b\" "
                           : part == 0  ? "root "
                                        : "r" + std::to_string(part) + " ";
                }
            }
            out += "\n";
        }
        return out;
    }

    std::set<std::string> texts(size_t longest) const {
        std::vector<std::set<std::string>> known(rules_.size());
        for (bool changed = true; changed;) {
            changed = false;
            for (size_t r = 0; r < rules_.size(); ++r) {
                for (const auto& parts : rules_[r]) {
                    std::set<std::string> made{""};
                    for (const int part : parts) {
                        std::set<std::string> longer;
                        const std::set<std::string> byte{part == -1 ? "a" : "b"};
                        for (const auto& left : made) {
                            for (const auto& right : part < 0 ? byte : known[static_cast<size_t>(part)]) {
                                if (left.size() + right.size() <= longest) {
                                    longer.insert(left + right);
                                }
                            }
                        }
                        made = std::move(longer);
                    }
                    for (const auto& text : made) {
                        changed = known[r].insert(text).second || changed;
                    }
                }
            }
        }
        return known[0];
    }

  private:
    std::mt19937 random_;
    std::vector<std::vector<std::vector<int>>> rules_;
};

TEST(Rules, RandomGrammarsDeriveWhatTheirRulesSay) {
    constexpr size_t kLongest = 6;
    size_t languages = 0;
    for (uint32_t seed = 0; seed < 1500; ++seed) {
        const RandomGrammar grammar(seed);
        const auto expected = grammar.texts(kLongest);
        const auto automaton = ebnf(grammar.text());
        if (!automaton) {
            EXPECT_TRUE(expected.empty()) << grammar.text() << automaton.error().text();
            continue;
        }
        ++languages;
        for (size_t length = 0; length <= kLongest; ++length) {
            for (size_t bits = 0; bits < (size_t{1} << length); ++bits) {
                std::string text;
                for (size_t i = 0; i < length; ++i) {
                    text.push_back(((bits >> i) & 1) != 0 ? 'a' : 'b');
                }
                ASSERT_EQ(matches(**automaton, text), expected.contains(text)) << seed << "\n"
                                                                               << grammar.text() << text;
            }
        }
    }
    EXPECT_GT(languages, 500u);
}

TEST(Rules, NestingIsFollowedToALimit) {
    const auto automaton = ebnf("root ::= \"(\" root \")\" | \"x\"").value();
    EXPECT_TRUE(matches(*automaton, std::string(1500, '(') + "x" + std::string(1500, ')')));
    EXPECT_EQ(walk(*automaton, automaton->start(), std::string(3000, '(')), Automaton::kDead);
    EXPECT_NE(walk(*automaton, automaton->start(), std::string(1999, '(')), Automaton::kDead);
}

TEST(Rules, ARightRecursiveListMakesNoMoreStatesAsItGrows) {
    const auto automaton = ebnf("root ::= \"a,\" root | \"a\"").value();
    EXPECT_NE(walk(*automaton, automaton->start(), "a,a,a,"), Automaton::kDead);
    const size_t few = automaton->state_count();
    std::string longer;
    for (int i = 0; i < 1000; ++i) {
        longer += "a,";
    }
    EXPECT_NE(walk(*automaton, automaton->start(), longer), Automaton::kDead);
    EXPECT_EQ(automaton->state_count(), few);
}

}  // namespace
}  // namespace gantry::grammar
