/// Chat templates against what jinja2, set up as transformers does, makes of them. fixtures/jinja_cases.json is made by
/// generate_jinja_cases.py; the published templates lie in the shared data folder, when there is one.

#include "runtime/text/chat_template.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace gantry::text {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;

// 2026-11-22 12:00:00, the clock of all expected renderings.
constexpr std::chrono::sys_seconds kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + 12h;

std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

Result<std::string> render(std::string_view source, const json::object& variables = {}) {
    auto compiled = ChatTemplate::compile(source);
    if (!compiled) {
        return compiled.error();
    }
    return compiled->render(variables, kNow);
}

std::string rendered(std::string_view source, const json::object& variables = {}) {
    const auto out = render(source, variables);
    return out ? *out : "error: " + out.error().text();
}

std::string refused(std::string_view source, const json::object& variables = {}) {
    const auto out = render(source, variables);
    return out ? "rendered: " + *out : out.error().message;
}

/// Python's message without the exception's class.
std::string message_of(std::string_view error) { return std::string(error.substr(error.find(": ") + 2)); }

fs::path shared_data() {
    if (const char* set = std::getenv("GANTRY_SHARED_DATA")) {
        return set;
    }
    const fs::path source = GANTRY_SOURCE_DIR;
    for (const auto& candidate : {source / "../shared/data", source / "../../shared/data"}) {
        if (fs::exists(candidate)) {
            return candidate;
        }
    }
    return {};
}

TEST(ChatTemplate, MatchesJinja2OnTheFixtureCases) {
    const auto cases = json::parse(read(fs::path(GANTRY_SOURCE_DIR) / "tests/runtime/text/fixtures/jinja_cases.json"));
    const auto& variables = cases.at("variables").as_object();
    size_t checked = 0;
    for (const auto& c : cases.at("cases").as_array()) {
        const std::string source(c.at("template").as_string());
        const auto out = render(source, variables);
        if (const auto* expected = c.as_object().if_contains("expected")) {
            EXPECT_TRUE(out) << source << "\nrefused: " << (out ? "" : out.error().text());
            EXPECT_EQ(out ? *out : "", std::string(expected->as_string())) << source;
        } else {
            EXPECT_FALSE(out) << source << "\nshould fail with " << c.at("error").as_string()
                              << "\nrendered: " << (out ? *out : "");
            const auto* message = c.as_object().if_contains("message");
            if (!out && message != nullptr) {
                EXPECT_EQ(out.error().message, std::string(message->as_string())) << source;
            }
        }
        ++checked;
    }
    EXPECT_GT(checked, 500U);
}

TEST(ChatTemplate, MatchesTransformersOnThePublishedTemplates) {
    const fs::path folder = shared_data() / "chat_templates";
    if (shared_data().empty() || !fs::exists(folder)) {
        GTEST_SKIP() << "no shared data: set GANTRY_SHARED_DATA to the folder that holds chat_templates/";
    }
    size_t templates = 0;
    size_t checked = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".jinja") {
            continue;
        }
        SCOPED_TRACE(entry.path().stem().string());
        const auto compiled = ChatTemplate::compile(read(entry.path()));
        ASSERT_TRUE(compiled) << compiled.error().text();
        ++templates;
        const auto cases = json::parse(read(fs::path(entry.path()).replace_extension(".cases.json")));
        for (const auto& c : cases.as_array()) {
            SCOPED_TRACE(std::string(c.at("case").as_string()));
            const auto out = compiled->render(c.at("input").as_object(), kNow);
            ++checked;
            if (const auto* expected = c.as_object().if_contains("expected"); expected && expected->is_string()) {
                EXPECT_TRUE(out) << out.error().text();
                EXPECT_EQ(out ? *out : "", std::string(expected->as_string()));
            } else {
                const std::string error(c.at("error").as_string());
                EXPECT_FALSE(out) << "should fail with " << error << "\nrendered: " << *out;
                EXPECT_EQ(out ? "" : out.error().message, message_of(error));
            }
        }
    }
    EXPECT_EQ(templates, 48U);
    RecordProperty("cases", static_cast<int>(checked));
}

