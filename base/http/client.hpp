#pragma once

/// HTTP/1.1 client over TCP, TLS and Unix sockets. Runs on the io_context's one thread.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/http/types.hpp"
#include "base/result.hpp"

namespace gantry::http {

class TlsTrust;

/// A response whose body is read piece by piece. Destroying it before the end closes the connection, which is how a
/// request is cancelled; after the end the connection returns to its client's pool.
class ResponseStream {
  public:
    virtual ~ResponseStream() = default;
    virtual int status() const = 0;
    virtual const Headers& headers() const = 0;
    /// The next piece of the body; nullopt at its end. kUnavailable when the peer is gone in the middle.
    virtual boost::asio::awaitable<Result<std::optional<std::string>>> read() = 0;
    /// The whole rest, at most `limit` bytes.
    virtual boost::asio::awaitable<Result<std::string>> read_all(size_t limit = 64 * 1024 * 1024) = 0;
};

/// Talks to one endpoint; keeps idle connections for reuse. A kept connection that turns out closed is replaced once,
/// without the caller noticing. Cheap to copy (shared state).
class Client {
  public:
    /// With `trust` the server is to speak TLS (see tls.hpp), and is refused with kUnauthenticated where its
    /// certificate is not to be trusted; Unix sockets are plain all the same.
    Client(boost::asio::any_io_executor executor, Endpoint endpoint, std::shared_ptr<TlsTrust> trust = nullptr);

    /// Sends and reads the head. kUnavailable where nobody listens, kDeadlineExceeded after `timeout` without a head.
    boost::asio::awaitable<Result<std::unique_ptr<ResponseStream>>> open(
        Request request, std::chrono::milliseconds timeout = std::chrono::minutes(10));
    /// The same with the body read whole.
    boost::asio::awaitable<Result<Response>> request(Request request,
                                                     std::chrono::milliseconds timeout = std::chrono::minutes(10));

  private:
    struct Pool;
    std::shared_ptr<Pool> pool_;
};

/// Reads lines out of a stream's pieces (NDJSON, server-sent events).
class LineReader {
  public:
    explicit LineReader(ResponseStream& stream) : stream_(stream) {}
    /// The next line without its end; nullopt at the end. kTooLarge past 4 MiB.
    boost::asio::awaitable<Result<std::optional<std::string>>> next();
    /// Whether a line is there already.
    bool ready() const { return buffer_.find('\n', scanned_) != std::string::npos; }

  private:
    ResponseStream& stream_;
    std::string buffer_;
    size_t begin_ = 0;    ///< of the next line in buffer_
    size_t scanned_ = 0;  ///< no line ends before
    bool ended_ = false;
};

}  // namespace gantry::http
