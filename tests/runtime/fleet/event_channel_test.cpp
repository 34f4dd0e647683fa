#include "runtime/fleet/event_channel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <functional>

#include "tests/base/http_fixture.hpp"

namespace gantry::fleet {
namespace {

namespace asio = boost::asio;
using http::test::RunningServer;

/// What an inbox gives until its error.
asio::awaitable<void> read(EventChannel::Inbox& inbox, std::vector<std::string>& lines, std::optional<Error>& error) {
    while (true) {
        auto line = co_await inbox.next();
        if (!line) {
            error = line.error();
            co_return;
        }
        lines.push_back(*line);
    }
}

struct Reader {
    std::vector<std::string> lines;
    std::optional<Error> error;
    std::unique_ptr<EventChannel::Inbox> inbox;
};

/// Opens a channel to `server`, attaches inboxes 1 and 2 as soon as it is usable, and runs until all is over.
void run(RunningServer& server, std::atomic<bool>& attached, Reader& one, Reader& two) {
    asio::io_context io;
    const auto channel = std::make_shared<EventChannel>(io.get_executor());
    channel->open(http::Client(io.get_executor(), server.endpoint()));
    std::function<void()> attach = [&] {
        if (!channel->usable()) {
            asio::post(io, attach);
            return;
        }
        for (Reader* reader : {&one, &two}) {
            reader->inbox = std::make_unique<EventChannel::Inbox>(channel);
            asio::co_spawn(io, read(*reader->inbox, reader->lines, reader->error), asio::detached);
        }
        attached = true;
    };
    attach();
    io.run();
    one.inbox.reset();
    two.inbox.reset();
}

TEST(EventChannel, SortsLinesByTheirNumbers) {
    std::atomic<bool> attached = false;
    RunningServer server([&](http::Request request, http::Responder& responder) -> asio::awaitable<void> {
        EXPECT_EQ(request.path, "/events");
        (void)co_await responder.start(200, http::Headers());
        asio::steady_timer pause(co_await asio::this_coro::executor);
        while (!attached) {
            pause.expires_after(std::chrono::milliseconds(1));
            co_await pause.async_wait(asio::use_awaitable);
        }
        for (const char* piece : {"1 a\n2 b\n1 c", "d\n", "9 nobody's\nnonsense\n2", " e\n1 cut"}) {
            (void)co_await responder.write(piece);
        }
        (void)co_await responder.finish();
    });
    Reader one, two;
    run(server, attached, one, two);
    EXPECT_EQ(one.lines, (std::vector<std::string>{"a", "cd"}));
    EXPECT_EQ(two.lines, (std::vector<std::string>{"b", "e"}));
    ASSERT_TRUE(one.error && two.error);
    EXPECT_EQ(one.error->code, Code::kUnavailable);
}

TEST(EventChannel, GivesUpOnAnAnswerThatNobodyReads) {
    std::atomic<bool> attached = false;
    const std::string line = "1 " + std::string(1 << 20, 'x') + "\n";
    RunningServer server([&](http::Request, http::Responder& responder) -> asio::awaitable<void> {
        (void)co_await responder.start(200, http::Headers());
        asio::steady_timer pause(co_await asio::this_coro::executor);
        while (!attached) {
            pause.expires_after(std::chrono::milliseconds(1));
            co_await pause.async_wait(asio::use_awaitable);
        }
        for (int i = 0; i < 8; ++i) {
            (void)co_await responder.write(line);
        }
        (void)co_await responder.finish();
    });
    asio::io_context io;
    const auto channel = std::make_shared<EventChannel>(io.get_executor());
    channel->open(http::Client(io.get_executor(), server.endpoint()));
    while (!channel->usable()) {
        io.run_one();
    }
    Reader reader;
    reader.inbox = std::make_unique<EventChannel::Inbox>(channel);
    attached = true;
    io.run();  // all has come before anything is read
    io.restart();
    asio::co_spawn(io, read(*reader.inbox, reader.lines, reader.error), asio::detached);
    io.run();
    EXPECT_EQ(reader.lines.size(), 4u);
    ASSERT_TRUE(reader.error);
    EXPECT_EQ(reader.error->code, Code::kResourceExhausted);
    reader.inbox.reset();
}

TEST(EventChannel, IsNotUsableWhereTheProcessHasNone) {
    RunningServer server([](http::Request, http::Responder& responder) -> asio::awaitable<void> {
        (void)co_await responder.send(http::test::text_response("no such thing", 404));
    });
    asio::io_context io;
    const auto channel = std::make_shared<EventChannel>(io.get_executor());
    channel->open(http::Client(io.get_executor(), server.endpoint()));
    io.run();
    EXPECT_FALSE(channel->usable());
}

}  // namespace
}  // namespace gantry::fleet
