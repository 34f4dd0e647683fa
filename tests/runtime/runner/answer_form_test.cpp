// Structured output together with reasoning and with tools, in every format of calls, with random logits: whatever
// ends by itself has the form asked for.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "tests/runtime/runner/random_model.hpp"

namespace gantry::runner {
namespace {

namespace json = boost::json;
using engine::ToolChoice;
using Kind = engine::GrammarSpec::Kind;
using testing::Answer;
using ::testing::HasSubstr;
using testing::kOpen;
using testing::kPlain;
using testing::Model;

/// f is strict, g is not; f's n is told by a reference.
engine::ChatInput chat(ToolChoice choice = ToolChoice::kAuto) {
    engine::ChatInput out;
    out.tools = json::parse(R"([
        {"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object",
         "properties": {"s": {"type": "string"}, "n": {"$ref": "#/$defs/count"}, "e": {"enum": ["x", "y"]}},
         "required": ["s", "e"], "additionalProperties": false, "$defs": {"count": {"type": "integer"}}}}},
        {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties":
         {"b": {"type": "boolean"}, "t": {"type": ["string", "null"]}}, "additionalProperties": false}}}])")
                    .as_array();
    out.tool_choice = choice;
    out.tool_name = choice == ToolChoice::kNamed ? "f" : "";
    return out;
}

/// What is wrong with a call; empty: nothing. Of tools that are not held to their schema only that they are objects.
std::string wrong(const std::pair<std::string, std::string>& call, bool held) {
    boost::system::error_code error;
    const json::value parsed = json::parse(call.second, error);
    if (error || !parsed.is_object()) {
        return "no object: " + call.second;
    }
    for (const auto& member : parsed.get_object()) {
        const json::value& value = member.value();
        const bool good = call.first == "f" ? (member.key() == "s" && value.is_string()) ||
                                                  (member.key() == "n" && value.is_number()) ||
                                                  (member.key() == "e" && (value == "x" || value == "y"))
                                            : !held || (member.key() == "b" && value.is_bool()) ||
                                                  (member.key() == "t" && (value.is_string() || value.is_null()));
        if (!good) {
            return call.first + ": " + call.second;
        }
    }
    const bool whole = call.first != "f" || (parsed.get_object().contains("s") && parsed.get_object().contains("e"));
    return whole ? "" : "a required member is missing: " + call.second;
}

engine::GrammarSpec spec(Kind kind, std::string text) {
    engine::GrammarSpec out;
    out.kind = kind;
    out.text = std::move(text);
    return out;
}

engine::GrammarSpec answer_schema() {
    return spec(Kind::kJsonSchema, R"({"type": "object", "properties": {"answer": {"type": "integer"}},
                                       "required": ["answer"], "additionalProperties": false})");
}

bool is_answer(const std::string& text) {
    boost::system::error_code error;
    const json::value parsed = json::parse(text, error);
    return !error && parsed.is_object() && parsed.get_object().size() == 1 && parsed.get_object().contains("answer") &&
           parsed.at("answer").is_number();
}

class EveryFormat : public ::testing::TestWithParam<std::tuple<const char*, bool>> {
  protected:
    /// Asks under several seeds; returns the answers that ended by themselves.
    std::vector<Answer> answers(const engine::ChatInput& chat, const std::optional<engine::GrammarSpec>& form,
                                const std::map<std::string, float>& likes) {
        constexpr int kWanted = 5;
        const auto [name, controls] = GetParam();
        std::vector<Answer> out;
        for (const char* const chat_template : {kPlain, kOpen}) {
            Model model(name, controls, chat_template);
            model.likes = likes;
            for (uint64_t seed = 0; seed < 15; ++seed) {
                auto answer = model.ask(chat, form, seed);
                EXPECT_TRUE(answer.has_value()) << answer.error().text();
                if (!answer) {
                    return out;
                }
                EXPECT_FALSE(answer->error) << answer->error->text();
                if (answer->ended()) {
                    out.push_back(std::move(*answer));
                }
            }
        }
        EXPECT_GE(static_cast<int>(out.size()), kWanted);
        return out;
    }
    static void expect_calls(const Answer& answer, bool held) {
        EXPECT_EQ(answer.fault, "") << answer.content;
        EXPECT_EQ(answer.finish, engine::FinishReason::kToolCalls);
        for (const auto& call : answer.calls) {
            EXPECT_EQ(wrong(call, held), "") << call.first;
        }
    }
};

