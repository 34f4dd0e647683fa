#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/runtime/text/output_fixture.hpp"

namespace gantry::text {
namespace {

namespace json = boost::json;

struct Case {
    std::string name;
    std::string format;
    std::string text;
    Parsed want;
    bool thinks = false;  ///< the prompt has opened the reasoning
};

const char* const kParis = R"({"city": "Paris", "unit": "celsius"})";
const char* const kNested =
    R"({"text": "a \"b\" \\ \n {[</x>]} é 你好 🙂", "tags": ["x", {"y": [1, -2.5e3, true, null]}], "meta": {"k": {}}})";

std::vector<Case> cases() {
    const std::string paris(kParis), nested(kNested);
    const Parsed one{"", "", {{"get_weather", paris}}, false};
    const Parsed two{"", "", {{"get_weather", paris}, {"add", R"({"a": 1, "b": 2.5})"}}, false};
    const Parsed deep{"", "", {{"note", nested}}, false};
    const std::string add = R"({"a": 1, "b": 2.5})";
    std::vector<Case> out;
    const auto put = [&](std::string format, std::string name, std::string text, Parsed want, bool thinks = false) {
        out.push_back({std::move(name), std::move(format), std::move(text), std::move(want), thinks});
    };
    const auto hermes = [](const std::string& n, const std::string& a) {
        return "<tool_call>\n{\"name\": \"" + n + "\", \"arguments\": " + a + "}\n</tool_call>";
    };
    put("hermes", "One", hermes("get_weather", paris), one);
    put("hermes", "Two", hermes("get_weather", paris) + "\n" + hermes("add", add), two);
    put("hermes", "Deep", hermes("note", nested), deep);
    put("hermes", "AfterContent", "Let me look. <b>\n\n" + hermes("get_weather", paris),
        {"Let me look. <b>", "", one.calls, false});
    put("hermes", "AfterReasoning", "<think>\nParis?\n </thinks>\n</think>\n\n" + hermes("get_weather", paris),
        {"", "Paris?\n </thinks>", one.calls, false});
    put("hermes", "OpenReasoning", "Paris?\n</think>\n\nSo:\n" + hermes("get_weather", paris),
        {"So:", "Paris?", one.calls, false}, true);
    put("hermes", "ArgumentsFirst", "<tool_call>{\"arguments\": " + paris + ", \"name\": \"get_weather\"}</tool_call>",
        one);
    put("hermes", "NoArguments", "<tool_call>{\"name\": \"add\"}</tool_call>", {"", "", {{"add", "{}"}}, false});
    put("hermes", "QuotedArguments", R"(<tool_call>{"name": "add", "arguments": "{\"a\": 1}"}</tool_call>)",
        {"", "", {{"add", R"({"a": 1})"}}, false});
    put("hermes", "MoreMembers",
        "<tool_call>{\"id\": 7, \"name\": \"add\", \"arguments\": " + add + ", \"x\": [1]}</tool_call>",
        {"", "", {{"add", add}}, false});
    put("hermes", "NoEndMarker", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": " + paris + "}", one);
    put("hermes", "TextAfter", hermes("get_weather", paris) + "\nDone.\n", {"Done.\n", "", one.calls, false});
    put("hermes", "UnknownName", hermes("rm", "{}"), {hermes("rm", "{}"), "", {}, true});
    put("hermes", "UnknownThenKnown", hermes("rm", "{}") + hermes("get_weather", paris),
        {hermes("rm", "{}"), "", one.calls, true});
    put("hermes", "NotJson", "<tool_call>get_weather(Paris)</tool_call>",
        {"<tool_call>get_weather(Paris)</tool_call>", "", {}, true});
    put("hermes", "MarkerOnly", "Use <tool_call> tags", {"Use <tool_call> tags", "", {}, true});
    put("hermes", "CutHead", "Hm <tool_call>\n{\"name\": \"get_w",
        {"Hm <tool_call>\n{\"name\": \"get_w", "", {}, true});
    put("hermes", "CutArguments", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Pa",
        {"", "", {{"get_weather", "{\"city\": \"Pa"}}, true});
    put("hermes", "BrokenArguments",
        "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": oops}}</tool_call>",
        {"oops}}</tool_call>", "", {{"get_weather", "{\"city\": "}}, true});
    put("hermes", "PlainText", "  Two < three,\n and <tool is no marker. \n",
        {"  Two < three,\n and <tool is no marker. \n", "", {}, false});
    put("hermes", "CutReasoning", "<think>still thinking </thi", {"", "still thinking </thi", {}, false});
    put("hermes", "ThinkInText", "The tag <think> opens.", {"The tag <think> opens.", "", {}, false});

    const std::string list =
        "[{\"name\": \"get_weather\", \"arguments\": " + paris + "}, {\"name\": \"add\", \"arguments\": " + add + "}]";
    put("mistral", "List", "[TOOL_CALLS] " + list, two);
    put("mistral", "ListWithIds",
        "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": " + paris + ", \"id\": \"abcdef123\"}]", one);
    put("mistral", "Named", "[TOOL_CALLS]get_weather[ARGS]" + paris + "[TOOL_CALLS]add[CALL_ID]abcdef123[ARGS]" + add,
        two);
    put("mistral", "NamedBare", "[TOOL_CALLS]get_weather" + paris, one);
    put("mistral", "Think", "[THINK]Hm [/THIN] [/THINK]Yes.", {"Yes.", "Hm [/THIN]", {}, false});
    put("granite", "List", "<|tool_call|>" + list, two);
    put("granite", "OldMarker", "<tool_call>" + list, two);
    put("phi-4-mini", "List", "<|tool_call|>" + list + "<|/tool_call|>", two);
    put("phi-4-mini", "Functools", "functools" + list, two);
    put("phi-4-mini", "WordFunctools", "functools is a module", {"functools is a module", "", {}, true});
    put("command-r", "List",
        "<|START_THINKING|>I look.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": "
        "\"get_weather\", \"parameters\": " +
            paris + "},\n    {\"tool_call_id\": \"1\", \"tool_name\": \"add\", \"parameters\": " + add +
            "}\n]<|END_ACTION|>",
        {"", "I look.", two.calls, false});
    put("command-r", "Response", "<|START_RESPONSE|>Hi <|END_RESP<|END_RESPONSE|>", {"Hi <|END_RESP", "", {}, false});
    const std::string llama = "{\"name\": \"get_weather\", \"parameters\": " + paris + "}";
    put("llama3", "Bare", llama, one);
    put("llama3", "Tagged", "<|python_tag|>" + llama, one);
    put("llama3", "TypeFirst", "\n{\"type\": \"function\", \"name\": \"get_weather\", \"parameters\": " + paris + "}",
        one);
    put("llama3", "Two", llama + "; {\"name\": \"add\", \"parameters\": " + add + "}", two);
    put("llama3", "JsonAnswer", "{\"answer\": {\"name\": \"get_weather\"}}",
        {"{\"answer\": {\"name\": \"get_weather\"}}", "", {}, false});
    put("llama3", "LaterBraces", "So {\"name\": \"add\"}", {"So {\"name\": \"add\"}", "", {}, false});
    put("llama3", "Unknown", "{\"name\": \"Bob\", \"age\": 3}", {"{\"name\": \"Bob\", \"age\": 3}", "", {}, true});

    put("deepseek-v3", "Two",
        "Look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n" + paris +
            "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n" + add +
            "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        {"Look.", "", two.calls, false});
    put("deepseek-v3.1", "Two",
        "why</think>Look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>" + paris +
            "<｜tool▁call▁end｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>" + add +
            "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        {"Look.", "why", two.calls, false}, true);
    put("kimi-k2", "Two",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>" + paris +
            "<|tool_call_end|><|tool_call_begin|>functions.add:1<|tool_call_argument_begin|>" + add +
            "<|tool_call_end|><|tool_calls_section_end|>",
        two);
    put("functionary-v3.1", "Two", "<function=get_weather>" + paris + "</function><function=add>" + add + "</function>",
        two);
    put("functionary-v3.2", "Two", "all\nLet me see.>>>get_weather\n" + paris + ">>>add\n" + add,
        {"Let me see.", "", two.calls, false});
    put("functionary-v3.2", "First", "get_weather\n" + paris, one);
    put("functionary-v3.2", "Prompt", "all\n>>> x = 1\n>>>add\n" + add, {">>> x = 1", "", {{"add", add}}, false});

    put("harmony", "Call",
        "<|channel|>analysis<|message|>Need < it.<|end|><|start|>assistant<|channel|>commentary "
        "to=functions.get_weather "
        "<|constrain|>json<|message|>" +
            paris + "<|call|>",
        {"", "Need < it.", one.calls, false});
    put("harmony", "RecipientInRole",
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant "
        "to=functions.get_weather<|channel|>commentary "
        "json<|message|>" +
            paris,
        {"I look.", "", one.calls, false});
    put("harmony", "Final",
        "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>Hi <|x|>!<|return|>",
        {"Hi <|x|>!", "Hm", {}, false});
    put("harmony", "NoHeader", "Just text", {"Just text", "", {}, false});
    put("harmony", "Unknown", "<|channel|>commentary to=functions.rm<|message|>{}<|call|>", {"{}", "", {}, true});

    const auto glm = [](const std::string& sep) {
        return "<tool_call>get_weather" + sep + "<arg_key>city</arg_key>" + sep + "<arg_value>Paris</arg_value>" + sep +
               "<arg_key>unit</arg_key>" + sep + "<arg_value>celsius</arg_value>" + sep +
               "</tool_call>\n<tool_call>add" + sep +
               "<arg_key>a</arg_key><arg_value>1</arg_value><arg_key>b</arg_key><arg_value>2.5</arg_value></tool_call>";
    };
    put("glm4", "Two", glm(""), two);
    put("glm4", "TwoWithLines", "Ok\n" + glm("\n"), {"Ok", "", two.calls, false});
    put("glm4", "NoArguments", "<tool_call>add</tool_call>", {"", "", {{"add", "{}"}}, false});
    put("glm4", "Typed",
        "<tool_call>note<arg_key>text</arg_key><arg_value>42</arg_value><arg_key>tags</arg_key><arg_value>[1, "
        "\"a\"]</arg_value>"
        "<arg_key>any</arg_key><arg_value>true</arg_value><arg_key>maybe</arg_key><arg_value>null</arg_value></"
        "tool_call>",
        {"", "", {{"note", R"({"text": "42", "tags": [1, "a"], "any": true, "maybe": null})"}}, false});
    put("glm4", "Unknown", "<tool_call>rm</tool_call>", {"<tool_call>rm</tool_call>", "", {}, true});
    const std::string coder =
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=unit>\ncelsius\n"
        "</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=add>\n<parameter=a>\n1\n</"
        "parameter>\n<parameter=b>\n2.5\n</parameter>\n</function>\n</tool_call>";
    put("qwen3-coder", "Two", "I will.\n\n" + coder, {"I will.", "", two.calls, false});
    put("qwen3-coder", "NoSection",
        "<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=b>2.5</parameter>\n</function>",
        {"", "", {{"add", add}}, false});
    put("qwen3-coder", "Values",
        "<tool_call>\n<function=note>\n<parameter=text>\n\na \"b\"\n<c> \\ é\n\n</parameter>\n<parameter=tags>\n['x', "
        "{'y': True}, None]\n</parameter>\n"
        "<parameter=meta>\nnot an object\n</parameter>\n</function>\n</tool_call>",
        {"",
         "",
         {{"note", R"({"text": "\na \"b\"\n<c> \\ é\n", "tags": ["x", {"y": true}, null], "meta": "not an object"})"}},
         false});
    put("qwen3-coder", "Garbage", "<tool_call>\n<function=add>\nwhat\n</function>\n</tool_call>",
        {"what\n</function>\n", "", {{"add", "{}"}}, true});
    put("minimax-m2", "Two",
        "\n<minimax:tool_call>\n<invoke name=\"get_weather\">\n<parameter name=\"city\">Paris</parameter>\n<parameter "
        "name=\"unit\">celsius</parameter>\n"
        "</invoke>\n<invoke name=\"add\">\n<parameter name=\"a\">1</parameter>\n<parameter "
        "name=\"b\">2.5</parameter>\n</invoke>\n</minimax:tool_call>",
        two);
    put("seed-oss", "Two",
        "<seed:think>x</seed:think>\n<seed:tool_call>\n<function=get_weather>\n<parameter=city>Paris</"
        "parameter>\n<parameter=unit>celsius</parameter>\n</function>\n</seed:tool_call>",
        {"", "x", one.calls, false});
    put("minicpm5", "Cdata",
        "<function name=\"note\"><param name=\"text\"><![CDATA[a < b </x>]]></param><param "
        "name=\"tags\">[1]</param></function>",
        {"", "", {{"note", R"({"text": "a < b </x>", "tags": [1]})"}}, false});
    put("deepseek-v3.2", "Dsml",
        "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"note\">\n<｜DSML｜parameter name=\"text\" string=\"true\">7 "
        "é</｜DSML｜parameter>\n"
        "<｜DSML｜parameter name=\"any\" "
        "string=\"false\">[1]</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        {"", "", {{"note", R"({"text": "7 é", "any": [1]})"}}, false});
    put("pythonic", "Two", "[get_weather(city='Paris', unit=\"celsius\"), add(a=1, b=2.5)]", two);
    put("pythonic", "Deep",
        R"([note(text='a "b" \\ \n {[</x>]} é 你好 🙂', tags=['x', {'y': [1, -2.5e3, True, None]}], meta={'k': {}})])",
        deep);
    put("pythonic", "None", "[add()]", {"", "", {{"add", "{}"}}, false});
    put("pythonic", "Citation", "[1] says so", {"[1] says so", "", {}, false});
    put("pythonic", "NoLiteral", "[add(a=x+1)]", {"a=x+1)]", "", {{"add", "{}"}}, true});
    put("lfm2", "Two",
        "<|tool_call_start|>[get_weather(city=\"Paris\", unit=\"celsius\"), add(a=1, b=2.5)]<|tool_call_end|>Right.",
        {"Right.", "", two.calls, false});
    return out;
}

class OutputParser : public testing::TestWithParam<Case> {};

TEST_P(OutputParser, SplitsTheWholeText) {
    const Case& c = GetParam();
    EXPECT_EQ(summary(parse(plan_for(c.format, c.thinks), {c.text})), c.want) << c.text;
}

TEST_P(OutputParser, GivesTheSameForEveryCut) {
    const Case& c = GetParam();
    const auto plan = plan_for(c.format, c.thinks);
    const auto whole = parse(plan, {c.text});
    std::vector<std::string> bytes;
    for (const char byte : c.text) {
        bytes.emplace_back(1, byte);
    }
    EXPECT_EQ(parse(plan, bytes), whole) << "byte by byte";
    for (size_t cut = 1; cut < c.text.size(); ++cut) {
        ASSERT_EQ(parse(plan, {c.text.substr(0, cut), c.text.substr(cut)}), whole) << "cut at " << cut;
    }
}

TEST_P(OutputParser, TakesEveryBeginning) {
    const Case& c = GetParam();
    const auto plan = plan_for(c.format, c.thinks);
    for (size_t length = 0; length < c.text.size(); ++length) {
        const std::string text = c.text.substr(0, length);
        std::vector<std::string> bytes;
        for (const char byte : text) {
            bytes.emplace_back(1, byte);
        }
        ASSERT_EQ(parse(plan, bytes), parse(plan, {text})) << text;
    }
}

TEST_P(OutputParser, GivesArgumentsThatAreJson) {
    const Case& c = GetParam();
    for (const auto& [name, arguments] : summary(parse(plan_for(c.format, c.thinks), {c.text})).calls) {
        boost::system::error_code ec;
        const json::value value = json::parse(arguments, ec);
        EXPECT_TRUE(c.want.fault || (!ec && value.is_object())) << arguments;
    }
}

INSTANTIATE_TEST_SUITE_P(Formats, OutputParser, testing::ValuesIn(cases()), [](const auto& info) {
    std::string name = info.param.format + "_" + info.param.name;
    std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
    return name;
});

TEST(OutputParserIds, AreTheModelsOwnWhereItGivesThem) {
    const auto pieces = parse(plan_for("kimi-k2"),
                              {"<|tool_call_begin|>functions.add:3<|tool_call_argument_begin|>{}<|tool_call_end|>"});
    ASSERT_FALSE(pieces.empty());
    EXPECT_EQ(pieces.front().id, "functions.add:3");
}

TEST(OutputParserIds, AreNineCharactersForMistral) {
    const auto pieces = parse(plan_for("mistral"), {"[TOOL_CALLS]add[ARGS]{}[TOOL_CALLS]add[ARGS]{}"});
    ASSERT_EQ(pieces.size(), 6U);
    EXPECT_EQ(pieces[0].id.size(), 9U);
    EXPECT_NE(pieces[0].id, pieces[3].id);
}

TEST(OutputParserStream, GivesArgumentsAsTheyCome) {
    gantry::text::OutputParser parser(plan_for("hermes"), "id");
    std::vector<OutputPiece> out;
    parser.push("<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"ci", out);
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[1].text, "{\"ci");
    parser.push("ty\": \"Par", out);
    EXPECT_EQ(out[1].text, "{\"city\": \"Par");
}

TEST(OutputParserStream, StreamsTextValuesBetweenTags) {
    gantry::text::OutputParser parser(plan_for("glm4"), "id");
    std::vector<OutputPiece> out;
    parser.push("<tool_call>get_weather<arg_key>city</arg_key><arg_value>Par", out);
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[1].text, "{\"city\": \"Par");
}

TEST(OutputParserBounds, AHeadWithoutEndIsText) {
    const std::string text = "<tool_call>{\"name\": \"" + std::string(20000, 'x');
    const auto plan = plan_for("hermes");
    gantry::text::OutputParser parser(plan, "id");
    std::vector<OutputPiece> out;
    for (size_t at = 0; at < text.size(); at += 100) {
        parser.push(std::string_view(text).substr(at, 100), out);
    }
    parser.finish(out);
    EXPECT_EQ(summary(out).content, text);
    EXPECT_EQ(summary(parse(plan, {text})).content, text);
    EXPECT_FALSE(parser.fault().empty());
}

TEST(OutputFormats, HaveNamesOfTheirOwn) {
    for (const OutputFormat& format : output_formats()) {
        EXPECT_EQ(find_output_format(format.name), &format);
        for (const std::string_view alias : format.aliases) {
            EXPECT_EQ(find_output_format(alias), &format) << alias;
        }
    }
    EXPECT_EQ(find_output_format("DeepSeek_V3"), find_output_format("deepseek-v3"));
    EXPECT_EQ(find_output_format("nonsense"), nullptr);
}

}  // namespace
}  // namespace gantry::text
