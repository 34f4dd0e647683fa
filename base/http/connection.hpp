#pragma once

/// One accepted connection: reads requests, runs the handler, watches for the client's departure. Internal to
/// base/http; server.cpp owns the set of them.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "base/http/server.hpp"
#include "base/http/tls.hpp"
#include "base/http/wire.hpp"

namespace gantry::http {

using Socket = boost::asio::generic::stream_protocol::socket;
using Clock = std::chrono::steady_clock;

/// What all connections of a server share.
struct ConnectionContext {
    Handler handler;
    RefusalForm refusal_form;  ///< unset: error_response()
    ServerLimits limits;
    std::string scratch =
        std::string(64 * 1024, '\0');  ///< reads land here first, so an idle connection holds no buffer
    bool draining = false;
    std::shared_ptr<TlsContext> tls;  ///< for connections to come; null: none is encrypted
};

/// Reading works by readiness: the socket is always waited on, whether a request is expected or a handler runs, so
/// that a departure is seen at once and bytes of a pipelined request are kept for their turn.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    /// With `tls` the client is to speak TLS.
    Connection(Socket socket, std::string peer, std::shared_ptr<ConnectionContext> context,
               std::shared_ptr<TlsContext> tls = nullptr);

    /// The connection's life; returns when it is closed. Never throws.
    boost::asio::awaitable<void> run();
    /// Called now and then by the server; acts on what is overdue.
    void check_deadline(Clock::time_point now);
    /// Closes at once, cancelling the handler.
    void cut();
    /// Closes if no request is in progress; later requests of a busy one get "Connection: close".
    void close_if_idle();

    /// Writes all of the pieces; gives up after write_timeout without the client reading.
    boost::asio::awaitable<Status> write(std::string_view a, std::string_view b = {}, std::string_view c = {});

    const ConnectionContext& context() const { return *context_; }

  private:
    enum class Phase { kIdle, kHead, kBody, kHandling, kLingering };

    boost::asio::awaitable<bool> shake_hands();
    boost::asio::awaitable<Status> write_encrypted(std::string bytes);
    boost::asio::awaitable<bool> serve_one();
    boost::asio::awaitable<bool> read_request(MessageParser& parser);
    boost::asio::awaitable<void> run_handler(Request request, class RequestResponder& responder);
    boost::asio::awaitable<void> refuse(const WireError& error, const Request& request);
    boost::asio::awaitable<void> refuse(const WireError& error, MessageParser& unfinished);
    boost::asio::awaitable<void> linger();
    boost::asio::awaitable<bool> more();
    void watch();
    void on_readable(boost::system::error_code error);
    void take_bytes();
    void take_encrypted();
    void client_gone();
    void close();

    Socket socket_;
    std::string peer_;
    std::shared_ptr<ConnectionContext> context_;
    std::unique_ptr<TlsSession> tls_;    ///< null: plain
    boost::asio::steady_timer arrival_;  ///< cancelled to say that bytes, an end or a time-out came
    boost::asio::cancellation_signal cancel_handler_;
    std::string pending_;  ///< received, not yet parsed
    Phase phase_ = Phase::kIdle;
    Clock::time_point deadline_ = Clock::time_point::max();
    Clock::time_point write_deadline_ = Clock::time_point::max();
    uint64_t handled_ = 0;  ///< requests so far; tells a late cancel that its handler is gone
    bool watching_ = false;
    bool ended_ = false;  ///< the client sent its last byte
    bool timed_out_ = false;
    bool closed_ = false;
};

}  // namespace gantry::http