TEST(ChatTemplate, SyntaxErrorsNameLineAndColumn) {
    const std::pair<const char*, const char*> cases[] = {
        {"{{ 1 +", "line 1, column 7: unexpected 'end of template'"},
        {"a\n{% if %}", "line 2, column 7: Expected an expression, got 'end of statement block'"},
        {"\n\n  {{ x | nothing }}", "line 3, column 10: No filter named 'nothing'."},
        {"{{ x is nothing }}", "line 1, column 9: No test named 'nothing'."},
        {"é{{ ( ] }}", "line 1, column 7: unexpected ']', expected ')'"},
        {"{% frob %}", "line 1, column 4: Encountered unknown tag 'frob'."},
        {"{# open", "line 1, column 1: Missing end of comment tag"},
        {"{% break %}", "line 1, column 10: 'break' outside loop"},
        {"{% for true in x %}{% endfor %}", "line 1, column 8: can't assign to 'const'"},
        {"{{ x ! y }}", "line 1, column 6: unexpected char '!'"},
    };
    for (const auto& [source, expected] : cases) {
        const auto compiled = ChatTemplate::compile(source);
        ASSERT_FALSE(compiled) << source;
        EXPECT_EQ(compiled.error().code, Code::kInvalidArgument);
        EXPECT_NE(compiled.error().message.find(expected), std::string::npos) << source << "\n"
                                                                              << compiled.error().message;
    }
}

TEST(ChatTemplate, ARefusalCarriesTheTemplatesWordsAndItsLine) {
    const auto out = render("a\n{% if true %}\n{{ raise_exception('Only one system message!') }}{% endif %}");
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::kInvalidArgument);
    EXPECT_EQ(out.error().message, "Only one system message!");
    EXPECT_EQ(out.error().hint, "raised on line 3 of the chat template");
}

TEST(ChatTemplate, InvalidUtf8IsRefusedInTheSourceAndReplacedInVariables) {
    EXPECT_FALSE(ChatTemplate::compile("a\xff"));
    EXPECT_EQ(rendered("{{ x }}", {{"x", "a\xff\xc3"}}), "a\uFFFD\uFFFD");
    EXPECT_EQ(refused("{{ '%é' % 1 }}"), "unsupported format character 'é' at index 1");
}

TEST(ChatTemplate, IntegersAreExactTo128BitsAndNeverWrap) {
    EXPECT_EQ(rendered("{{ x }}", {{"x", UINT64_MAX}}), "18446744073709551615");
    EXPECT_EQ(rendered("{{ x + 1 }}", {{"x", INT64_MAX}}), "9223372036854775808");
    EXPECT_EQ(refused("{{ 2 ** 127 }}"), "integer is larger than 128 bits");
    EXPECT_EQ(rendered("{{ -(2 ** 126) * 2 }}"), "-170141183460469231731687303715884105728");
}

TEST(ChatTemplate, OneTemplateServesManyThreads) {
    const auto compiled = ChatTemplate::compile(
        "{% macro m(x) %}<{{ x ~ '-' ~ x|upper }}>{% endmacro %}{% for i in range(200) %}{{ m('ab' ~ i) }}{% endfor "
        "%}");
    ASSERT_TRUE(compiled);
    const std::string expected = *compiled->render({});
    std::vector<std::jthread> threads;
    std::vector<std::string> results(4);
    for (auto& result : results) {
        threads.emplace_back([&] { result = *compiled->render({}); });
    }
    threads.clear();
    for (const auto& result : results) {
        EXPECT_EQ(result, expected);
    }
}

TEST(ChatTemplate, StrftimeNowSeesTheGivenClock) {
    EXPECT_EQ(rendered("{{ strftime_now('%Y-%m-%d %H:%M:%S %f|%d %b %Y%%') }}"),
              "2026-11-22 12:00:00 000000|22 Nov 2026%");
    EXPECT_EQ(rendered("[{{ strftime_now('') }}]"), "[]");
    EXPECT_EQ(rendered("{{ strftime_now('%Y')|length }}"), "4");
}

struct Hostile {
    const char* name;
    std::string source;
};

std::string repeated(std::string_view piece, size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i) {
        out += piece;
    }
    return out;
}

class ChatTemplateLimits : public testing::TestWithParam<Hostile> {};

TEST_P(ChatTemplateLimits, EndInAnError) {
    const auto out = render(GetParam().source);
    EXPECT_FALSE(out) << out->size();
}

