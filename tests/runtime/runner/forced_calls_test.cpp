#include "runtime/runner/forced_calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gantry::runner {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

engine::ChatInput chat() {
    engine::ChatInput out;
    out.tools = json::parse(R"([
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties":
         {"s": {"type": "string"}, "n": {"type": "integer"}, "e": {"type": "string", "enum": ["x", "y"]}},
         "required": ["s", "e"]}}},
        {"type": "function", "function": {"name": "g"}}])")
                    .as_array();
    return out;
}

/// The tags of calls that are all of an answer.
json::value calls_of(const char* format, const engine::ChatInput& input, CallUse use = CallUse::kOnly) {
    const auto out = calls_format(text::find_output_format(format), input, use);
    EXPECT_TRUE(out.has_value()) << out.error().text();
    return out ? json::value(*out) : json::value();
}

TEST(ForcedCalls, AreOneOrMoreOfTheTools) {
    const json::value calls = calls_of("hermes", chat());
    EXPECT_EQ(calls.at("type"), "tags_with_separator");
    EXPECT_EQ(calls.at("stop_after_first"), false);
    ASSERT_EQ(calls.at("tags").as_array().size(), 2U);
    EXPECT_EQ(calls.at("tags").at(0).at("begin"), "<tool_call>\n{\"name\": \"f\", \"arguments\": ");
    EXPECT_EQ(calls.at("tags").at(0).at("content").at("json_schema"), chat().tools[0].at("function").at("parameters"));
    EXPECT_EQ(calls.at("tags").at(0).at("end"), "}\n</tool_call>");
    EXPECT_EQ(calls.at("tags").at(1).at("content").at("json_schema"), json::parse(R"({"type": "object"})"));
}

TEST(ForcedCalls, AreOneOfTheNamedTool) {
    engine::ChatInput named = chat();
    named.tool_choice = engine::ToolChoice::kNamed;
    named.tool_name = "g";
    const json::value section = calls_of("kimi-k2", named);
    EXPECT_EQ(section.at("begin"), "<|tool_calls_section_begin|>");
    const json::value& calls = section.at("content");
    EXPECT_EQ(calls.at("stop_after_first"), true);
    ASSERT_EQ(calls.at("tags").as_array().size(), 1U);
    EXPECT_EQ(calls.at("tags").at(0).at("begin"), "<|tool_call_begin|>functions.g:");
}

TEST(ForcedCalls, HaveTheirArgumentsBetweenTagsWhereTheFormatHas) {
    const json::value call = calls_of("qwen3-coder", chat()).at("tags").at(0);
    EXPECT_EQ(call.at("begin"), "<tool_call>\n<function=f>\n");
    EXPECT_EQ(call.at("end"), "</function>\n</tool_call>");
    const json::value parts = call.at("content").at("elements");
    ASSERT_EQ(parts.as_array().size(), 4U);
    EXPECT_EQ(parts.at(1).at("elements").at(0).at("begin"), "<parameter=s>\n");
    EXPECT_EQ(parts.at(1).at("elements").at(0).at("content").at("type"), "any_text");
    EXPECT_EQ(parts.at(2).at("type"), "or");  // n may be left out
    EXPECT_EQ(parts.at(2).at("elements").at(0).at("content").at("type"), "json_schema");
    EXPECT_EQ(parts.at(3).at("content").at("elements").at(1).at("value"), "y");
}

TEST(ForcedCalls, AmongTextOnlyStrictToolsAreHeldToTheirSchema) {
    engine::ChatInput input = chat();
    input.tools[0].at("function").as_object()["strict"] = true;
    input.tools[1].at("function").as_object()["parameters"] = json::parse(R"({"type": "object", "required": ["k"]})");
    const json::value text = calls_of("mistral-list", input, CallUse::kAmong);
    EXPECT_EQ(text.at("triggers"), json::parse(R"(["[TOOL_CALLS]"])"));
    const json::value& calls = text.at("tags").at(0).at("content").at("tags");
    EXPECT_TRUE(calls.at(0).at("content").at("json_schema").as_object().contains("properties"));
    EXPECT_EQ(calls.at(1).at("content").at("json_schema"), json::parse(R"({"type": "object"})"));
}

TEST(ForcedCalls, AreRefusedWhereNoFormatIsKnown) {
    const auto none = calls_format(nullptr, chat(), CallUse::kOnly);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Code::kInvalidArgument);
    EXPECT_THAT(none.error().message, HasSubstr("tool_choice"));
}

}  // namespace
}  // namespace gantry::runner
