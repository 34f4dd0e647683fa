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

TEST(ForcedCalls, AreOneOfTheTools) {
    const auto text = forced_call(text::find_output_format("hermes"), chat());
    ASSERT_TRUE(text) << text.error().message;
    const json::value choices = json::parse(*text).at("format").at("elements");
    ASSERT_EQ(choices.as_array().size(), 2U);
    EXPECT_EQ(choices.at(0).at("begin"), "<tool_call>\n{\"name\": \"f\", \"arguments\": ");
    EXPECT_EQ(choices.at(0).at("content").at("json_schema"), chat().tools[0].at("function").at("parameters"));
    EXPECT_EQ(choices.at(0).at("end"), "}\n</tool_call>");
    EXPECT_EQ(choices.at(1).at("content").at("json_schema"), json::parse(R"({"type": "object"})"));
}

TEST(ForcedCalls, AreTheNamedTool) {
    engine::ChatInput named = chat();
    named.tool_name = "g";
    const auto text = forced_call(text::find_output_format("kimi-k2"), named);
    ASSERT_TRUE(text) << text.error().message;
    const json::value choices = json::parse(*text).at("format").at("elements");
    ASSERT_EQ(choices.as_array().size(), 1U);
    EXPECT_THAT(std::string(choices.at(0).at("begin").as_string()), HasSubstr("functions.g:0"));
}

TEST(ForcedCalls, HaveTheirArgumentsBetweenTagsWhereTheFormatHas) {
    const auto text = forced_call(text::find_output_format("qwen3-coder"), chat());
    ASSERT_TRUE(text) << text.error().message;
    const json::value parts = json::parse(*text).at("format").at("elements").at(0).at("elements");
    ASSERT_EQ(parts.as_array().size(), 5U);
    EXPECT_EQ(parts.at(0).at("value"), "<tool_call>\n<function=f>\n");
    EXPECT_EQ(parts.at(1).at("begin"), "<parameter=s>\n");
    EXPECT_EQ(parts.at(1).at("content").at("type"), "any_text");
    EXPECT_EQ(parts.at(2).at("type"), "or");  // n may be left out
    EXPECT_EQ(parts.at(2).at("elements").at(0).at("content").at("type"), "json_schema");
    EXPECT_EQ(parts.at(3).at("content").at("elements").at(1).at("value"), "y");
    EXPECT_EQ(parts.at(4).at("value"), "</function>\n</tool_call>");
}

TEST(ForcedCalls, AreRefusedWhereTheFormatHasNone) {
    const auto harmony = forced_call(text::find_output_format("harmony"), chat());
    ASSERT_FALSE(harmony);
    EXPECT_EQ(harmony.error().code, Code::kInvalidArgument);
    EXPECT_THAT(harmony.error().message, HasSubstr("tool_choice"));
    EXPECT_FALSE(forced_call(nullptr, chat()));
}

}  // namespace
}  // namespace gantry::runner
