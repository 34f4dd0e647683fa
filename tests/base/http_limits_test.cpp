#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/base/http_fixture.hpp"

namespace gantry::http::test {
namespace {

using namespace std::chrono_literals;

ServerLimits small_limits() {
    ServerLimits limits;
    limits.max_header_bytes = 1000;
    limits.max_body_bytes = 10'000;
    return limits;
}

TEST(Limits, OversizedBodiesGet413AndTheClientSeesIt) {
    RunningServer server(echo_handler(), small_limits());
    const std::string body(1'000'000, 'a');
    const std::string announced =
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    const std::string chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nf4240\r\n" + body + "\r\n0\r\n\r\n";
    for (const std::string& wire : {announced, chunked}) {
        RawClient client = server.connect();
        ASSERT_TRUE(client.send(wire));
        client.shutdown_send();
        const std::string answer = client.receive_all();
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
        EXPECT_NE(answer.find("\"code\":\"too_large\""), std::string::npos) << answer;
        EXPECT_NE(answer.find("10000 bytes"), std::string::npos) << answer;
    }
}

TEST(Limits, ABodyOfJustTheLimitPasses) {
    RunningServer server(echo_handler(), small_limits());
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n" + std::string(10'000, 'a')));
    EXPECT_TRUE(client.receive_until("]").starts_with("HTTP/1.1 200 "));
}

TEST(Limits, ALargeHeaderGets431AndNonsense400) {
    RunningServer server(echo_handler(), small_limits());
    const std::vector<std::pair<std::string, std::string>> rows{
        {"GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(5000, 'a') + "\r\n\r\n", "431"},
        {"GET /" + std::string(5000, 'a'), "431"},
        {"nonsense\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    };
    for (const auto& [wire, status] : rows) {
        RawClient client = server.connect();
        ASSERT_TRUE(client.send(wire));
        client.shutdown_send();
        const std::string answer = client.receive_all();
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + status)) << wire.substr(0, 40) << " -> " << answer;
        EXPECT_NE(answer.find("\"detail\""), std::string::npos);
    }
}

TEST(Limits, SlowHeadersAndBodiesGet408) {
    ServerLimits limits;
    limits.header_timeout = 100ms;
    limits.body_timeout = 100ms;
    RunningServer server(echo_handler(), limits);
    for (const char* wire : {"GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"}) {
        RawClient client = server.connect();
        ASSERT_TRUE(client.send(wire));
        EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 408 ")) << wire;
    }
    RawClient silent = server.connect();
    EXPECT_EQ(silent.receive_all(), "") << "a connection that never spoke is just closed";
}

TEST(Limits, IdleConnectionsAreClosed) {
    ServerLimits limits;
    limits.idle_timeout = 80ms;
    RunningServer server(echo_handler(), limits);
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(client.receive_all().ends_with("GET / []"));
}

TEST(Limits, AClientThatDoesNotReadIsCut) {
    ServerLimits limits;
    limits.write_timeout = 100ms;
    std::promise<Status> outcome;
    RunningServer server(
        [&](Request, Responder& responder) -> asio::awaitable<void> {
            Status status = co_await responder.start(200, {});
            while (status) {
                status = co_await responder.write(std::string(1 << 20, 'x'));
            }
            outcome.set_value(status);
        },
        limits);
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    auto future = outcome.get_future();
    ASSERT_EQ(future.wait_for(20s), std::future_status::ready);
    EXPECT_EQ(future.get().error().code, Code::kCancelled);
}

TEST(Limits, AThousandIdleConnectionsDisturbNobody) {
    RunningServer server(echo_handler());
    std::vector<RawClient> idle;
    for (int i = 0; i < 1000; ++i) {
        idle.push_back(server.connect());
        ASSERT_TRUE(idle.back().connected()) << i;
    }
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(client.receive_until("[]").ends_with("GET /x []"));
    EXPECT_EQ(server.run([&] { return server.server().connections(); }), 1001u);
    ASSERT_TRUE(idle[500].send("GET /y HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(idle[500].receive_until("[]").ends_with("GET /y []"));
}

TEST(Limits, OneConnectionTooManyIsToldSo) {
    ServerLimits limits;
    limits.max_connections = 2;
    RunningServer server(echo_handler(), limits);
    RawClient a = server.connect();
    RawClient b = server.connect();
    ASSERT_TRUE(a.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    ASSERT_FALSE(a.receive_until("[]").empty());
    ASSERT_TRUE(b.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    ASSERT_FALSE(b.receive_until("[]").empty());
    EXPECT_TRUE(server.connect().receive_all().starts_with("HTTP/1.1 503 "));
    a.close();
    while (server.run([&] { return server.server().connections(); }) > 1) {
    }
    RawClient c = server.connect();
    ASSERT_TRUE(c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(c.receive_until("[]").ends_with("GET / []"));
}

TEST(Limits, RunningOutOfFilesDoesNotEndAccepting) {
    RunningServer server(echo_handler());
    RawClient first = server.connect();
    ASSERT_TRUE(first.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    ASSERT_FALSE(first.receive_until("[]").empty());
    const int own = ::socket(AF_INET, SOCK_STREAM, 0);
    rlimit old{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    const rlimit tight{static_cast<rlim_t>(own) + 1, old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.endpoint().port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(own, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_TRUE(first.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_FALSE(first.receive_until("[]").empty()) << "an open connection goes on";
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
    ::close(own);
    RawClient later = server.connect();
    ASSERT_TRUE(later.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(later.receive_until("[]").ends_with("GET / []"));
}

}  // namespace
}  // namespace gantry::http::test
