#include "base/http/link.hpp"

#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <vector>

namespace gantry::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

Error unreachable(const Endpoint& endpoint, const error_code& error) {
    return Error(Code::kUnavailable, "cannot connect to " + endpoint.text() + ": " + error.message());
}

}  // namespace

bool Link::stale() {
    char byte = 0;
    const ssize_t count = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return !(count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

asio::awaitable<bool> Link::wait_for(TlsSession::Step step) {
    if (step == TlsSession::Step::kEnded) {
        co_return false;
    }
    const auto what = step == TlsSession::Step::kWantRead ? ClientSocket::wait_read : ClientSocket::wait_write;
    error_code error;
    co_await socket.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
}

asio::awaitable<Status> Link::encrypt(const TlsTrust& trust, const Endpoint& endpoint) {
    error_code ignored;
    socket.native_non_blocking(true, ignored);
    tls = std::make_unique<TlsSession>(trust, socket.native_handle(), endpoint.host);
    while (true) {
        const TlsSession::Step step = tls->handshake();
        if (step == TlsSession::Step::kDone) {
            co_return ok();
        }
        const bool goes_on = co_await wait_for(step);
        if (!goes_on) {
            co_return tls->failure().in(endpoint.text());
        }
    }
}

asio::awaitable<size_t> Link::read_encrypted(char* buffer, size_t size) {
    while (true) {
        const TlsSession::Moved moved = tls->read(buffer, size);
        if (moved.step == TlsSession::Step::kDone) {
            co_return moved.bytes;
        }
        const bool goes_on = co_await wait_for(moved.step);
        if (!goes_on) {
            co_return 0;
        }
    }
}

asio::awaitable<bool> Link::write_encrypted(std::string_view bytes) {
    while (!bytes.empty()) {
        const TlsSession::Moved moved = tls->write(bytes);
        bytes.remove_prefix(moved.bytes);
        if (moved.step != TlsSession::Step::kDone) {
            const bool goes_on = co_await wait_for(moved.step);
            if (!goes_on) {
                co_return false;
            }
        }
    }
    co_return true;
}

asio::awaitable<size_t> Link::read_some(char* buffer, size_t size, error_code& error) {
    size_t count = 0;
    if (tls) {
        count = co_await read_encrypted(buffer, size);
        error = count == 0 ? error_code(asio::error::eof) : error_code();
    } else {
        count = co_await socket.async_read_some(asio::buffer(buffer, size),
                                                asio::redirect_error(asio::use_awaitable, error));
    }
    co_return count;
}

asio::awaitable<void> Link::write(std::string_view head, std::string_view body, error_code& error) {
    if (tls) {
        const std::string all = std::string(head).append(body);
        const bool written = co_await write_encrypted(all);
        error = written ? error_code() : error_code(asio::error::broken_pipe);
    } else {
        const std::array<asio::const_buffer, 2> parts{asio::buffer(head), asio::buffer(body)};
        co_await asio::async_write(socket, parts, asio::redirect_error(asio::use_awaitable, error));
    }
}

asio::awaitable<Result<std::unique_ptr<Link>>> connect(asio::any_io_executor executor, Endpoint endpoint,
                                                       Deadline& deadline) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    auto link = std::make_unique<Link>(executor);
    deadline.watch(&link->socket);
    if (endpoint.unix_socket) {
        if (endpoint.host.size() >= 108) {
            co_return Error(Code::kInvalidArgument, "the socket path " + endpoint.host + " is too long");
        }
        co_await link->socket.async_connect(asio::local::stream_protocol::endpoint(endpoint.host), token);
        if (error) {
            co_return unreachable(endpoint, error);
        }
        co_return link;
    }
    std::vector<tcp::endpoint> targets;
    const auto address = asio::ip::make_address(endpoint.host, error);
    if (!error) {
        targets.emplace_back(address, endpoint.port);
    } else {
        tcp::resolver resolver(executor);
        const auto found = co_await resolver.async_resolve(endpoint.host, std::to_string(endpoint.port), token);
        for (const auto& entry : found) {
            targets.push_back(entry.endpoint());
        }
        if (targets.empty()) {
            co_return Error(Code::kUnavailable, "the host " + endpoint.host + " is not known: " + error.message());
        }
    }
    for (const tcp::endpoint& target : targets) {
        link = std::make_unique<Link>(executor);
        deadline.watch(&link->socket);
        co_await link->socket.async_connect(target, token);
        if (!error) {
            error_code ignored;
            link->socket.set_option(tcp::no_delay(true), ignored);
            co_return link;
        }
    }
    co_return unreachable(endpoint, error);
}

}  // namespace gantry::http
