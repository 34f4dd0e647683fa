#pragma once

/// The events of all generations of one process, on one connection: what a step gives to hundreds of them is one write
/// there and one read here, instead of as many of each. A generation's own connection stays what it is in every other
/// respect: it carries the request and its refusal, and closing it cancels.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/http/client.hpp"
#include "runtime/fleet/signal.hpp"

namespace gantry::fleet {

/// Used on the io thread.
class EventChannel : public std::enable_shared_from_this<EventChannel> {
  public:
    /// Lines that may wait for a client that reads slowly; past it the generation is given up.
    static constexpr size_t kMaxWaiting = size_t{4} << 20;

    /// The lines of one generation.
    class Inbox {
      public:
        /// `channel` has to be usable().
        explicit Inbox(std::shared_ptr<EventChannel> channel);
        ~Inbox();
        Inbox(const Inbox&) = delete;
        Inbox& operator=(const Inbox&) = delete;

        uint64_t number() const { return number_; }
        bool ready() const { return begin_ < lines_.size(); }
        /// The next line. kUnavailable when the channel has broken off, kResourceExhausted past kMaxWaiting.
        boost::asio::awaitable<Result<std::string>> next();

      private:
        friend class EventChannel;
        void add(std::string_view line);

        std::shared_ptr<EventChannel> channel_;
        uint64_t number_;
        std::string lines_;
        size_t begin_ = 0;  ///< of the next line in lines_
        bool full_ = false;
        Signal changed_;
    };

    explicit EventChannel(boost::asio::any_io_executor executor);

    /// Connects, and reads until the process closes the connection. A process that has no such channel leaves it
    /// unusable.
    void open(http::Client client);

    /// Whether generations may be attached now.
    bool usable() const { return state_ == State::kOpen; }
    /// The name by which requests refer to it.
    const std::string& name() const { return name_; }

  private:
    enum class State { kOpening, kOpen, kOver };
    boost::asio::awaitable<void> run(http::Client client);
    void take(std::string_view piece);
    void end();

    boost::asio::any_io_executor executor_;
    std::string name_;
    State state_ = State::kOpening;
    std::string cut_;  ///< the beginning of a line whose end has not come
    uint64_t last_number_ = 0;
    std::unordered_map<uint64_t, Inbox*> inboxes_;
};

}  // namespace gantry::fleet
