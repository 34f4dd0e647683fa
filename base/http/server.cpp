#include "base/http/server.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <unordered_set>

#include "base/http/connection.hpp"
#include "base/http/error_response.hpp"
#include "base/log.hpp"

namespace gantry::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};

/// The kernel's or the process's table is full: the next accept fails alike until something is closed.
bool out_of_files(const error_code& error) {
    return error == asio::error::no_descriptors || error == boost::system::errc::too_many_files_open_in_system ||
           error == asio::error::no_buffer_space || error == asio::error::no_memory;
}

std::string peer_text(const Socket& socket, const Endpoint& endpoint) {
    if (endpoint.unix_socket) {
        return "unix";
    }
    error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) {
        return "gone";
    }
    tcp::endpoint address;
    address.resize(remote.size());
    std::memcpy(address.data(), remote.data(), remote.size());
    return Endpoint{false, address.address().to_string(), address.port()}.text();
}

Result<tcp::endpoint> resolve(asio::io_context& io, const Endpoint& endpoint) {
    error_code error;
    const auto address = asio::ip::make_address(endpoint.host, error);
    if (!error) {
        return tcp::endpoint(address, endpoint.port);
    }
    tcp::resolver resolver(io);
    const auto found = resolver.resolve(endpoint.host, std::to_string(endpoint.port), error);
    if (error || found.empty()) {
        return Error(Code::kInvalidArgument, "cannot listen on " + endpoint.text() + ": the host is not known");
    }
    for (const auto& entry : found) {
        if (entry.endpoint().address().is_v4()) {
            return entry.endpoint();
        }
    }
    return found.begin()->endpoint();
}

/// A socket file that nobody listens on any more is taken away; a live one is an error.
Status clear_stale(asio::io_context& io, const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        return ok();
    }
    if (!S_ISSOCK(info.st_mode)) {
        return Error(Code::kAlreadyExists, path + " exists and is no socket", "choose another path");
    }
    asio::local::stream_protocol::socket probe(io);
    error_code error;
    probe.connect(asio::local::stream_protocol::endpoint(path), error);
    if (!error) {
        return Error(Code::kAlreadyExists, "another process listens on " + path);
    }
    ::unlink(path.c_str());
    return ok();
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
    struct Listener {
        Listener(asio::io_context& io, Endpoint where) : acceptor(io), endpoint(std::move(where)) {}
        Acceptor acceptor;
        Endpoint endpoint;
    };

    Impl(asio::io_context& context, Handler handler, ServerLimits limits)
        : io(context), shared(std::make_shared<ConnectionContext>()), sweep(io), left(io) {
        shared->handler = std::move(handler);
        left.expires_at(Clock::time_point::max());
        set_limits(limits);
    }

    void set_limits(const ServerLimits& limits) {
        shared->limits = limits;
        const auto shortest =
            std::min({limits.header_timeout, limits.body_timeout, limits.idle_timeout, limits.write_timeout});
        tick = std::clamp(shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
    }

    asio::awaitable<void> accept_loop(std::shared_ptr<Listener> listener);
    void add(Socket socket, const Endpoint& endpoint);
    void remove(const std::shared_ptr<Connection>& connection);
    void arm_sweep();
    void close_listeners();
    void stop();

    asio::io_context& io;
    std::shared_ptr<ConnectionContext> shared;
    std::vector<std::shared_ptr<Listener>> listeners;
    std::unordered_set<std::shared_ptr<Connection>> open;
    asio::steady_timer sweep;
    asio::steady_timer left;  ///< cancelled when the last connection is gone
    std::chrono::milliseconds tick{1000};
    bool sweeping = false;
};

asio::awaitable<void> Server::Impl::accept_loop(std::shared_ptr<Listener> listener) {
    const auto self = shared_from_this();
    while (listener->acceptor.is_open()) {
        Socket socket(io);
        error_code error;
        co_await listener->acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
        if (!listener->acceptor.is_open()) {
            co_return;
        }
        if (!error) {
            add(std::move(socket), listener->endpoint);
        } else if (out_of_files(error)) {
            log::warn("cannot accept on {}: {}; trying again", listener->endpoint.text(), error.message());
            asio::steady_timer pause(io, kAcceptPause);
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        }
    }
}

void Server::Impl::add(Socket socket, const Endpoint& endpoint) {
    error_code ignored;
    if (!endpoint.unix_socket) {
        socket.set_option(tcp::no_delay(true), ignored);
    }
    const std::shared_ptr<TlsContext> tls = endpoint.unix_socket ? nullptr : shared->tls;
    if (open.size() >= shared->limits.max_connections) {
        if (tls) {
            return;  // a handshake is what there are too many of
        }
        const Response full = error_response(Error(Code::kUnavailable, "the server has too many connections"));
        std::string bytes;
        append_status_line(bytes, full.status);
        append_field(bytes, "Content-Type", "application/json");
        append_field(bytes, "Retry-After", "2");
        append_field(bytes, "Connection", "close");
        append_field(bytes, "Content-Length", std::to_string(full.body.size()));
        bytes += "\r\n" + full.body;
        socket.non_blocking(true, ignored);
        socket.write_some(asio::buffer(bytes), ignored);
        return;
    }
    std::string peer = peer_text(socket, endpoint);
    auto connection = std::make_shared<Connection>(std::move(socket), std::move(peer), shared, tls);
    open.insert(connection);
    arm_sweep();
    asio::co_spawn(io, connection->run(),
                   [self = shared_from_this(), connection](const std::exception_ptr&) { self->remove(connection); });
}

