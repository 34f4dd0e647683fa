#include "runtime/grammar/structural_tag.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "runtime/grammar/regex.hpp"
#include "tests/runtime/grammar/support.hpp"

namespace gantry::grammar {
namespace {

/// Stands in for JSON Schema: {"pattern": "..."}.
Result<std::unique_ptr<Automaton>> compile_pattern(const boost::json::value& schema) {
    const auto* object = schema.if_object();
    if (object == nullptr || !object->contains("pattern")) {
        return Error{Code::kInvalidArgument, "keyword 'pattern' is missing"};
    }
    return regex_automaton(std::string_view(object->at("pattern").as_string()));
}

Result<std::unique_ptr<Automaton>> tags(std::string_view text) {
    return structural_tag_automaton(boost::json::parse(text), compile_pattern);
}

struct LanguageCase {
    const char* name;
    const char* tags;
    std::vector<std::string> in, out;
};

TEST(StructuralTag, TakesBothNotations) {
    for (
        const LanguageCase& c : std::vector<LanguageCase>{
            {"structures",
             R"({"type":"structural_tag","structures":[{"begin":"<f=a>","schema":{"pattern":"\\d+"},"end":"</f>"},
                  {"begin":"<f=b>","schema":{"pattern":"x*"},"end":"</f>"}],"triggers":["<f="]})",
             {"", "free <f text", "<f=a>12</f>", "a<f=b></f> and <f=a>1</f> < b", "x <f=b>xx</f><"},
             {"<f=", "<f=c>", "<f=a>x</f>", "<f=a>1", "<f=a>1</f><f=b>y</f>"}},
            {"at least one",
             R"({"structures":[{"begin":"<t>","schema":{"pattern":"a"},"end":"</t>"}],"triggers":["<t"],"at_least_one":true})",
             {"<t>a</t>", "so <t>a</t> done"},
             {"", "so"}},
            {"stop after the first",
             R"({"structures":[{"begin":"<t>","schema":{"pattern":"a"},"end":"</t>"}],"triggers":["<t>"],"stop_after_first":true})",
             {"", "so", "so <t>a</t>"},
             {"<t>a</t> ", "<t>a</t><t>a</t>"}},
            {"an end that may be content",
             R"({"structures":[{"begin":"<","schema":{"pattern":"a*"},"end":"ab"}],"triggers":["<"],"at_least_one":true})",
             {"<ab", "<aab", "<aaab!"},
             {"<b", "<a"}},
            {"formats",
             R"({"format":{"type":"sequence","elements":[{"type":"const_string","value":"Answer: "},
                  {"type":"or","elements":[{"type":"regex","pattern":"[0-9]+"},{"type":"grammar","grammar":"root ::= \"n\" \"one\""}]},
                  {"type":"tag","begin":"[","content":{"type":"any_text"},"end":"]"}]}})",
             {"Answer: 12[free text]", "Answer: none[]"},
             {"Answer: 12", "12[]", "Answer: none[x]]", "Answer: none[x]y"}},
            {"triggered tags",
             R"({"format":{"type":"triggered_tags","triggers":["<a"],"tags":[{"begin":"<a>","content":{"type":"json_schema",
                  "json_schema":{"pattern":"1"}},"end":"</a>"}],"at_least_one":true,"stop_after_first":true}})",
             {"<a>1</a>", "x<a>1</a>"},
             {"x", "<a>1</a>x", "<a>2</a>"}},
            {"tags with a separator",
             R"({"format":{"type":"tags_with_separator","separator":", ","at_least_one":true,"tags":[
                  {"begin":"<","content":{"type":"regex","pattern":"a+"},"end":">"},
                  {"begin":"[","content":{"type":"any_text"},"end":"]"}]}
})",
             {"<a>", "<aa>, [b], <a>"},
             {"", "<a>,", "<a><a>", "<a>, "}},
            {"at most one tag",
             R"({"format":{"type":"tags_with_separator","separator":"","stop_after_first":true,"tags":[
                  {"begin":"<","content":{"type":"regex","pattern":"a+"},"end":">"}]}})",
             {"", "<a>"},
             {"<a><a>"}},
            {"a text that does not begin like something else",
             R"({"format":{"type":"triggered_tags","triggers":["<a"],"not_first":"{[","tags":[{"begin":"<a>","content":
                  {"type":"regex","pattern":"1"},"end":"</a>"}]}})",
             {"", " ", "x{", "\n<a>1</a>{", "< {"},
             {"{", " \n[x", "<a>2"}},
        }) {
        const auto automaton = tags(c.tags);
        ASSERT_TRUE(automaton.has_value()) << c.name << ": " << automaton.error().text();
        for (const auto& text : c.in) {
            EXPECT_TRUE(matches(**automaton, text)) << c.name << ": " << text;
        }
        for (const auto& text : c.out) {
            EXPECT_FALSE(matches(**automaton, text)) << c.name << ": " << text;
        }
    }
}

