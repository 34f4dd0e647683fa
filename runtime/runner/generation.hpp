#pragma once

/// The way of events from the engine's thread to the connection that waits for them.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::runner {

/// Wakes the coroutine that waits. There is no memory: look at the condition, then wait, on one thread.
class Waker {
  public:
    explicit Waker(const boost::asio::any_io_executor& executor);
    void wake() { timer_.cancel(); }
    /// Throws operation_aborted when the waiting coroutine is cancelled.
    boost::asio::awaitable<void> wait();

  private:
    boost::asio::steady_timer timer_;
};

/// The events of many requests on their way to one client, which tells them apart by number: lines "NUMBER EVENT".
/// What comes while the client is not read to is written together, so a step costs one write and not one a request.
/// Used on the io thread only.
class Channel {
  public:
    /// Text that may wait; past it the client is taken to be stuck and the channel is closed.
    static constexpr size_t kMaxPending = size_t{64} << 20;

    explicit Channel(const boost::asio::any_io_executor& executor) : waker_(executor) {}

    void add(uint64_t number, const engine::Event& event);
    /// All that has come since the last call; waits for something; nullopt at the end.
    boost::asio::awaitable<std::optional<std::string>> next();
    /// Nothing comes after what is there.
    void end();

  private:
    std::string pending_;
    bool ended_ = false;
    Waker waker_;
};

/// One request's answer, as it waits to be written. Used on the io thread only.
class Generation {
  public:
    /// Text that may wait for a client that reads slowly; past it the request is given up.
    static constexpr size_t kMaxPending = size_t{4} << 20;

    explicit Generation(const boost::asio::any_io_executor& executor) : waker_(executor) {}
    /// Its events go to the channel, under this number; next() gives none and waits for the end.
    Generation(const boost::asio::any_io_executor& executor, std::shared_ptr<Channel> channel, uint64_t number)
        : channel_(std::move(channel)), number_(number), waker_(executor) {}

    /// Adds an event's line. False when the client is too slow: the request should be cancelled, and an error has been
    /// put as its last event.
    bool add(const engine::Event& event);

    /// All lines that have come since the last call; waits for at least one; nullopt after the last event.
    boost::asio::awaitable<std::optional<std::string>> next();

    bool ended() const { return ended_; }
    bool in_channel() const { return channel_ != nullptr; }

  private:
    std::shared_ptr<Channel> channel_;  ///< null: the lines are this object's
    uint64_t number_ = 0;
    std::string pending_;
    bool ended_ = false;
    Waker waker_;
};

/// Carries events to the io thread: what the engine posts during one step crosses over in one go, at flush(); a lot of
/// it in several, so that rendering and sending begin early.
class Outbox : public std::enable_shared_from_this<Outbox> {
  public:
    explicit Outbox(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    /// Any thread; does not block for longer than a push takes.
    void post(std::shared_ptr<Generation> target, std::vector<engine::Event> events);
    /// Sends what was posted on its way. Any thread.
    void flush();

  private:
    struct Item {
        std::shared_ptr<Generation> target;
        std::vector<engine::Event> events;
    };
    void deliver();

    static constexpr size_t kMany = 64;

    boost::asio::any_io_executor executor_;
    std::mutex mutex_;
    std::vector<Item> items_;  ///< guarded by mutex_
    bool under_way_ = false;   ///< guarded by mutex_: a delivery has been posted and has not begun
};

}  // namespace gantry::runner