void Server::Impl::remove(const std::shared_ptr<Connection>& connection) {
    open.erase(connection);
    if (open.empty()) {
        left.cancel();
        sweep.cancel();
    }
}

void Server::Impl::arm_sweep() {
    if (sweeping || open.empty()) {
        return;
    }
    sweeping = true;
    sweep.expires_after(tick);
    sweep.async_wait([self = shared_from_this()](const error_code&) {
        self->sweeping = false;
        const auto now = Clock::now();
        for (const auto& connection : self->open) {
            connection->check_deadline(now);
        }
        self->arm_sweep();
    });
}

void Server::Impl::close_listeners() {
    for (const auto& listener : listeners) {
        error_code ignored;
        if (listener->acceptor.is_open()) {
            listener->acceptor.close(ignored);
            if (listener->endpoint.unix_socket) {
                ::unlink(listener->endpoint.host.c_str());
            }
        }
    }
}

void Server::Impl::stop() {
    close_listeners();
    for (const auto& connection : open) {
        connection->cut();
    }
}

Server::Server(asio::io_context& io, Handler handler, ServerLimits limits)
    : impl_(std::make_shared<Impl>(io, std::move(handler), limits)) {}

Server::~Server() { impl_->stop(); }

Status Server::listen(const Endpoint& endpoint) {
    auto listener = std::make_shared<Impl::Listener>(impl_->io, endpoint);
    asio::generic::stream_protocol::endpoint address;
    if (endpoint.unix_socket) {
        if (endpoint.host.size() >= sizeof(sockaddr_un::sun_path)) {
            return Error(Code::kInvalidArgument, "the socket path " + endpoint.host + " is longer than " +
                                                     std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
        }
        GANTRY_CHECK_OK(clear_stale(impl_->io, endpoint.host));
        address = asio::local::stream_protocol::endpoint(endpoint.host);
    } else {
        GANTRY_TRY(const tcp::endpoint tcp_address, resolve(impl_->io, endpoint));
        address = tcp_address;
    }
    error_code error;
    Acceptor& acceptor = listener->acceptor;
    acceptor.open(address.protocol(), error);
    if (!error && !endpoint.unix_socket) {
        acceptor.set_option(Acceptor::reuse_address(true), error);
    }
    if (!error) {
        acceptor.bind(address, error);
    }
    if (!error) {
        if (endpoint.unix_socket) {
            ::chmod(endpoint.host.c_str(), 0600);
        }
        acceptor.listen(Acceptor::max_listen_connections, error);
    }
    if (error) {
        const std::string message = "cannot listen on " + endpoint.text() + ": " + error.message();
        if (error == asio::error::address_in_use) {
            return Error(Code::kAlreadyExists, "cannot listen on " + endpoint.text() + ": the port is taken",
                         "stop the other program, or choose another port");
        }
        return Error(error == asio::error::access_denied ? Code::kPermissionDenied : Code::kFailedPrecondition,
                     message);
    }
    if (!endpoint.unix_socket) {
        const auto local = acceptor.local_endpoint(error);
        tcp::endpoint bound;
        bound.resize(local.size());
        std::memcpy(bound.data(), local.data(), local.size());
        listener->endpoint.port = bound.port();
    }
    impl_->listeners.push_back(std::move(listener));
    return ok();
}

std::vector<Endpoint> Server::endpoints() const {
    std::vector<Endpoint> out;
    for (const auto& listener : impl_->listeners) {
        out.push_back(listener->endpoint);
    }
    return out;
}

void Server::set_tls(std::shared_ptr<TlsContext> tls) { impl_->shared->tls = std::move(tls); }

void Server::set_limits(const ServerLimits& limits) { impl_->set_limits(limits); }

void Server::set_refusal_form(RefusalForm form) { impl_->shared->refusal_form = std::move(form); }

void Server::start() {
    for (const auto& listener : impl_->listeners) {
        asio::co_spawn(impl_->io, impl_->accept_loop(listener), [self = impl_](const std::exception_ptr&) {});
    }
}

asio::awaitable<void> Server::drain(std::chrono::milliseconds timeout) {
    const auto self = impl_;
    self->shared->draining = true;
    self->close_listeners();
    for (const auto& connection : self->open) {
        connection->close_if_idle();
    }
    if (!self->open.empty()) {
        self->left.expires_after(timeout);
        error_code error;
        co_await self->left.async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (!error) {
            log::warn("{} connections still busy after {} ms; cutting them", self->open.size(), timeout.count());
        }
    }
    self->stop();
}

void Server::stop() { impl_->stop(); }

size_t Server::connections() const { return impl_->open.size(); }

}  // namespace gantry::http