TEST_P(EveryFormat, RequiredCallsKeepToTheirSchemas) {
    size_t most = 0;
    for (const Answer& answer : answers(chat(ToolChoice::kRequired), std::nullopt, {{",", 2}, {"\n", 3}})) {
        EXPECT_EQ(answer.content, "");
        EXPECT_FALSE(answer.calls.empty());
        expect_calls(answer, true);
        most = std::max(most, answer.calls.size());
    }
    EXPECT_GT(most, 1U);
}

TEST_P(EveryFormat, ANamedCallIsOne) {
    for (const Answer& answer : answers(chat(ToolChoice::kNamed), answer_schema(), {})) {
        EXPECT_EQ(answer.content, "");
        EXPECT_EQ(answer.calls.size(), 1U);
        EXPECT_EQ(answer.calls.at(0).first, "f");
        expect_calls(answer, true);
    }
}

TEST_P(EveryFormat, NoMoreThanOneCallWhereNoMoreAreWanted) {
    engine::ChatInput one = chat(ToolChoice::kRequired);
    one.parallel_tool_calls = false;
    for (const Answer& answer : answers(one, std::nullopt, {})) {
        EXPECT_EQ(answer.calls.size(), 1U);
        expect_calls(answer, true);
    }
}

TEST_P(EveryFormat, WithAFormTheAnswerIsACallOrHasTheForm) {
    size_t calls = 0, contents = 0;
    for (const Answer& answer : answers(chat(), answer_schema(), {})) {
        if (answer.calls.empty()) {
            ++contents;
            EXPECT_TRUE(is_answer(answer.content)) << answer.content;
            EXPECT_EQ(answer.fault, "");
        } else {
            ++calls;
            EXPECT_EQ(answer.content, "");
            expect_calls(answer, true);
        }
    }
    EXPECT_GT(contents, 0U);
    EXPECT_GT(calls, 0U);
}

TEST_P(EveryFormat, WithoutToolsTheAnswerHasTheForm) {
    engine::ChatInput none = chat(ToolChoice::kNone);
    none.tools.clear();
    for (const Answer& answer : answers(none, answer_schema(), {})) {
        EXPECT_TRUE(is_answer(answer.content)) << answer.content;
        EXPECT_TRUE(answer.calls.empty());
    }
    for (const Answer& answer : answers(none, spec(Kind::kRegex, "(yes|no){1,2}"), {})) {
        EXPECT_TRUE(answer.content == "yes" || answer.content == "no" || answer.content.size() > 3) << answer.content;
    }
}

TEST_P(EveryFormat, ACallThatIsBegunIsWellFormedWhereAToolIsStrict) {
    size_t calls = 0;
    for (const Answer& answer : answers(chat(), std::nullopt, {{"</s>", 4}})) {
        EXPECT_EQ(answer.fault, "") << answer.content;
        calls += answer.calls.size();
        for (const auto& call : answer.calls) {
            EXPECT_EQ(wrong(call, false), "") << call.first;
        }
    }
    const bool by_chance = std::string(std::get<0>(GetParam())) != "harmony";  // there a whole header begins one
    EXPECT_TRUE(calls > 0 || !by_chance);
}

/// With the markers as control tokens and spelled out; harmony's are nothing but control tokens.
std::vector<std::tuple<const char*, bool>> formats() {
    std::vector<std::tuple<const char*, bool>> out;
    for (const text::OutputFormat& format : text::output_formats()) {
        out.emplace_back(format.name.data(), true);
        if (format.name != "harmony") {
            out.emplace_back(format.name.data(), false);
        }
    }
    return out;
}

INSTANTIATE_TEST_SUITE_P(All, EveryFormat, ::testing::ValuesIn(formats()), [](const auto& row) {
    std::string name = std::get<0>(row.param);
    std::ranges::replace_if(
        name, [](char c) { return c == '-' || c == '.'; }, '_');
    return name + (std::get<1>(row.param) ? "_with_control_tokens" : "");
});

