#include "runtime/runner/generation.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/engine/json_text.hpp"

namespace gantry::runner {
namespace asio = boost::asio;

Waker::Waker(const asio::any_io_executor& executor) : timer_(executor, asio::steady_timer::time_point::max()) {}

asio::awaitable<void> Waker::wait() {
    boost::system::error_code ec;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    // Woken by wake() or by the connection's end; of the latter the next co_await would tell by throwing.
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
        throw boost::system::system_error(asio::error::operation_aborted);
    }
}

void Channel::add(uint64_t number, const engine::Event& event) {
    if (ended_) {
        return;
    }
    engine::append_json_number(number, pending_);
    pending_ += ' ';
    engine::append_json_line(event, pending_);
    if (pending_.size() > kMaxPending) {
        pending_.clear();
        ended_ = true;
    }
    waker_.wake();
}

asio::awaitable<std::optional<std::string>> Channel::next() {
    while (pending_.empty() && !ended_) {
        co_await waker_.wait();
    }
    if (pending_.empty()) {
        co_return std::nullopt;
    }
    co_return std::exchange(pending_, {});
}

void Channel::end() {
    ended_ = true;
    waker_.wake();
}

bool Generation::add(const engine::Event& event) {
    if (ended_) {
        return true;
    }
    const bool last = std::holds_alternative<engine::Usage>(event) || std::holds_alternative<Error>(event);
    if (channel_) {
        channel_->add(number_, event);
        if (last) {
            ended_ = true;
            waker_.wake();
        }
        return true;
    }
    const bool too_slow = pending_.size() > kMaxPending;
    if (too_slow) {
        engine::append_json_line(
            Error{Code::kResourceExhausted, "the answer was given up: nobody has read 4 MiB of it"}, pending_);
    } else {
        engine::append_json_line(event, pending_);
    }
    ended_ = too_slow || last;
    waker_.wake();
    return !too_slow;
}

asio::awaitable<std::optional<std::string>> Generation::next() {
    while (pending_.empty() && !ended_) {
        co_await waker_.wait();
    }
    if (pending_.empty()) {
        co_return std::nullopt;
    }
    co_return std::exchange(pending_, {});
}

void Outbox::post(std::shared_ptr<Generation> target, std::vector<engine::Event> events) {
    bool many = false;
    {
        const std::lock_guard lock(mutex_);
        items_.push_back({std::move(target), std::move(events)});
        many = !under_way_ && items_.size() >= kMany;
    }
    if (many) {
        flush();
    }
}

void Outbox::flush() {
    {
        const std::lock_guard lock(mutex_);
        if (items_.empty() || under_way_) {
            return;
        }
        under_way_ = true;
    }
    asio::post(executor_, [self = shared_from_this()] { self->deliver(); });
}

void Outbox::deliver() {
    std::vector<Item> items;
    {
        const std::lock_guard lock(mutex_);
        items.swap(items_);
        under_way_ = false;
    }
    for (const Item& item : items) {
        for (const engine::Event& event : item.events) {
            item.target->add(event);
        }
    }
}

}  // namespace gantry::runner
