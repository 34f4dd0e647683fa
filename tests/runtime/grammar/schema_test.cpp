#include "runtime/grammar/schema/schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/runtime/grammar/support.hpp"

namespace {

using gantry::grammar::Automaton;
using gantry::grammar::json_schema_automaton;
using gantry::grammar::SchemaOptions;
using testing::HasSubstr;

std::unique_ptr<Automaton> made(const char* schema, const SchemaOptions& options = {}) {
    auto out = json_schema_automaton(boost::json::parse(schema), options);
    EXPECT_TRUE(out) << schema << ": " << (out ? "" : out.error().message);
    return out ? std::move(*out) : nullptr;
}

std::string refusal(const char* schema, const SchemaOptions& options = {}) {
    const auto out = json_schema_automaton(boost::json::parse(schema), options);
    EXPECT_FALSE(out) << schema;
    return out ? "" : out.error().message;
}

bool accepts(Automaton& automaton, std::string_view text) {
    auto state = automaton.start();
    for (const char c : text) {
        state = automaton.next(state, static_cast<uint8_t>(c));
        if (state == Automaton::kDead) {
            return false;
        }
    }
    return automaton.accepts(state);
}

struct Case {
    const char* name;
    const char* schema;
    std::vector<const char*> right;
    std::vector<const char*> wrong;
};

const Case kCases[] = {
    {"Any",
     "true",
     {"{}", "[1,\"a\",null]", " -1.5e+10", "{\"a\" : { } }"},
     {"", "{", "nul", "01", "[1,]", "{\"a\":1,}"}},
    {"Types", R"({"type":["null","boolean"]})", {"null", "true", "false"}, {"0", "\"\"", "{}"}},
    {"Integer", R"({"type":"integer"})", {"0", "-0", "12", "1.0", "1e3"}, {"1.5", "1.00", "0.00", "00", "--1", "1e-1"}},
    {"Bounds",
     R"({"minimum":5,"exclusiveMaximum":10.5})",
     {"5", "9", "1.0e1", "10.49", "\"x\""},
     {"4.99", "10.5", "-7"}},
    {"Negative", R"({"type":"number","maximum":-2})", {"-2", "-2.0", "-13"}, {"-1.9", "0", "2"}},
    {"Multiple", R"({"type":"number","multipleOf":0.01})", {"0.29", "5", "-1.1", "0"}, {"0.295", "1e-3"}},
    {"Length",
     R"({"type":"string","minLength":2,"maxLength":3})",
     {"\"ab\"", "\"äöü\"", R"("\u00e4\ud83d\ude00")"},
     {"\"a\"", "\"abcd\"", R"("\u00e4")", R"("\ud83d")"}},
    {"Pattern",
     R"({"type":"string","pattern":"^a(b|c)+$"})",
     {"\"abc\"", R"("\u0061b")"},
     {"\"a\"", "\"abd\"", "\"xab\""}},
    {"Search", R"({"type":"string","pattern":"b.d"})", {"\"abcde\"", "\"b\\td\""}, {"\"bd\"", "\"b\\nd\""}},
    {"Ahead", R"({"type":"string","pattern":"^(?!no)[a-z]+$"})", {"\"yes\"", "\"n\""}, {"\"no\"", "\"nose\""}},
    {"Category", R"({"type":"string","pattern":"^\\p{Lu}$"})", {"\"A\"", "\"É\""}, {"\"a\"", "\"1\""}},
    {"Date",
     R"({"type":"string","format":"date"})",
     {"\"2024-02-29\"", "\"1999-12-31\""},
     {"\"2023-02-29\"", "\"2023-04-31\""}},
    {"Ipv6",
     R"({"type":"string","format":"ipv6"})",
     {"\"::1\"", "\"1:2:3:4:5:6:7:8\"", "\"::ffff:1.2.3.4\""},
     {"\"1::2::3\"", "\"12345::\"", "\"1:2:3\""}},
    {"Enum",
     R"({"enum":["red","green",3,null,{"a":[1]}]})",
     {"\"red\"", "3", "3.0", "null", "{\"a\":[1]}"},
     {"\"re\"", "4", "{\"a\":[1,2]}", "{}", "\"reds\""}},
    {"Properties",
     R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a","b"],
      "additionalProperties":false})",
     {R"({"a":1,"b":"x"})", R"({ "b" : "x", "a" : 1 })", "{\n\t\"\\u0061\": 1,\n\t\"b\": \"\"\n}"},
     {R"({"a":1})", R"({"a":1,"b":"x","c":1})", R"({"a":1,"a":1,"b":""})", R"({"a":"1","b":""})", "{\"a\":1,"}},
    {"PatternProperties",
     R"({"type":"object","patternProperties":{"^n":{"type":"number"},"s$":{"type":"string"}}})",
     {R"({"n":1,"s":"x","other":null})"},
     {R"({"n":"x"})", R"({"ns":1})", R"({"ns":"x"})"}},
    {"PropertyNames", R"({"type":"object","propertyNames":{"maxLength":2}})", {"{}", R"({"ab":1})"}, {R"({"abc":1})"}},
    {"PropertyCount",
     R"({"type":"object","minProperties":2,"maxProperties":3})",
     {R"({"a":1,"b":2})"},
     {"{}", R"({"a":1})", R"({"a":1,"a":2})", R"({"a":1,"b":1,"c":1,"d":1})"}},
    {"Dependent",
     R"({"type":"object","dependentRequired":{"a":["b"]}})",
     {"{}", R"({"b":1})", R"({"b":1,"a":1})"},
     {R"({"a":1})"}},
    {"Items",
     R"({"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"string"},"maxItems":3})",
     {"[]", "[1]", "[1,\"a\",\"b\"]"},
     {"[\"a\"]", "[1,2]", "[1,\"a\",\"a\",\"a\"]"}},
    {"ItemsOfDraft7",
     R"({"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"integer"}],"additionalItems":false})",
     {"[]", "[1]"},
     {"[1,1]", "[null]"}},
    {"Contains",
     R"({"type":"array","contains":{"type":"integer"},"minContains":2,"maxContains":2})",
     {"[1,2]", "[\"a\",1,null,2]"},
     {"[]", "[1]", "[1,2,3]", "[1,\"2\"]"}},
    {"Unique",
     R"({"type":"array","items":{"enum":["a","ab",1,true]},"uniqueItems":true,"minItems":2})",
     {"[\"a\",\"ab\"]", "[1,true,\"ab\",\"a\"]", "[ 1 , true ]"},
     {"[\"a\",\"a\"]", "[1,1.0]", "[1]", "[\"\\u0061\",\"a\"]", "[1,true,\"a\",\"ab\",1]"}},
    {"UniqueNumbers",
     R"({"type":"array","items":{"type":"integer"},"uniqueItems":true})",
     {"[]", "[1,2,12]", "[-1,1]"},
     {"[1,2,1]", "[10,1e1]"}},
    {"AllOf", R"({"allOf":[{"type":"integer"},{"minimum":3},{"maximum":4}]})", {"3", "4"}, {"2", "5", "3.5"}},
    {"AnyOf",
     R"({"anyOf":[{"type":"integer"},{"type":"object","required":["a"]}]})",
     {"3", "{\"a\":0}"},
     {"3.5", "{}"}},
    {"OneOf", R"({"oneOf":[{"multipleOf":2},{"multipleOf":3}],"type":"integer"})", {"2", "3", "9"}, {"6", "1", "5"}},
    {"Not",
     R"({"type":"object","not":{"properties":{"a":{"type":"string"}},"required":["a"]}})",
     {"{}", R"({"a":1})", R"({"b":"x"})"},
     {R"({"a":"x"})"}},
    {"NotText", R"({"type":"string","not":{"pattern":"^a"}})", {"\"\"", "\"ba\""}, {"\"a\"", "\"ab\""}},
    {"If",
     R"({"type":"object","properties":{"k":{"enum":[1,2]}},"required":["k"],"if":{"properties":{"k":{"const":1}}},
      "then":{"required":["x"]},"else":{"required":["y"]}})",
     {R"({"k":1,"x":0})", R"({"y":0,"k":2})"},
     {R"({"k":1,"y":0})", R"({"k":2})"}},
    {"Recursion",
     R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},
      "next":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/node"}]}},"required":["v","next"],"additionalProperties":false}}})",
     {R"({"v":1,"next":null})", R"({"next":{"next":null,"v":2},"v":1})"},
     {R"({"v":1})", R"({"v":1,"next":{}})"}},
    {"Anchor",
     R"({"$id":"https://a.example/s","$ref":"#x","$defs":{"y":{"$anchor":"x","type":"integer"}}})",
     {"1"},
     {"\"a\""}},
};

