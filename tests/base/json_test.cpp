#include "base/json.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace gantry::json {
namespace {

TEST(Parse, ErrorsNameLineAndColumn) {
    struct Row {
        const char* text;
        const char* expected;
    };
    for (const Row& row :
         {Row{"{\"a\": }", "1:7"}, Row{"{\n  \"a\": 1,\n  b: 2}", "3:3"}, Row{"{\"a\": 1", "1:8"}, Row{"{} {}", "1:4"},
          Row{"[1,]", "1:4"}, Row{"nul", "1:4"}, Row{"\"\xff\"", "1:2"}, Row{"\"\\ud800\"", "1:"}}) {
        const auto value = parse(row.text);
        ASSERT_FALSE(value) << row.text;
        EXPECT_EQ(value.error().code, Code::kInvalidArgument);
        EXPECT_NE(value.error().message.find(std::string(" at ") + row.expected), std::string::npos)
            << row.text << ": " << value.error().message;
    }
}

TEST(Parse, LimitsHold) {
    EXPECT_TRUE(parse(std::string(60, '[') + std::string(60, ']')));
    EXPECT_FALSE(parse(std::string(100'000, '[')));
    EXPECT_EQ(parse("[1,2,3]", {64, 3}).error().code, Code::kTooLarge);
}

TEST(ParseObject, AnythingElseIsRefused) {
    EXPECT_EQ(parse_object(" {\"a\":1} \n")->at("a"), 1);
    for (const char* text : {"", "  \n", "[]", "3", "null"}) {
        EXPECT_EQ(parse_object(text).error().code, Code::kInvalidArgument) << text;
    }
}

boost::json::object object(std::string_view text) { return boost::json::parse({text.data(), text.size()}).as_object(); }

TEST(Reader, ReadsWhatIsThereAndTreatsNullAsAbsent) {
    const auto source = object(
        R"({"s":"x","b":true,"i":3,"f":3.0,"n":0.5,"l":["a","b"],"one":"a","ids":[1,2.0],"o":{},"null":null,"extra":1,"c":"x"})");
    Reader reader(source);
    EXPECT_EQ(reader.string("s"), "x");
    EXPECT_EQ(reader.boolean("b"), true);
    EXPECT_EQ(reader.integer("i"), 3);
    EXPECT_EQ(reader.integer("f"), 3);
    EXPECT_EQ(reader.number("n", {0, 1}), 0.5);
    EXPECT_EQ(reader.number("i"), 3.0);
    EXPECT_EQ(reader.strings("l"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(reader.strings("one", true), (std::vector<std::string>{"a"}));
    EXPECT_EQ(reader.integers("ids"), (std::vector<int64_t>{1, 2}));
    EXPECT_TRUE(reader.object("o"));
    EXPECT_EQ(reader.choice("c", {"x", "y"}), "x");
    EXPECT_EQ(reader.string("null"), std::nullopt);
    EXPECT_EQ(reader.string("missing"), std::nullopt);
    EXPECT_TRUE(reader.status());
    EXPECT_EQ(reader.unknown(), (std::vector<std::string>{"extra"}));
}

TEST(Reader, ErrorsNameTheField) {
    struct Row {
        const char* text;
        std::function<void(Reader&)> read;
        const char* path;
        const char* message;
    };
    const std::vector<Row> rows{
        {R"({"a":1})", [](Reader& r) { r.string("a"); }, "x.a", "must be a string, not an integer"},
        {R"({"a":"1"})", [](Reader& r) { r.integer("a"); }, "x.a", "must be an integer, not a string"},
        {R"({"a":1.5})", [](Reader& r) { r.integer("a"); }, "x.a", "whole number"},
        {R"({"a":18446744073709551615})", [](Reader& r) { r.integer("a"); }, "x.a", "64 bits"},
        {R"({"a":0})", [](Reader& r) { r.integer("a", 1); }, "x.a", "of at least 1, not 0"},
        {R"({"a":3})",
         [](Reader& r) {
             r.number("a", {0, 2});
         },
         "x.a", "from 0 to 2, not 3"},
        {R"({"a":0})",
         [](Reader& r) {
             r.number("a", {0, 1, true});
         },
         "x.a", "above 0 and at most 1"},
        {R"({"a":"z"})",
         [](Reader& r) {
             r.choice("a", {"x", "y"});
         },
         "x.a", "one of \"x\", \"y\""},
        {R"({"a":["b",1]})", [](Reader& r) { r.strings("a"); }, "x.a[1]", "must be a string"},
        {R"({"a":{}})", [](Reader& r) { r.array("a"); }, "x.a", "must be a list, not an object"},
        {R"({})", [](Reader& r) { r.required_string("a"); }, "x.a", "missing"},
    };
    for (const Row& row : rows) {
        const auto source = object(row.text);
        Reader reader(source, "x");
        row.read(reader);
        ASSERT_FALSE(reader.status()) << row.text;
        EXPECT_EQ(reader.failed_path(), row.path);
        EXPECT_NE(reader.status().error().message.find(row.message), std::string::npos)
            << reader.status().error().message;
    }
}

}  // namespace
}  // namespace gantry::json
