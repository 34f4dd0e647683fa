#include <gtest/gtest.h>

#include <set>

#include "base/http/error_response.hpp"
#include "base/http/status_map.hpp"
#include "base/http/types.hpp"

namespace gantry::http {
namespace {

TEST(Headers, NamesCompareWithoutCaseAndSetReplaces) {
    Headers headers;
    headers.add("Content-Type", "a");
    headers.set("content-type", "b");
    EXPECT_EQ(headers.find("CONTENT-TYPE"), "b");
    EXPECT_EQ(headers.all().size(), 1u);
    EXPECT_FALSE(headers.find("Content"));
}

TEST(Target, SplitsPathAndQuery) {
    struct Row {
        const char* target;
        const char* path;
        std::vector<std::pair<std::string, std::string>> query;
    };
    const std::vector<Row> rows{
        {"/", "/", {}},
        {"/a/b%20c", "/a/b c", {}},
        {"/a?x=1&y=a+b%21&flag", "/a", {{"x", "1"}, {"y", "a b!"}, {"flag", ""}}},
        {"/a?&&x=%C3%A9", "/a", {{"x", "é"}}},
        {"http://host:80/p?q=1", "/p", {{"q", "1"}}},
        {"/redirect?to=http://x/", "/redirect", {{"to", "http://x/"}}},
    };
    for (const Row& row : rows) {
        Request request;
        request.target = row.target;
        ASSERT_TRUE(split_target(request)) << row.target;
        EXPECT_EQ(request.path, row.path);
        EXPECT_EQ(request.query, row.query) << row.target;
    }
}

TEST(Target, BrokenEscapesAndWhatIsNotUtf8AreRefused) {
    for (const char* target : {"/%", "/%4", "/%zz", "/a?x=%G1", "/%00", "", "?x", "/v1/models/%E2ype", "/\xFF",
                               "/%C0%AF", "/%ED%A0%80", "/a?%FF=1", "/a?x=%F0%9F"}) {
        Request request;
        request.target = target;
        EXPECT_FALSE(split_target(request)) << target;
    }
}

TEST(Percent, EncodingIsUndoneByDecoding) {
    const std::string text = "a b/c%é?&=+~";
    EXPECT_EQ(percent_encode(text), "a%20b%2Fc%25%C3%A9%3F%26%3D%2B~");
    EXPECT_EQ(percent_decode(percent_encode(text)), text);
}

TEST(Endpoint, TextAndParseAreInverse) {
    for (const char* text : {"127.0.0.1:80", "[::1]:9997", "unix:/run/x.sock", "host.example:1"}) {
        const auto endpoint = Endpoint::parse(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(endpoint->text(), text);
    }
    for (const char* text : {"", "host", ":80", "host:", "host:99999", "host:8x", "unix:"}) {
        EXPECT_FALSE(Endpoint::parse(text)) << text;
    }
}

TEST(StatusMap, EveryCodeHasAStatusAndCommonStatusesComeBack) {
    for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
        const int status = status_of(static_cast<Code>(i));
        EXPECT_GE(status, 400) << i;
        EXPECT_LT(status, 600) << i;
    }
    const std::set<Code> ambiguous{Code::kAlreadyExists, Code::kDataLoss};
    for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
        const auto code = static_cast<Code>(i);
        if (!ambiguous.contains(code)) {
            EXPECT_EQ(code_of(status_of(code)), code);
        }
    }
}

TEST(ErrorResponse, HoldsBothClientsForms) {
    const Response response =
        error_response(Error(Code::kInvalidArgument, "\"temperature\" is 3", "use 0 to 2"), "temperature");
    EXPECT_EQ(response.status, 400);
    const auto body = boost::json::parse(response.body).as_object();
    const auto& error = body.at("error").as_object();
    EXPECT_EQ(error.at("message"), "\"temperature\" is 3");
    EXPECT_EQ(error.at("param"), "temperature");
    EXPECT_EQ(error.at("code"), "invalid_argument");
    EXPECT_EQ(error.at("hint"), "use 0 to 2");
    EXPECT_EQ(error.at("type"), "invalid_request_error");
    EXPECT_EQ(body.at("detail"), "\"temperature\" is 3 (use 0 to 2)");
}

TEST(ErrorResponse, TellsClientsWhetherARetryHelps) {
    EXPECT_TRUE(error_response(Error(Code::kUnavailable, "loading")).headers.find("Retry-After"));
    EXPECT_TRUE(error_response(Error(Code::kResourceExhausted, "full")).headers.find("Retry-After"));
    EXPECT_EQ(error_response(Error(Code::kUnimplemented, "no")).headers.find("x-should-retry"), "false");
    EXPECT_FALSE(error_response(Error(Code::kNotFound, "no")).headers.find("Retry-After"));
}

TEST(ErrorResponse, ReadsOurFormAndForeignOnes) {
    const Error sent(Code::kOutOfMemory, "does not fit", "stop one");
    const Error back = error_from_response(507, error_response(sent).body);
    EXPECT_EQ(back.code, sent.code);
    EXPECT_EQ(back.message, sent.message);
    EXPECT_EQ(back.hint, sent.hint);
    const Error foreign = error_from_response(503, "<html>busy</html>");
    EXPECT_EQ(foreign.code, Code::kUnavailable);
    EXPECT_NE(foreign.message.find("503"), std::string::npos);
    EXPECT_EQ(error_from_response(404, R"({"error":{"message":"x","code":"odd"}})").code, Code::kNotFound);
}

}  // namespace
}  // namespace gantry::http
