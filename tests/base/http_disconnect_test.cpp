#include <gtest/gtest.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/base/http_fixture.hpp"

namespace gantry::http::test {
namespace {

using namespace std::chrono_literals;

/// Set when the coroutine frame that holds it goes away.
struct Released {
    std::promise<void>* promise;
    explicit Released(std::promise<void>& p) : promise(&p) {}
    Released(const Released&) = delete;
    Released& operator=(const Released&) = delete;
    ~Released() { promise->set_value(); }
};

/// Waits for an hour, holding something that is to be released.
Handler waiting_handler(std::promise<void>& entered, std::promise<void>& released, bool streaming) {
    return [&entered, &released, streaming](Request, Responder& responder) -> asio::awaitable<void> {
        const Released guard(released);
        if (streaming) {
            (void)co_await responder.start(200, {});
            (void)co_await responder.write("first");
        }
        entered.set_value();
        asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
        co_await timer.async_wait(asio::use_awaitable);
    };
}

TEST(Disconnect, CancelsTheHandler) {
    enum class How { kClose, kReset, kHalfClose };
    for (const How how : {How::kClose, How::kReset, How::kHalfClose}) {
        for (const bool streaming : {false, true}) {
            std::promise<void> entered, released;
            RunningServer server(waiting_handler(entered, released, streaming));
            RawClient client = server.connect();
            ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
            entered.get_future().wait();
            how == How::kClose ? client.close() : how == How::kReset ? client.reset() : client.shutdown_send();
            EXPECT_EQ(released.get_future().wait_for(10s), std::future_status::ready)
                << "how " << static_cast<int>(how) << " streaming " << streaming;
        }
    }
}

TEST(Disconnect, IsSeenBehindPipelinedRequests) {
    std::promise<void> entered, released;
    RunningServer server(waiting_handler(entered, released, false));
    RawClient client = server.connect();
    std::string wire;
    for (int i = 0; i < 200; ++i) {
        wire += "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    }
    ASSERT_TRUE(client.send(wire));
    entered.get_future().wait();
    client.close();
    EXPECT_EQ(released.get_future().wait_for(10s), std::future_status::ready);
}

TEST(Disconnect, AnImmediateAnswerStillReachesAHalfClosedClient) {
    RunningServer server(echo_handler());
    for (int i = 0; i < 20; ++i) {
        RawClient client = server.connect();
        ASSERT_TRUE(client.send("GET /q HTTP/1.1\r\nHost: h\r\n\r\n"));
        client.shutdown_send();
        EXPECT_TRUE(client.receive_all().ends_with("GET /q []"));
    }
}

TEST(Disconnect, PipelinedBytesDuringAHandlerAreKept) {
    std::promise<void> go;
    auto gate = go.get_future().share();
    RunningServer server([gate](Request request, Responder& responder) -> asio::awaitable<void> {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (gate.wait_for(0s) != std::future_status::ready) {
            timer.expires_after(1ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        (void)co_await responder.send(text_response("answer " + request.path));
    });
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHo"));
    ASSERT_TRUE(client.send("st: h\r\n\r\n"));
    go.set_value();
    const std::string answer = client.receive_until("answer /2");
    EXPECT_NE(answer.find("answer /1"), std::string::npos);
    EXPECT_NE(answer.find("answer /2"), std::string::npos);
}

TEST(Drain, FinishesWhatRunsAndClosesTheIdle) {
    std::promise<void> entered, go;
    auto gate = go.get_future().share();
    RunningServer server([&, gate](Request, Responder& responder) -> asio::awaitable<void> {
        entered.set_value();
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (gate.wait_for(0s) != std::future_status::ready) {
            timer.expires_after(1ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        (void)co_await responder.send(text_response("done"));
    });
    RawClient idle = server.connect();
    RawClient busy = server.connect();
    ASSERT_TRUE(busy.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    entered.get_future().wait();
    const Endpoint endpoint = server.endpoint();
    auto drained = asio::co_spawn(server.io(), server.server().drain(1h), asio::use_future);
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_FALSE(RawClient(endpoint).connected());
    EXPECT_EQ(drained.wait_for(0s), std::future_status::timeout);
    go.set_value();
    const std::string answer = busy.receive_all();
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("done"));
    EXPECT_EQ(drained.wait_for(10s), std::future_status::ready);
}

TEST(Drain, CutsWhatDoesNotEnd) {
    std::promise<void> entered, released;
    RunningServer server(waiting_handler(entered, released, true));
    RawClient client = server.connect();
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    entered.get_future().wait();
    auto drained = asio::co_spawn(server.io(), server.server().drain(50ms), asio::use_future);
    EXPECT_EQ(drained.wait_for(10s), std::future_status::ready);
    EXPECT_EQ(released.get_future().wait_for(10s), std::future_status::ready);
    EXPECT_NE(client.receive_all().find("first"), std::string::npos);
}

}  // namespace
}  // namespace gantry::http::test
