#include "runtime/fleet/event_channel.hpp"

#include <boost/asio/co_spawn.hpp>
#include <charconv>
#include <exception>
#include <utility>

#include "base/trace_context.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;

EventChannel::Inbox::Inbox(std::shared_ptr<EventChannel> channel)
    : channel_(std::move(channel)), number_(++channel_->last_number_), changed_(channel_->executor_) {
    channel_->inboxes_.emplace(number_, this);
}

EventChannel::Inbox::~Inbox() { channel_->inboxes_.erase(number_); }

void EventChannel::Inbox::add(std::string_view line) {
    if (full_) {
        return;
    }
    if (lines_.size() > kMaxWaiting) {
        full_ = true;
    } else {
        lines_.erase(0, std::exchange(begin_, 0));
        lines_ += line;
        lines_ += '\n';
    }
    changed_.notify();
}

asio::awaitable<Result<std::string>> EventChannel::Inbox::next() {
    while (!ready()) {
        if (full_) {
            co_return Error{Code::kResourceExhausted, "the answer was given up: nobody has read 4 MiB of it"};
        }
        if (!channel_->usable()) {
            co_return Error{Code::kUnavailable, "the answer ended too early"};
        }
        co_await changed_.wait();
    }
    const size_t end = lines_.find('\n', begin_);
    std::string line = lines_.substr(begin_, end - begin_);
    begin_ = end + 1;
    co_return line;
}

EventChannel::EventChannel(asio::any_io_executor executor) : executor_(std::move(executor)), name_(random_hex(16)) {}

void EventChannel::open(http::Client client) {
    asio::co_spawn(executor_, run(std::move(client)), [self = shared_from_this()](const std::exception_ptr&) {
        self->end();  // however it ended, nothing comes any more
    });
}

asio::awaitable<void> EventChannel::run(http::Client client) {
    http::Request request;
    request.path = "/events";
    request.target = "/events?channel=" + name_;
    auto stream = co_await client.open(std::move(request));
    if (!stream || (*stream)->status() != 200) {
        co_return;
    }
    state_ = State::kOpen;
    while (true) {
        auto piece = co_await (*stream)->read();
        if (!piece || !*piece) {
            co_return;
        }
        take(**piece);
    }
}

/// Lines are "NUMBER EVENT".
void EventChannel::take(std::string_view piece) {
    while (!piece.empty()) {
        const size_t end = piece.find('\n');
        if (end == std::string_view::npos) {
            cut_ += piece;
            return;
        }
        std::string_view line = piece.substr(0, end);
        if (!cut_.empty()) {
            cut_ += line;
            line = cut_;
        }
        uint64_t number = 0;
        const auto [after, error] = std::from_chars(line.data(), line.data() + line.size(), number);
        const auto inbox = inboxes_.find(number);
        if (error == std::errc() && inbox != inboxes_.end()) {  // else its client has gone meanwhile
            line.remove_prefix(static_cast<size_t>(after - line.data()) + 1);
            inbox->second->add(line);
        }
        cut_.clear();
        piece.remove_prefix(end + 1);
    }
}

void EventChannel::end() {
    state_ = State::kOver;
    for (const auto& [number, inbox] : inboxes_) {
        inbox->changed_.notify();
    }
}

}  // namespace gantry::fleet