INSTANTIATE_TEST_SUITE_P(
    Hostile, ChatTemplateLimits,
    testing::Values(
        Hostile{"EndlessRecursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"},
        Hostile{"MutualRecursionThroughCallers",
                "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}"},
        Hostile{"RecursiveLoop", "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}"},
        Hostile{"NestedLoops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"},
        Hostile{"DoublingText",
                "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}"},
        Hostile{"DoublingList",
                "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}"},
        Hostile{"HugeRepeat", "{{ 'ab' * 9999999999 }}"}, Hostile{"HugeListRepeat", "{{ ([0] * 9999999999)|length }}"},
        Hostile{"HugeWidth", "{{ '%999999999d' % 1 }}"}, Hostile{"HugeSpec", "{{ '{:999999999}'.format(1) }}"},
        Hostile{"HugePrecision", "{{ '%.99999999f' % 1.5 }}"}, Hostile{"HugeCenter", "{{ 'x'.center(9999999999) }}"},
        Hostile{"HugeIndent", "{{ 'x\\ny'|indent(9999999999) }}"},
        Hostile{"HugeBatch", "{{ [1]|batch(9999999999, 0)|list }}"},
        Hostile{"HugeSlice", "{{ [1]|slice(9999999999, 0)|list }}"},
        Hostile{"HugeOutput", "{% set s = 'x' * 1000000 %}{% for i in range(1000) %}{{ s }}{% endfor %}"},
        Hostile{"HugeJoin", "{{ (['x' * 1000000] * 1000)|join }}"},
        Hostile{"HugeReplace", "{{ ('x' * 1000000)|replace('x', 'y' * 1000) }}"},
        Hostile{"CharactersOfAHugeText", "{{ ('x' * 60000000)|list|length }}"},
        Hostile{"DeepList",
                "{% set n = namespace(s=[]) %}{% for i in range(99999) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}"},
        Hostile{"DeepGenerators",
                "{% set n = namespace(s=[1]) %}{% for i in range(99999) %}{% set n.s = n.s|map('string') "
                "%}{% endfor %}{{ n.s|list }}"},
        Hostile{"CircleInRepr", "{% set n = namespace() %}{% set n.s = [n] %}{{ n }}"},
        Hostile{"GeneratorInItself",
                "{% set n = namespace() %}{% set n.g = [n]|map(attribute='g')|map('list') %}{{ n.g|list }}"},
        Hostile{"ExponentialRepr",
                "{% set n = namespace(s='ab') %}{% for i in range(90) %}{% set n.s = [n.s, n.s] "
                "%}{% endfor %}{{ n.s }}"},
        Hostile{"ExponentialEquality",
                "{% set n = namespace(a=1, b=1) %}{% for i in range(90) %}{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, "
                "n.b] %}{% endfor %}{{ n.a == n.b }}"},
        Hostile{
            "ExponentialHash",
            "{% set n = namespace(a=1) %}{% for i in range(90) %}{% set n.a = (n.a, n.a) %}{% endfor %}{{ {n.a: 1} }}"},
        Hostile{"DeepParentheses", "{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}"},
        Hostile{"DeepLists", "{{ " + repeated("[", 100000) + repeated("]", 100000) + " }}"},
        Hostile{"LongSum", "{{ 1" + repeated(" + 1", 100000) + " }}"},
        Hostile{"LongAttributes", "{{ x" + repeated(".a", 100000) + " }}"},
        Hostile{"ManyNots", "{{ " + repeated("not ", 100000) + "1 }}"},
        Hostile{"ManySigns", "{{ " + repeated("-", 100000) + "1 }}"},
        Hostile{"DeepTags", repeated("{% if 1 %}", 100000) + repeated("{% endif %}", 100000)},
        Hostile{"DeepTargets", "{% set " + repeated("(", 100000) + "a" + repeated(")", 100000) + " = 1 %}"},
        Hostile{"TooLargeASource", std::string(5 << 20, ' ')}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ChatTemplate, CirclesThroughNamespacesAndLoopsAreFreed) {
    EXPECT_EQ(rendered("{% set n = namespace() %}{% set n.me = n %}{% set n.l = [n] %}"
                       "{% for i in [1, 2] %}{% set n.loop = loop %}{{ loop.changed(loop) }}{% endfor %}"
                       "{{ n.loop.changed(n.loop) }}{% set n.g = [n]|map('list') %}"
                       "{% macro m() %}{% endmacro %}{% set n.m = m %}"),
              "TrueFalseTrue");
}

}  // namespace
}  // namespace gantry::text