class SchemaTest : public testing::TestWithParam<Case> {};

TEST_P(SchemaTest, TakesWhatIsValidAndNothingElse) {
    const auto automaton = made(GetParam().schema);
    ASSERT_NE(automaton, nullptr);
    for (const char* text : GetParam().right) {
        EXPECT_TRUE(accepts(*automaton, text)) << text;
    }
    for (const char* text : GetParam().wrong) {
        EXPECT_FALSE(accepts(*automaton, text)) << text;
    }
}

INSTANTIATE_TEST_SUITE_P(Keywords, SchemaTest, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

struct Refusal {
    const char* name;
    const char* schema;
    std::vector<const char*> words;
};

const Refusal kRefusals[] = {
    {"Remote",
     R"({"properties":{"a":{"$ref":"https://x.example/s.json"}}})",
     {"$ref", "#/properties/a/$ref", "another document"}},
    {"Dangling", R"({"$ref":"#/$defs/no"})", {"$ref", "points to nothing"}},
    {"Circular", R"({"$defs":{"a":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})", {"refers to itself"}},
    {"Type", R"({"type":"text"})", {"type", "not the name of a type"}},
    {"Pattern", R"({"items":{"pattern":"(a"}})", {"pattern", "#/items/pattern", "missing"}},
    {"BackReference", R"({"pattern":"(a)\\1"})", {"pattern", "back references"}},
    {"Unsupported", R"({"unevaluatedItems":false})", {"unevaluatedItems", "not supported"}},
    {"Format", R"({"format":"iri"})", {"format", "iri"}},
    {"False", "false", {"no value"}},
    {"Bounds",
     R"({"type":"object","properties":{"a":{"type":"integer","minimum":5,"maximum":4}},"required":["a"]})",
     {"maximum", "#/properties/a/maximum", "no value can match"}},
    {"Length", R"({"type":"string","minLength":3,"maxLength":2})", {"maxLength", "no value can match"}},
    {"Required",
     R"({"type":"object","required":["a"],"additionalProperties":false})",
     {"additionalProperties", "no value can match"}},
    {"Endless",
     R"({"$defs":{"a":{"type":"object","required":["a"],"properties":{"a":{"$ref":"#/$defs/a"}}}},"$ref":"#/$defs/a"})",
     {"no value can match"}},
    {"TooFew",
     R"({"type":"array","items":{"type":"boolean"},"uniqueItems":true,"minItems":3})",
     {"no value can match"}},
    {"UniqueObjects",
     R"({"a":0,"items":{"type":"object"},"uniqueItems":true})",
     {"uniqueItems", "#/uniqueItems", "strings"}},
    {"NotAll", R"({"not":{}})", {"not", "no value can match"}},
    {"NoSchema", R"({"properties":{"a":3}})", {"properties", "neither a schema"}},
};

class SchemaRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(SchemaRefusalTest, NamesWhatIsWrong) {
    const std::string message = refusal(GetParam().schema);
    for (const char* word : GetParam().words) {
        EXPECT_THAT(message, HasSubstr(word));
    }
}

INSTANTIATE_TEST_SUITE_P(Schemas, SchemaRefusalTest, testing::ValuesIn(kRefusals),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Schema, StrictModeTakesNoUnknownKeywords) {
    EXPECT_NE(made(R"({"x-note":1})"), nullptr);
    EXPECT_THAT(refusal(R"({"x-note":1})", {.strict = true}), HasSubstr("x-note"));
}

TEST(Schema, WithoutWhiteSpaceTextsAreCompact) {
    const auto automaton = made(R"({"type":"array"})", {.any_whitespace = false});
    EXPECT_TRUE(accepts(*automaton, "[1,2]"));
    EXPECT_FALSE(accepts(*automaton, "[1, 2]"));
}

TEST(Schema, WhiteSpaceEndsSomewhere) {
    const auto automaton = made("{}");
    EXPECT_TRUE(accepts(*automaton, "[\n        1\n]"));
    EXPECT_FALSE(accepts(*automaton, "[" + std::string(100, ' ') + "]"));
}

TEST(Schema, EveryStateCanBeFinished) {
    std::mt19937 random(7);
    for (const auto& row : kCases) {
        const auto automaton = made(row.schema);
        auto state = automaton->start();
        for (int i = 0; i < 60; ++i) {
            std::vector<Automaton::State> next;
            for (unsigned byte = 0; byte < 256; ++byte) {
                if (const auto to = automaton->next(state, static_cast<uint8_t>(byte)); to != Automaton::kDead) {
                    next.push_back(to);
                }
            }
            ASSERT_TRUE(!next.empty() || automaton->accepts(state)) << row.name;
            if (next.empty()) {
                break;
            }
            state = next[random() % next.size()];
        }
    }
}

TEST(Schema, InsidesOfTextsLoop) {
    const auto automaton = made(R"({"type":"string"})");
    const auto inside = automaton->next(automaton->start(), '"');
    const auto& loop = automaton->self_loop(inside);
    EXPECT_TRUE(loop['a']);
    EXPECT_FALSE(loop['"']);
    EXPECT_FALSE(loop['\\']);
}

TEST(Schema, MasksEqualBruteForce) {
    using gantry::grammar::TokenTrie;
    const TokenTrie trie(
        gantry::grammar::small_vocabulary(3, 3000, "ab\"\"\\un00a:,{}[] \n\xC3\xA9\xC3\xA9\xE2\x82\xAC\xE2\x82\xAC-1"));
    const auto mask_holds = [&](Automaton& automaton, Automaton::State state) {
        return std::ranges::equal(trie.mask(automaton, state).words(),
                                  gantry::grammar::brute_force_mask(trie, automaton, state).words());
    };
    std::mt19937 random(5);
    for (const char* schema :
         {R"({"type":"string"})", R"({"type":"string","maxLength":4})", R"({"type":"string","maxLength":3000})",
          R"({"type":"string","minLength":3,"maxLength":9})", R"({"type":"string","pattern":"^[ab]*$"})",
          R"({"type":"string","pattern":"^a.{2,5}$"})", R"({"type":"string","pattern":"b"})",
          R"({"type":"string","not":{"const":"aa"}})",
          R"({"anyOf":[{"maxLength":2},{"pattern":"^b"}],"type":"string"})",
          R"({"type":"array","items":{"type":"string","maxLength":3},"uniqueItems":true})",
          R"({"type":"object","properties":{"a":{"type":"string"},"ab":{"type":"integer"}},"minProperties":1})",
          R"({"type":"object","additionalProperties":{"type":"string","maxLength":2},"maxProperties":3})"}) {
        const auto automaton = made(schema);
        for (int way = 0; way < 6; ++way) {
            auto state = automaton->start();
            for (int i = 0; i < 12 && state != Automaton::kDead; ++i) {
                ASSERT_TRUE(mask_holds(*automaton, state)) << schema;
                const auto mask = trie.mask(*automaton, state);
                std::vector<int32_t> ids;
                for (size_t id = 0; id < trie.vocab_size(); ++id) {
                    if (mask.test(id)) {
                        ids.push_back(static_cast<int32_t>(id));
                    }
                }
                state = ids.empty()
                            ? Automaton::kDead
                            : gantry::grammar::walk(*automaton, state, trie.token_bytes(ids[random() % ids.size()]));
            }
        }
    }
}

TEST(Schema, KnowsHowFarAnyTextGoesOn) {
    constexpr size_t kLimit = 50;
    const auto run = [&](const char* schema, std::string_view text) {
        const auto automaton = made(schema);
        const auto found = automaton->plain_run(gantry::grammar::walk(*automaton, automaton->start(), text), kLimit);
        return std::pair(found.characters, found.exact);
    };
    const char* const short_one = R"({"type":"string","maxLength":10})";
    EXPECT_EQ(run(short_one, ""), std::pair(size_t{0}, false)) << "not yet inside";
    EXPECT_EQ(run(short_one, "\""), std::pair(size_t{10}, true));
    EXPECT_EQ(run(short_one, "\"abc"), std::pair(size_t{7}, true));
    EXPECT_EQ(run(short_one, "\"abcdefghij"), std::pair(size_t{0}, true));
    EXPECT_EQ(run(short_one, "\"\xC3"), std::pair(size_t{0}, false)) << "within a character";
    EXPECT_EQ(run(R"({"type":"string"})", "\"a"), std::pair(kLimit, false));
    EXPECT_EQ(run(R"({"type":"string","maxLength":1000})", "\"a"), std::pair(kLimit, false));
    EXPECT_EQ(run(R"({"type":"string","pattern":"^[\\s\\S]{3}[a-c]$"})", "\""), std::pair(size_t{3}, false));
    // One automaton is asked on and on.
    const auto automaton = made(R"({"type":"string","maxLength":200})");
    auto state = gantry::grammar::walk(*automaton, automaton->start(), "\"");
    for (size_t left = 200;; left -= 4) {
        const auto found = automaton->plain_run(state, kLimit);
        EXPECT_EQ(found.characters, std::min(left, kLimit));
        EXPECT_EQ(found.exact, left < kLimit);
        if (left == 0) {
            break;
        }
        state = gantry::grammar::walk(*automaton, state, "abcd");
    }
}

}  // namespace
