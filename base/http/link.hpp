#pragma once

/// One connection of a client, plain or encrypted. Internal to base/http.

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/http/tls.hpp"
#include "base/http/types.hpp"
#include "base/result.hpp"

namespace gantry::http {

using ClientSocket = boost::asio::generic::stream_protocol::socket;

/// Bytes of one read, at most.
constexpr size_t kReadPiece = 16 * 1024;

/// One connection with the bytes that were read beyond what has been parsed.
struct Link {
    explicit Link(const boost::asio::any_io_executor& executor) : socket(executor) {}

    /// Whether the peer has closed, or sent something unasked, while the connection lay idle.
    bool stale();
    /// Begins TLS as a client. kUnauthenticated where the server is not to be trusted.
    boost::asio::awaitable<Status> encrypt(const TlsTrust& trust, const Endpoint& endpoint);
    /// As the socket's own, encrypted where the connection is.
    boost::asio::awaitable<size_t> read_some(char* buffer, size_t size, boost::system::error_code& error);
    boost::asio::awaitable<void> write(std::string_view head, std::string_view body, boost::system::error_code& error);

    ClientSocket socket;
    std::unique_ptr<TlsSession> tls;     ///< null: plain
    std::string input;                   ///< received, not yet parsed
    std::array<char, kReadPiece> piece;  ///< where reads land; left as it is until then
    std::chrono::steady_clock::time_point kept;

  private:
    /// Waits for what a step of TLS needs; false where the connection ends.
    boost::asio::awaitable<bool> wait_for(TlsSession::Step step);
    /// 0 at the connection's end.
    boost::asio::awaitable<size_t> read_encrypted(char* buffer, size_t size);
    boost::asio::awaitable<bool> write_encrypted(std::string_view bytes);
};

/// Closes the socket that it watches when time is over, which ends whatever waits on it.
class Deadline {
  public:
    Deadline(const boost::asio::any_io_executor& executor, std::chrono::milliseconds timeout)
        : state_(std::make_shared<State>()), timer_(executor, timeout) {
        timer_.async_wait([state = state_](const boost::system::error_code& error) {
            if (!error) {
                state->over = true;
                if (state->socket) {
                    boost::system::error_code ignored;
                    state->socket->close(ignored);
                }
            }
        });
    }
    ~Deadline() { state_->socket = nullptr; }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    void watch(ClientSocket* socket) { state_->socket = socket; }
    bool over() const { return state_->over; }

  private:
    struct State {
        bool over = false;
        ClientSocket* socket = nullptr;
    };
    std::shared_ptr<State> state_;
    boost::asio::steady_timer timer_;
};

/// Connects to an endpoint, to the first of a host's addresses that takes it. The deadline watches the socket then.
boost::asio::awaitable<Result<std::unique_ptr<Link>>> connect(boost::asio::any_io_executor executor, Endpoint endpoint,
                                                              Deadline& deadline);

}  // namespace gantry::http
