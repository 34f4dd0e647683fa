#include "base/http/connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/http/error_response.hpp"
#include "base/http/responder.hpp"
#include "base/log.hpp"

namespace gantry::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// Bytes of later, pipelined requests that are read while one is being answered.
constexpr size_t kReadAhead = 64 * 1024;
/// How long the rest of a refused request is read away, so that the client gets to see the answer.
constexpr std::chrono::seconds kLingerTime{5};

}  // namespace

Connection::Connection(Socket socket, std::string peer, std::shared_ptr<ConnectionContext> context,
                       std::shared_ptr<TlsContext> tls)
    : socket_(std::move(socket)),
      peer_(std::move(peer)),
      context_(std::move(context)),
      arrival_(socket_.get_executor(), asio::steady_timer::time_point::max()) {
    error_code ignored;
    socket_.native_non_blocking(true, ignored);
    socket_.non_blocking(true, ignored);
    if (tls) {
        tls_ = std::make_unique<TlsSession>(*tls, socket_.native_handle());
    }
}

asio::awaitable<void> Connection::run() {
    const auto self = shared_from_this();
    try {
        bool open = !tls_ || co_await shake_hands();
        while (open && !closed_) {
            open = co_await serve_one();
        }
    } catch (const std::exception& e) {
        if (!closed_) {
            log::error("connection of {} ended by an exception: {}", peer_, e.what());
        }
    }
    close();
}

/// The deadline of a connection's first request holds for this too.
asio::awaitable<bool> Connection::shake_hands() {
    deadline_ = Clock::now() + context_->limits.header_timeout;
    while (!closed_) {
        const TlsSession::Step step = tls_->handshake();
        if (step == TlsSession::Step::kDone) {
            co_return true;
        }
        if (step == TlsSession::Step::kEnded) {
            log::debug("{} does not speak TLS as it should", peer_);
            co_return false;
        }
        error_code error;
        const auto what = step == TlsSession::Step::kWantRead ? Socket::wait_read : Socket::wait_write;
        co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            co_return false;
        }
    }
    co_return false;
}

/// One request and its answer. False when the connection is over.
asio::awaitable<bool> Connection::serve_one() {
    MessageParser parser(MessageParser::Kind::kRequest, context_->limits.max_header_bytes,
                         context_->limits.max_body_bytes);
    if (!co_await read_request(parser)) {
        co_return false;
    }
    deadline_ = Clock::time_point::max();
    phase_ = Phase::kHandling;

    Request request;
    request.method = std::move(parser.method());
    request.target = std::move(parser.target());
    request.headers = std::move(parser.headers());
    request.body = std::move(parser.body());
    request.peer = peer_;
    if (auto split = split_target(request); !split) {
        const WireError error(400, split.error().message);
        co_await refuse(error, request);
        co_return false;
    }
    if (parser.version() == 11 && !request.headers.find("Host")) {
        const WireError error(400, "an HTTP/1.1 request needs a Host field");
        co_await refuse(error, request);
        co_return false;
    }
    RequestResponder responder(*this, parser.version(), request.method == "HEAD", parser.keep_alive());
    co_await run_handler(std::move(request), responder);
    if (closed_ || !responder.complete()) {
        co_return false;
    }
    if (!responder.keep_alive()) {
        if (!pending_.empty()) {
            co_await linger();
        }
        co_return false;
    }
    phase_ = Phase::kIdle;
    co_return true;
}

asio::awaitable<bool> Connection::read_request(MessageParser& parser) {
    const ServerLimits& limits = context_->limits;
    phase_ = Phase::kIdle;
    deadline_ = Clock::now() + (handled_ == 0 ? limits.header_timeout : limits.idle_timeout);
    // Empty lines before a request are to be skipped (RFC 9112, 2.2).
    while (pending_.erase(0, std::min(pending_.find_first_not_of("\r\n"), pending_.size())), pending_.empty()) {
        if ((context_->draining && handled_ > 0) || !co_await more()) {
            co_return false;
        }
    }
    phase_ = Phase::kHead;
    deadline_ = Clock::now() + limits.header_timeout;
    while (true) {
        if (auto error = parser.feed(pending_)) {
            co_await refuse(*error, parser);
            co_return false;
        }
        if (parser.done()) {
            co_return true;
        }
        if (parser.head_done() && phase_ == Phase::kHead) {
            phase_ = Phase::kBody;
            deadline_ = Clock::now() + limits.body_timeout;
            const auto expect = parser.headers().find("Expect");
            if (expect && parser.version() == 11 && parser.body().empty()) {
                if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) {
                    co_return false;
                }
            }
        }
        if (!co_await more()) {
            if (timed_out_) {
                const WireError late(408, phase_ == Phase::kHead ? "the request's header did not arrive in time"
                                                                 : "the request's body did not arrive in time");
                co_await refuse(late, parser);
            }
            co_return false;
        }
    }
}