TEST(AnswerForm, ReasoningIsFreeAndTheFormBeginsBehindIt) {
    Model model("hermes", false, kOpen);
    model.likes["</think>"] = -1;
    int reasoned = 0;
    for (uint64_t seed = 0; seed < 20; ++seed) {
        const auto answer = model.ask({}, answer_schema(), seed);
        ASSERT_TRUE(answer) << answer.error().text();
        EXPECT_FALSE(answer->error);
        if (answer->ended()) {
            EXPECT_TRUE(is_answer(answer->content)) << answer->content;
            reasoned += answer->reasoning.size() > 5 ? 1 : 0;
        }
    }
    EXPECT_GT(reasoned, 5);
}

TEST(AnswerForm, ReasoningMayBeginInTheAnswer) {
    Model model("hermes", false);
    model.likes["<"] = 3;
    int reasoned = 0;
    for (uint64_t seed = 0; seed < 30; ++seed) {
        const auto answer = model.ask({}, answer_schema(), seed);
        ASSERT_TRUE(answer) << answer.error().text();
        if (answer->ended()) {
            EXPECT_TRUE(is_answer(answer->content)) << answer->content;
            reasoned += answer->reasoning.empty() ? 0 : 1;
        }
    }
    EXPECT_GT(reasoned, 3);
    engine::ChatInput thoughtless;
    thoughtless.template_kwargs["enable_thinking"] = false;
    for (uint64_t seed = 0; seed < 10; ++seed) {
        EXPECT_EQ(model.ask(thoughtless, answer_schema(), seed)->reasoning, "");
    }
}

TEST(AnswerForm, ReasoningThatDoesNotEndLeavesNoContent) {
    Model model("hermes", false, kOpen);
    model.likes["</think>"] = -100;
    model.likes["<"] = -100;
    for (uint64_t seed = 0; seed < 3; ++seed) {
        const auto answer = model.ask({}, answer_schema(), seed);
        ASSERT_TRUE(answer);
        EXPECT_FALSE(answer->error);
        EXPECT_EQ(answer->finish, engine::FinishReason::kLength);
        EXPECT_EQ(answer->content, "");
    }
}

TEST(AnswerForm, ABudgetEndsTheReasoningAndTheFormBegins) {
    for (const char* const format : {"hermes", "harmony", "command-r"}) {
        for (const auto choice : {ToolChoice::kNone, ToolChoice::kAuto, ToolChoice::kRequired}) {
            Model model(format, true, kOpen);
            model.likes = {{"</think>", -100}, {"<", -100}, {"<|end|>", -100}};
            int finished = 0;
            for (uint64_t seed = 0; seed < 12; ++seed) {
                engine::ChatInput input = choice == ToolChoice::kNone ? engine::ChatInput() : chat(choice);
                input.reasoning_budget = 5;
                const auto answer = model.ask(input, answer_schema(), seed);
                ASSERT_TRUE(answer) << answer.error().text();
                EXPECT_FALSE(answer->error) << format << answer->error->text();
                if (answer->ended()) {
                    ++finished;
                    EXPECT_TRUE(choice == ToolChoice::kRequired ? !answer->calls.empty()
                                                                : !answer->calls.empty() || is_answer(answer->content))
                        << answer->content;
                }
            }
            EXPECT_GT(finished, 3) << format;
        }
    }
}

TEST(AnswerForm, ReasoningThatStaysInTheContentIsStillFree) {
    Model model("hermes", false, kOpen);
    engine::ChatInput together;
    together.separate_reasoning = false;
    int finished = 0;
    for (uint64_t seed = 0; seed < 12; ++seed) {
        const auto answer = model.ask(together, spec(Kind::kRegex, "yes|no"), seed);
        ASSERT_TRUE(answer);
        if (answer->ended()) {
            ++finished;
            EXPECT_THAT(answer->content, ::testing::ContainsRegex("</think>\n?\n?(yes|no)$"));
        }
    }
    EXPECT_GT(finished, 3);
}

TEST(AnswerForm, MistakesInAToolAreToldOfIt) {
    Model model("hermes", false);
    engine::ChatInput bad = chat(ToolChoice::kRequired);
    bad.tools[0].at("function").at("parameters").at("properties").at("s") =
        json::object{{"type", "string"}, {"pattern", "(a)\\1"}};
    const auto answer = model.ask(bad, std::nullopt, 1);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument);
    EXPECT_THAT(answer.error().text(), HasSubstr("pattern"));
}

}  // namespace
}  // namespace gantry::runner
