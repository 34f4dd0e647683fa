#include "base/http/wire.hpp"

#include <gtest/gtest.h>

namespace gantry::http {
namespace {

MessageParser request_parser(size_t header = 1024, uint64_t body = 1024) {
    return MessageParser(MessageParser::Kind::kRequest, header, body);
}

TEST(MessageParser, ResultDoesNotDependOnWhereBytesAreCut) {
    const std::string wire =
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=1\r\n world\r\n0\r\nT: "
        "v\r\n\r\nREST";
    for (size_t step = 1; step <= wire.size(); ++step) {
        MessageParser parser = request_parser();
        std::string input;
        for (size_t at = 0; at < wire.size(); at += step) {
            input += wire.substr(at, step);
            ASSERT_FALSE(parser.feed(input)) << "step " << step;
        }
        EXPECT_TRUE(parser.done());
        EXPECT_EQ(parser.body(), "hello world");
        EXPECT_EQ(parser.method(), "POST");
        EXPECT_EQ(parser.target(), "/a");
        EXPECT_EQ(input, "REST") << "step " << step;
    }
}

/// Found by fuzz_http: Beast asserts that there is more when a last chunk without others before it comes in pieces.
TEST(MessageParser, TakesTheLastChunkInPieces) {
    const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::vector<std::pair<std::string, std::string>> rows{
        {"0\r\n\r\n", ""}, {"0\r\nT: v\r\n\r\n", ""}, {"1\r\nx\r\n0\r\n\r\n", "x"}, {"1\r\n0\r\n00\r\n\r\n", "0"}};
    for (const auto& [chunks, body] : rows) {
        for (size_t step = 1; step <= chunks.size(); ++step) {
            MessageParser parser = request_parser();
            std::string input = head;
            ASSERT_FALSE(parser.feed(input));
            for (size_t at = 0; at < chunks.size(); at += step) {
                EXPECT_FALSE(parser.done());
                input += chunks.substr(at, step);
                ASSERT_FALSE(parser.feed(input)) << chunks << " step " << step;
            }
            EXPECT_TRUE(parser.done()) << chunks << " step " << step;
            EXPECT_EQ(parser.body(), body);
        }
    }
}

/// What has come of a chunk is not held back until there is more.
TEST(MessageParser, HandsOnBytesOfAChunkAtOnce) {
    MessageParser parser = request_parser();
    std::string input = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n12";
    ASSERT_FALSE(parser.feed(input));
    EXPECT_EQ(parser.body(), "12");
    input += "3";
    ASSERT_FALSE(parser.feed(input));
    EXPECT_EQ(parser.body(), "123");
}

TEST(MessageParser, RefusesWhatIsTooLargeOrMalformed) {
    struct Row {
        const char* what;
        std::string wire;
        int status;
    };
    const std::vector<Row> rows{
        {"long header", "GET / HTTP/1.1\r\nX: " + std::string(2000, 'a') + "\r\n\r\n", 431},
        {"announced body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n", 413},
        {"announced body, sent with the head",
         "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'a'), 413},
        {"huge announced body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n", 413},
        {"chunked body",
         "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + std::string(2048, 'a'), 413},
        {"no HTTP", "\x16\x03\x01hello\r\n\r\n", 400},
        {"bad version", "GET / HTTP/3.1\r\n\r\n", 400},
        {"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
        {"length and chunks",
         "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"chunks and length",
         "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
        {"negative length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400},
        {"bad chunk size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
        {"space in name", "GET / HTTP/1.1\r\nBad Name: v\r\n\r\n", 400},
    };
    for (const Row& row : rows) {
        MessageParser parser = request_parser();
        std::string input = row.wire;
        const auto error = parser.feed(input);
        ASSERT_TRUE(error) << row.what;
        EXPECT_EQ(error->status, row.status) << row.what << ": " << error->message;
    }
}

TEST(MessageParser, TheHeadersLimitIsTheSameHoweverItIsCut) {
    constexpr size_t kLimit = 1024;
    const std::string start = "GET / HTTP/1.1\r\nX: ", end = "\r\n\r\n";
    for (const size_t size : {kLimit, kLimit + 1, kLimit + 100}) {
        const std::string wire = start + std::string(size - start.size() - end.size(), 'a') + end;
        for (const size_t step : {wire.size(), size_t{1}, size_t{7}, size_t{1000}}) {
            MessageParser parser = request_parser(kLimit);
            std::optional<WireError> error;
            std::string input;
            for (size_t at = 0; at < wire.size() && !error; at += step) {
                input += wire.substr(at, step);
                error = parser.feed(input);
            }
            EXPECT_EQ(parser.done() && !error, size <= kLimit) << size << " bytes by " << step;
            EXPECT_EQ(error ? error->status : 431, 431);
        }
    }
}

TEST(MessageParser, ReadsABodyThatEndsWithTheConnection) {
    MessageParser parser(MessageParser::Kind::kResponse, 1024, 1024);
    std::string input = "HTTP/1.0 200 OK\r\n\r\npart one";
    ASSERT_FALSE(parser.feed(input));
    EXPECT_FALSE(parser.done());
    ASSERT_FALSE(parser.feed_eof());
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(parser.body(), "part one");
}

TEST(MessageParser, NoticesACutBody) {
    MessageParser parser(MessageParser::Kind::kResponse, 1024, 1024);
    std::string input = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    ASSERT_FALSE(parser.feed(input));
    EXPECT_TRUE(parser.feed_eof());
}

TEST(Fields, ValuesCannotAddFields) {
    std::string out;
    append_field(out, "X", "a\r\nSet-Cookie: b");
    EXPECT_EQ(out, "X: a  Set-Cookie: b\r\n");
}

}  // namespace
}  // namespace gantry::http