/// Waits for bytes beyond those in pending_. False at the connection's end and at the deadline.
asio::awaitable<bool> Connection::more() {
    const size_t before = pending_.size();
    while (pending_.size() == before && !ended_ && !timed_out_ && !closed_) {
        watch();
        error_code ignored;
        co_await arrival_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return pending_.size() != before && !closed_;
}

void Connection::watch() {
    if (watching_ || ended_ || closed_) {
        return;
    }
    watching_ = true;
    if (tls_ && tls_->pending() && pending_.size() < kReadAhead) {
        // The socket knows nothing of bytes that have been decrypted already.
        asio::post(socket_.get_executor(), [self = shared_from_this()] { self->on_readable({}); });
        return;
    }
    // With enough read ahead only a broken connection is of interest.
    const bool full = phase_ == Phase::kHandling && pending_.size() >= kReadAhead;
    socket_.async_wait(full ? Socket::wait_error : Socket::wait_read,
                       [self = shared_from_this()](error_code error) { self->on_readable(error); });
}

void Connection::on_readable(error_code error) {
    watching_ = false;
    if (closed_) {
        return;
    }
    if (error) {
        ended_ = true;
    } else if (phase_ == Phase::kHandling && pending_.size() >= kReadAhead) {
        pollfd state{socket_.native_handle(), POLLRDHUP, 0};
        ended_ = ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    } else {
        take_bytes();
    }
    arrival_.cancel();
    if (phase_ == Phase::kHandling) {
        if (ended_) {
            client_gone();
        } else {
            watch();
        }
    }
}

void Connection::take_bytes() {
    if (tls_) {
        take_encrypted();
        return;
    }
    std::string& scratch = context_->scratch;
    const ssize_t count = ::recv(socket_.native_handle(), scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (count > 0) {
        pending_.append(scratch.data(), static_cast<size_t>(count));
    } else if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        ended_ = true;
    }
}

void Connection::take_encrypted() {
    std::string& scratch = context_->scratch;
    for (size_t taken = 0; taken < scratch.size();) {
        const TlsSession::Moved moved = tls_->read(scratch.data(), scratch.size());
        if (moved.step == TlsSession::Step::kEnded) {
            ended_ = true;
        }
        if (moved.step != TlsSession::Step::kDone) {
            return;
        }
        pending_.append(scratch.data(), moved.bytes);
        taken += moved.bytes;
    }
}

/// Cancels the handler, but not within its own first steps: a client that closes its sending side right behind its
/// request still gets what is answered at once.
void Connection::client_gone() {
    asio::post(socket_.get_executor(), [self = shared_from_this(), mine = handled_] {
        if (self->phase_ == Phase::kHandling && self->handled_ == mine) {
            self->cancel_handler_.emit(asio::cancellation_type::terminal);
        }
    });
}

asio::awaitable<void> Connection::run_handler(Request request, RequestResponder& responder) {
    ++handled_;
    if (ended_) {
        client_gone();
    } else {
        watch();
    }
    Error failure(Code::kInternal, "the server failed to answer this request", "the server's log says more");
    const std::string what = request.method + " " + request.path;
    try {
        co_await asio::co_spawn(socket_.get_executor(), context_->handler(std::move(request), responder),
                                asio::bind_cancellation_slot(cancel_handler_.slot(), asio::use_awaitable));
        if (!responder.started()) {
            log::error("{}: the handler returned without an answer", what);
        }
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted || !(ended_ || closed_)) {
            log::error("{}: {}", what, e.what());
        }
    } catch (const std::exception& e) {
        log::error("{}: {}", what, e.what());
    }
    if (!responder.started() && !ended_ && !closed_) {
        co_await responder.send(error_response(failure));
    }
}

asio::awaitable<void> Connection::refuse(const WireError& error, MessageParser& unfinished) {
    Request request;
    request.method = std::move(unfinished.method());
    request.target = std::move(unfinished.target());
    request.headers = std::move(unfinished.headers());
    co_await refuse(error, request);
}

