#include "base/http/server.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/base/http_fixture.hpp"

namespace gantry::http::test {
namespace {

using ::testing::Test;

TEST(Server, AnswersAndKeepsTheConnection) {
    RunningServer server(echo_handler());
    RawClient client = server.connect();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(client.send("POST /a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"));
        const std::string answer = client.receive_until("[hi]");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
        EXPECT_NE(answer.find("Content-Length: 16\r\n"), std::string::npos) << answer;
        EXPECT_TRUE(answer.ends_with("\r\n\r\nPOST /a x=1 [hi]")) << answer;
    }
}

TEST(Server, ReadsARequestThatComesByteByByte) {
    RunningServer server(echo_handler());
    RawClient client = server.connect();
    for (const char c :
         std::string("\r\nPOST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")) {
        ASSERT_TRUE(client.send({&c, 1}));
    }
    EXPECT_NE(client.receive_until("[abc]").find("POST /a [abc]"), std::string::npos);
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
    RunningServer server(echo_handler());
    RawClient client = server.connect();
    std::string all;
    for (int i = 0; i < 50; ++i) {
        all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    }
    ASSERT_TRUE(client.send(all));
    const std::string answer = client.receive_until("GET /49 []");
    size_t at = 0;
    for (int i = 0; i < 50; ++i) {
        at = answer.find("GET /" + std::to_string(i) + " []", at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

TEST(Server, HonoursConnectionCloseAndHttp10) {
    RunningServer server(echo_handler());
    for (const char* request : {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
        RawClient client = server.connect();
        ASSERT_TRUE(client.send(request));
        const std::string answer = client.receive_all();
        EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos) << answer;
        EXPECT_TRUE(answer.ends_with("GET / []")) << answer;
    }
    RawClient client = server.connect();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        EXPECT_NE(client.receive_until("[]").find("Connection: keep-alive\r\n"), std::string::npos);
    }
}

TEST(Server, HeadHasALengthAndNoBody) {
    RunningServer server(echo_handler());
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"));
    const std::string answer = client.receive_until("GET /b []");
    EXPECT_NE(answer.find("Content-Length: 10\r\n"), std::string::npos);
    EXPECT_EQ(answer.find("HEAD /a"), std::string::npos);
}

TEST(Server, SaysContinueBeforeTheBody) {
    RunningServer server(echo_handler());
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(client.send("ok"));
    EXPECT_NE(client.receive_until("[ok]").find("200 OK"), std::string::npos);
}

Handler streaming_handler(int chunks) {
    return [chunks](Request, Responder& responder) -> asio::awaitable<void> {
        (void)co_await responder.start(200, {});
        for (int i = 0; i < chunks; ++i) {
            (void)co_await responder.write("part" + std::to_string(i) + ";");
        }
        (void)co_await responder.finish();
    };
}

TEST(Server, StreamsInChunksAndGoesOn) {
    RunningServer server(streaming_handler(2));
    RawClient client = server.connect();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        const std::string answer = client.receive_until("0\r\n\r\n");
        EXPECT_NE(answer.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
        EXPECT_TRUE(answer.ends_with("\r\n\r\n6\r\npart0;\r\n6\r\npart1;\r\n0\r\n\r\n")) << answer;
    }
}

TEST(Server, StreamsUntilCloseToHttp10) {
    RunningServer server(streaming_handler(2));
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    const std::string answer = client.receive_all();
    EXPECT_EQ(answer.find("chunked"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\npart0;part1;")) << answer;
}

TEST(Server, AHandlerThatFailsGives500AndKeepsTheServer) {
    RunningServer server([](Request request, Responder& responder) -> asio::awaitable<void> {
        if (request.path == "/throw") {
            throw std::runtime_error("secret detail");
        }
        if (request.path == "/cut") {
            (void)co_await responder.start(200, {});
            (void)co_await responder.write("half");
            throw std::runtime_error("midway");
        }
        co_return;
    });
    RawClient client = server.connect();
    for (const char* path : {"/throw", "/nothing"}) {
        ASSERT_TRUE(client.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n"));
        const std::string answer = client.receive_until("this request\"}");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
        EXPECT_EQ(answer.find("secret"), std::string::npos);
    }
    ASSERT_TRUE(client.send("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n"));
    const std::string cut = client.receive_all();
    EXPECT_NE(cut.find("half"), std::string::npos);
    EXPECT_FALSE(cut.ends_with("0\r\n\r\n")) << "a broken answer must not look whole";
}

TEST(Server, ListensOnUnixSocketsAndReplacesStaleOnes) {
    const Endpoint endpoint{true, temp_path("x.sock"), 0};
    {
        RunningServer server(echo_handler(), {}, endpoint);
        ASSERT_TRUE(server.listened());
        RawClient client = server.connect();
        ASSERT_TRUE(client.send("GET /u HTTP/1.1\r\nHost: h\r\n\r\n"));
        EXPECT_NE(client.receive_until("[]").find("GET /u"), std::string::npos);
        struct stat info {};
        ASSERT_EQ(::stat(endpoint.host.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777u, 0600u);

        RunningServer second(echo_handler());
        const Status refused = second.run([&] { return second.server().listen(endpoint); });
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::kAlreadyExists);
    }
    EXPECT_NE(::access(endpoint.host.c_str(), F_OK), 0) << "the socket file goes with the server";

    const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, endpoint.host.c_str(), sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ::close(stale);
    RunningServer server(echo_handler(), {}, endpoint);
    EXPECT_TRUE(server.listened());
    EXPECT_TRUE(server.connect().connected());
}

TEST(Server, ListenErrorsNameTheAddress) {
    RunningServer first(echo_handler());
    RunningServer second(echo_handler(), {}, first.endpoint());
    ASSERT_FALSE(second.listened());
    EXPECT_EQ(second.listened().error().code, Code::kAlreadyExists);
    EXPECT_NE(second.listened().error().message.find(first.endpoint().text()), std::string::npos);

    const std::string file = temp_path("plain");
    std::ofstream(file) << "x";
    const Status plain = second.run([&] { return second.server().listen({true, file, 0}); });
    ASSERT_FALSE(plain);
    EXPECT_NE(plain.error().message.find("no socket"), std::string::npos);
    EXPECT_EQ(::access(file.c_str(), F_OK), 0);
    EXPECT_FALSE(second.run([&] { return second.server().listen({true, std::string(200, 'a'), 0}); }));
    EXPECT_FALSE(second.run([&] { return second.server().listen({true, "/no/such/folder/x.sock", 0}); }));
}

}  // namespace
}  // namespace gantry::http::test