TEST(StructuralTag, ErrorsNameTheMember) {
    struct Case {
        const char* tags;
        const char* what;
    };
    for (const Case& c : {
             Case{"[]", "must be an object"},
             {"{}", "triggers is missing"},
             {R"({"triggers":["<"],"structures":[]})", "structures must be a list"},
             {R"({"triggers":[""],"structures":[{}]})", "triggers[0]"},
             {R"({"triggers":["<"],"structures":[{"begin":"<a","end":""}]})", "structures[0].schema is missing"},
             {R"({"triggers":["<"],"structures":[{"begin":"a","schema":{"pattern":"b"},"end":""}]})",
              "none of the triggers"},
             {R"({"triggers":["<",">"],"structures":[{"begin":"<","schema":{"pattern":"b"},"end":""}]})",
              "triggers[1] begins no tag"},
             {R"({"triggers":["<"],"structures":[{"begin":"<","schema":{},"end":""}]})",
              "structures[0].schema: keyword 'pattern'"},
             {R"({"triggers":["<"],"at_least_one":1,"structures":[{"begin":"<","schema":{"pattern":"b"},"end":""}]})",
              "at_least_one"},
             {R"({"format":{"type":"magic"}})", "format.type is \"magic\""},
             {R"({"format":{"type":"regex","pattern":"("}})", "format.pattern"},
         }) {
        const auto automaton = tags(c.tags);
        ASSERT_FALSE(automaton.has_value()) << c.tags;
        EXPECT_EQ(automaton.error().code, Code::kInvalidArgument);
        EXPECT_THAT(automaton.error().message, testing::HasSubstr(c.what)) << c.tags;
    }
}

TEST(StructuralTag, ControlTokensMustBeWrittenAsThat) {
    const ControlTexts controls{{"[CALL]", "[ARGS]", "[THINK]"}, {"[CALL]", "[THINK]"}};
    const auto of = [&](const char* text) {
        Composite out(controls);
        const auto start = out.add_node(), end = out.add_node();
        EXPECT_TRUE(add_structural_tag(out, start, end, boost::json::parse(text), compile_pattern));
        return std::move(out).build(start, end).value();
    };
    const auto fixed = of(R"({"format":{"type":"const_string","value":"[CALL]f[ARGS]1"}})");
    EXPECT_TRUE(matches(*fixed, "\xFF[CALL]f\xFF[ARGS]1"));
    EXPECT_FALSE(matches(*fixed, "[CALL]f[ARGS]1"));
    const auto among = of(R"({"format":{"type":"triggered_tags","triggers":["[CALL]"],"tags":[{"begin":"[CALL]f[ARGS]",
        "content":{"type":"regex","pattern":"1"},"end":""}]}})");
    for (const auto* text : {"[x", "\xFF[THINK]", "x\xFF[CALL]f\xFF[ARGS]1 y", "[CALL]f\xFF[ARGS]1"}) {
        EXPECT_TRUE(matches(*among, text)) << text;
    }
    for (const auto* text : {"\xFF", "\xFF[ARGS]", "\xFF[CALL]", "\xFF[CALL]f[ARGS]1", "[CALL]g"}) {
        EXPECT_FALSE(matches(*among, text)) << text;
    }
    const auto inside = of(R"({"format":{"type":"tag","begin":"","content":{"type":"any_text"},"end":"[ARGS]"}})");
    EXPECT_TRUE(matches(*inside, "a\xFF[ARGS]"));
    EXPECT_TRUE(matches(*inside, "a[ARGS]"));
    EXPECT_FALSE(matches(*inside, "\xFF[THINK]\xFF[ARGS]"));
}

TEST(StructuralTag, MasksEqualBruteForce) {
    const TokenTrie trie(small_vocabulary(11, 3000, "<>f=ab/12 "));
    const auto automaton = tags(R"({"structures":[{"begin":"<f=a>","schema":{"pattern":"[12]+( [ab]*)?"},"end":"</f>"},
        {"begin":"<b>","schema":{"pattern":"(<|/)*"},"end":"</b>"}],"triggers":["<f=","<b"]})")
                               .value();
    for (const auto* text : {"", "a<", "<f", "<f=", "<f=a>", "<f=a>1", "<f=a>12 a", "<f=a>1</", "<b></", "<b></b> <"}) {
        const auto state = walk(*automaton, automaton->start(), text);
        ASSERT_NE(state, Automaton::kDead) << text;
        EXPECT_TRUE(
            std::ranges::equal(trie.mask(*automaton, state).words(), brute_force_mask(trie, *automaton, state).words()))
            << text;
    }
}

}  // namespace
}  // namespace gantry::grammar