asio::awaitable<void> Connection::refuse(const WireError& error, const Request& request) {
    timed_out_ = false;
    deadline_ = Clock::time_point::max();
    Code code = Code::kInvalidArgument;
    if (error.status == 408) {
        code = Code::kDeadlineExceeded;
    } else if (error.status == 413 || error.status == 431) {
        code = Code::kTooLarge;
    }
    RequestResponder responder(*this, 11, false, false);
    const Error told(code, error.message);
    Response response = context_->refusal_form ? context_->refusal_form(request, error.status, told)
                                               : error_response(error.status, told);
    if (co_await responder.send(std::move(response))) {
        co_await linger();
    }
}

/// Half-closes and reads away what still comes: closing with unread bytes would reset the connection, and the client
/// might lose the answer.
asio::awaitable<void> Connection::linger() {
    phase_ = Phase::kLingering;
    deadline_ = Clock::now() + kLingerTime;
    error_code ignored;
    if (tls_) {
        tls_->say_goodbye();
    }
    socket_.shutdown(Socket::shutdown_send, ignored);
    do {
        pending_.clear();
    } while (co_await more());
}

asio::awaitable<Status> Connection::write(std::string_view a, std::string_view b, std::string_view c) {
    const auto gone = [] { return Error(Code::kCancelled, "the client is gone"); };
    if (closed_) {
        co_return gone();
    }
    if (tls_) {
        std::string all;
        all.reserve(a.size() + b.size() + c.size());
        all.append(a).append(b).append(c);
        co_return co_await write_encrypted(std::move(all));
    }
    std::array<asio::const_buffer, 3> buffers{asio::buffer(a), asio::buffer(b), asio::buffer(c)};
    error_code error;
    // Most answers fit into the socket's buffer and need no trip through the event loop.
    const size_t written = socket_.write_some(buffers, error);
    if (error && error != asio::error::would_block) {
        ended_ = true;
        co_return gone();
    }
    size_t skip = error ? 0 : written;
    if (skip == asio::buffer_size(buffers)) {
        co_return ok();
    }
    for (asio::const_buffer& buffer : buffers) {
        const size_t part = std::min(skip, buffer.size());
        buffer += part;
        skip -= part;
    }
    // Progress resets the clock: only a client that reads nothing for the whole time is cut.
    size_t left = asio::buffer_size(buffers);
    while (left > 0) {
        write_deadline_ = Clock::now() + context_->limits.write_timeout;
        const size_t sent =
            co_await socket_.async_write_some(buffers, asio::redirect_error(asio::use_awaitable, error));
        write_deadline_ = Clock::time_point::max();
        if (error) {
            ended_ = true;
            co_return gone();
        }
        left -= sent;
        size_t taken = sent;
        for (asio::const_buffer& buffer : buffers) {
            const size_t part = std::min(taken, buffer.size());
            buffer += part;
            taken -= part;
        }
    }
    co_return ok();
}

asio::awaitable<Status> Connection::write_encrypted(std::string bytes) {
    std::string_view left = bytes;
    while (!left.empty()) {
        const TlsSession::Moved moved = closed_ ? TlsSession::Moved{TlsSession::Step::kEnded} : tls_->write(left);
        if (moved.step == TlsSession::Step::kEnded) {
            ended_ = true;
            co_return Error(Code::kCancelled, "the client is gone");
        }
        left.remove_prefix(moved.bytes);
        if (moved.step != TlsSession::Step::kDone) {
            write_deadline_ = Clock::now() + context_->limits.write_timeout;
            const auto what = moved.step == TlsSession::Step::kWantRead ? Socket::wait_read : Socket::wait_write;
            error_code error;
            co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
            write_deadline_ = Clock::time_point::max();
            if (error) {
                ended_ = true;
                co_return Error(Code::kCancelled, "the client is gone");
            }
        }
    }
    co_return ok();
}

void Connection::check_deadline(Clock::time_point now) {
    if (now >= write_deadline_) {
        log::debug("cut {}: it does not read its answer", peer_);
        cut();
    } else if (now >= deadline_) {
        deadline_ = Clock::time_point::max();
        if (phase_ == Phase::kIdle || phase_ == Phase::kLingering) {
            cut();
        } else {
            timed_out_ = true;
            arrival_.cancel();
        }
    }
}

void Connection::cut() {
    const bool handling = phase_ == Phase::kHandling;
    close();
    if (handling) {
        client_gone();
    }
}

void Connection::close_if_idle() {
    if (phase_ == Phase::kIdle && pending_.empty()) {
        close();
    }
}

void Connection::close() {
    if (!closed_) {
        closed_ = true;
        error_code ignored;
        if (tls_) {
            tls_->say_goodbye();
        }
        socket_.shutdown(Socket::shutdown_both, ignored);
        socket_.close(ignored);
        arrival_.cancel();
    }
}

}  // namespace gantry::http
