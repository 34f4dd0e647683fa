#include "base/http/client.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/base/http_fixture.hpp"

namespace gantry::http::test {
namespace {

using namespace std::chrono_literals;

Request get(std::string target) {
    Request request;
    request.target = std::move(target);
    return request;
}

/// Runs a client's coroutine on an io_context of its own.
template <class T>
T run_client(const Endpoint& endpoint, std::function<asio::awaitable<T>(Client&)> body) {
    asio::io_context io;
    Client client(io.get_executor(), endpoint);
    auto future = asio::co_spawn(io, body(client), asio::use_future);
    io.run();
    return future.get();
}

TEST(Client, SendsAndReadsOverTcpAndUnix) {
    for (const Endpoint& endpoint : {Endpoint{false, "127.0.0.1", 0}, Endpoint{true, temp_path("c.sock"), 0}}) {
        RunningServer server(echo_handler(), {}, endpoint);
        const auto response =
            run_client<Result<Response>>(server.endpoint(), [](Client& client) -> asio::awaitable<Result<Response>> {
                Request request = get("/p?a=b");
                request.method = "POST";
                request.body = "body";
                co_return co_await client.request(std::move(request));
            });
        ASSERT_TRUE(response) << response.error().text();
        EXPECT_EQ(response->status, 200);
        EXPECT_EQ(response->body, "POST /p a=b [body]");
        EXPECT_EQ(response->headers.find("content-type"), "text/plain");
    }
}

TEST(Client, ReusesAConnectionAndReplacesAClosedOne) {
    std::set<std::string> peers;
    ServerLimits limits;
    limits.idle_timeout = 60ms;
    RunningServer server(
        [&](Request request, Responder& responder) -> asio::awaitable<void> {
            peers.insert(request.peer);
            (void)co_await responder.send(text_response("x"));
        },
        limits);
    run_client<int>(server.endpoint(), [&](Client& client) -> asio::awaitable<int> {
        for (int i = 0; i < 3; ++i) {
            EXPECT_TRUE(co_await client.request(get("/")));
        }
        EXPECT_EQ(peers.size(), 1u);
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (server.run([&] { return server.server().connections(); }) > 0) {
            timer.expires_after(5ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        EXPECT_TRUE(co_await client.request(get("/")));
        EXPECT_EQ(peers.size(), 2u);
        co_return 0;
    });
}

TEST(Client, ReadsLinesOfAStream) {
    RunningServer server([](Request, Responder& responder) -> asio::awaitable<void> {
        (void)co_await responder.start(200, {});
        for (const char* piece : {"one\ntw", "o\r\n", "\nlast"}) {
            (void)co_await responder.write(piece);
        }
        (void)co_await responder.finish();
    });
    run_client<int>(server.endpoint(), [](Client& client) -> asio::awaitable<int> {
        auto stream = co_await client.open(get("/"));
        EXPECT_TRUE(stream);
        LineReader lines(**stream);
        for (const char* expected : {"one", "two", "", "last"}) {
            auto line = co_await lines.next();
            EXPECT_TRUE(line);
            EXPECT_EQ(**line, expected);
        }
        auto end = co_await lines.next();
        EXPECT_TRUE(end);
        EXPECT_FALSE(*end);
        co_return 0;
    });
}

TEST(Client, DestroyingAStreamCancelsAtTheServer) {
    std::promise<void> released;
    RunningServer server([&](Request, Responder& responder) -> asio::awaitable<void> {
        const std::shared_ptr<void> guard(nullptr, [&](void*) { released.set_value(); });
        (void)co_await responder.start(200, {});
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (co_await responder.write("tick\n")) {
            timer.expires_after(1ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
    });
    run_client<int>(server.endpoint(), [](Client& client) -> asio::awaitable<int> {
        auto stream = co_await client.open(get("/"));
        EXPECT_TRUE(stream);
        EXPECT_TRUE(co_await (*stream)->read());
        co_return 0;
    });
    EXPECT_EQ(released.get_future().wait_for(10s), std::future_status::ready);
}

TEST(Client, ErrorsSayWhatHappened) {
    Endpoint gone;
    {
        RunningServer server(echo_handler());
        gone = server.endpoint();
    }
    const auto fetch = [](Client& client) -> asio::awaitable<Result<Response>> {
        co_return co_await client.request(get("/"), 100ms);
    };
    EXPECT_EQ(run_client<Result<Response>>(gone, fetch).error().code, Code::kUnavailable);
    EXPECT_EQ(run_client<Result<Response>>(Endpoint{true, "/no/such.sock", 0}, fetch).error().code, Code::kUnavailable);

    RunningServer silent([](Request, Responder&) -> asio::awaitable<void> {
        asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
        co_await timer.async_wait(asio::use_awaitable);
    });
    EXPECT_EQ(run_client<Result<Response>>(silent.endpoint(), fetch).error().code, Code::kDeadlineExceeded);

    RunningServer cutting([](Request, Responder& responder) -> asio::awaitable<void> {
        (void)co_await responder.start(200, {});
        (void)co_await responder.write("half");
        throw std::runtime_error("midway");
    });
    EXPECT_EQ(run_client<Result<Response>>(cutting.endpoint(), fetch).error().code, Code::kUnavailable);
}

TEST(Client, HeadAndRefusedBodies) {
    ServerLimits limits;
    limits.max_body_bytes = 100;
    RunningServer server(echo_handler(), limits);
    run_client<int>(server.endpoint(), [](Client& client) -> asio::awaitable<int> {
        Request head = get("/");
        head.method = "HEAD";
        auto response = co_await client.request(std::move(head));
        EXPECT_TRUE(response);
        EXPECT_EQ(response->body, "");
        Request large = get("/");
        large.method = "POST";
        large.body = std::string(20'000'000, 'a');
        response = co_await client.request(std::move(large));
        EXPECT_TRUE(response) << response.error().text();
        if (response) {
            EXPECT_EQ(response->status, 413);
        }
        co_return 0;
    });
}

}  // namespace
}  // namespace gantry::http::test
