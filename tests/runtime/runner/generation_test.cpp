#include "runtime/runner/generation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

namespace gantry::runner {
namespace {

namespace asio = boost::asio;

engine::Event delta(const std::string& text) {
    engine::Delta delta;
    delta.text = text;
    return delta;
}

TEST(Generation, GathersWhatComesWhileNobodyReads) {
    asio::io_context io;
    const auto generation = std::make_shared<Generation>(io.get_executor());
    std::vector<std::string> chunks;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            while (auto lines = co_await generation->next()) {
                chunks.push_back(*lines);
            }
            chunks.emplace_back("end");
        },
        asio::detached);
    io.poll();
    generation->add(delta("a"));
    generation->add(delta("b"));
    io.poll();
    generation->add(engine::Usage{});
    generation->add(delta("too late"));
    io.poll();
    ASSERT_EQ(chunks.size(), 3u);
    EXPECT_EQ(std::count(chunks[0].begin(), chunks[0].end(), '\n'), 2);
    EXPECT_EQ(std::count(chunks[1].begin(), chunks[1].end(), '\n'), 1);
    EXPECT_EQ(chunks[2], "end");
    EXPECT_TRUE(generation->ended());
}

TEST(Generation, GivesUpOnAClientThatDoesNotRead) {
    asio::io_context io;
    Generation generation(io.get_executor());
    const std::string large(1 << 20, 'x');
    int taken = 0;
    while (generation.add(delta(large))) {
        ASSERT_LT(++taken, 100);
    }
    EXPECT_TRUE(generation.ended());
    std::string all;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            while (auto lines = co_await generation.next()) {
                all += *lines;
            }
        },
        asio::detached);
    io.run();
    EXPECT_LT(all.size(), Generation::kMaxPending + 2 * large.size());
    EXPECT_NE(all.find("nobody has read"), std::string::npos);
}

TEST(Outbox, KeepsTheOrderAcrossThreads) {
    asio::io_context io;
    const auto outbox = std::make_shared<Outbox>(io.get_executor());
    const auto generation = std::make_shared<Generation>(io.get_executor());
    auto work = asio::make_work_guard(io);
    std::string all;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            while (auto lines = co_await generation->next()) {
                all += *lines;
            }
            work.reset();
        },
        asio::detached);
    std::thread engine([&] {
        for (int i = 0; i < 1000; ++i) {
            outbox->post(generation, {delta(std::to_string(i))});
            if (i % 7 == 0) {
                outbox->flush();
            }
        }
        outbox->post(generation, {engine::Usage{}});
        outbox->flush();
    });
    io.run();
    engine.join();
    size_t at = 0;
    for (int i = 0; i < 1000; ++i) {
        at = all.find('"' + std::to_string(i) + '"', at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

}  // namespace
}  // namespace gantry::runner
