#include "runtime/fleet/child_process.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

namespace gantry::fleet {
namespace {

namespace asio = boost::asio;

template <class T>
T run(asio::io_context& io, asio::awaitable<T> task) {
    auto future = asio::co_spawn(io, std::move(task), asio::use_future);
    io.restart();
    io.run();
    return future.get();
}

asio::awaitable<std::string> all_lines(ChildProcess& child, size_t pipe) {
    PipeLines lines(child.pipe(pipe));
    std::string out;
    while (auto line = co_await lines.next()) {
        out += *line + '|';
    }
    co_return out;
}

TEST(ChildProcess, TalksThroughItsPipes) {
    asio::io_context io;
    auto child =
        ChildProcess::start(io.get_executor(), {"/bin/sh", "-c", "read line <&5; echo \"got $line\" >&7; echo end >&7"},
                            {{5, PipeDirection::kToChild}, {7, PipeDirection::kFromChild}});
    ASSERT_TRUE(child) << child.error().text();
    run(io, [&]() -> asio::awaitable<void> {
        EXPECT_TRUE(co_await write_all((*child)->pipe(0), "hello\n"));
        EXPECT_EQ(co_await all_lines(**child, 1), "got hello|end|");
        const auto exit = co_await (*child)->wait();
        EXPECT_EQ(exit->text(), "exit code 0");
    }());
}

TEST(ChildProcess, GetsNoOtherDescriptor) {
    asio::io_context io;
    std::array<int, 2> leak{};
    ASSERT_EQ(::pipe(leak.data()), 0);  // without close-on-exec
    auto child = ChildProcess::start(io.get_executor(), {"/bin/sh", "-c", "exec ls -1 /proc/self/fd"},
                                     {{1, PipeDirection::kFromChild}});
    ASSERT_TRUE(child);
    EXPECT_EQ(run(io, all_lines(**child, 0)), "0|1|2|3|");  // 3 is the folder that ls reads
    ::close(leak[0]);
    ::close(leak[1]);
}

TEST(ChildProcess, TellsHowItEnded) {
    asio::io_context io;
    const struct {
        const char* script;
        const char* text;
    } cases[] = {{"exit 0", "exit code 0"},
                 {"exit 3", "exit code 3"},
                 {"kill -9 $$", "signal 9 (Killed)"},
                 {"kill -SEGV $$", "signal 11 (Segmentation fault)"}};
    for (const auto& c : cases) {
        auto child = ChildProcess::start(io.get_executor(), {"/bin/sh", "-c", c.script}, {});
        ASSERT_TRUE(child);
        const auto exit = run(io, (*child)->wait());
        ASSERT_TRUE(exit);
        EXPECT_EQ(exit->text(), c.text);
    }
}

TEST(ChildProcess, WaitsNoLongerThanItShould) {
    asio::io_context io;
    auto child = ChildProcess::start(io.get_executor(), {"/bin/sleep", "100"}, {});
    ASSERT_TRUE(child);
    EXPECT_FALSE(run(io, (*child)->wait(std::chrono::milliseconds(20))));
    (*child)->kill(SIGTERM);
    EXPECT_EQ(run(io, (*child)->wait())->signal, SIGTERM);
}

TEST(ChildProcess, IsGoneWithItsObject) {
    asio::io_context io;
    auto child = ChildProcess::start(io.get_executor(), {"/bin/sleep", "100"}, {});
    ASSERT_TRUE(child);
    const int pid = (*child)->pid();
    child->reset();
    EXPECT_NE(::kill(pid, 0), 0);
}

TEST(ChildProcess, SaysWhatCannotBeStarted) {
    asio::io_context io;
    const auto child = ChildProcess::start(io.get_executor(), {"/no/such/program"}, {});
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().message, "cannot start /no/such/program: No such file or directory");
}

}  // namespace
}  // namespace gantry::fleet
