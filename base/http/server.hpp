#pragma once

/// HTTP/1.1 server over TCP and Unix sockets with C++20 coroutines. Everything runs on the io_context's one thread.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/http/types.hpp"
#include "base/result.hpp"

namespace gantry::http {

/// The answering side of one request. Either `send` once, or `start`, any number of `write`s, `finish`.
/// Writes wait for the socket: that is the back-pressure. Used by the handler's coroutine only.
class Responder {
  public:
    virtual ~Responder() = default;
    /// A whole response: head and body in one write. Fails when the client is gone.
    virtual boost::asio::awaitable<Status> send(Response response) = 0;
    /// Starts a chunked response (Transfer-Encoding chunked; for HTTP/1.0 clients: until close).
    virtual boost::asio::awaitable<Status> start(int status, Headers headers) = 0;
    virtual boost::asio::awaitable<Status> write(std::string chunk) = 0;
    virtual boost::asio::awaitable<Status> finish() = 0;
    /// Whether start or send has been called.
    virtual bool started() const = 0;
};

/// Answers one request. Runs on the io thread. When the client goes away while the handler is suspended, the
/// handler's coroutine is cancelled (its awaited operation ends with operation_aborted): release by RAII. A handler
/// that throws or returns without an answer gives 500.
using Handler = std::function<boost::asio::awaitable<void>(Request request, Responder& responder)>;

/// Renders the refusal of a request that no handler gets to see: too large, too slow, malformed. `request` has what was
/// read of its first line and header fields.
using RefusalForm = std::function<Response(const Request& request, int status, const Error& error)>;

class TlsContext;

class Server {
  public:
    Server(boost::asio::io_context& io, Handler handler, ServerLimits limits = {});
    ~Server();

    /// Binds and listens; may be called for several endpoints. Port 0 picks one: `endpoints()` tells. Errors name the
    /// address and, where a port is taken, say so. A stale Unix socket file is replaced, a live one refused.
    Status listen(const Endpoint& endpoint);
    std::vector<Endpoint> endpoints() const;

    /// TCP connections accepted from now on speak TLS with this certificate, those there are keep theirs; null: plain.
    /// Unix sockets are never encrypted.
    void set_tls(std::shared_ptr<TlsContext> tls);
    /// Holds for requests to come, on connections that there are too.
    void set_limits(const ServerLimits& limits);
    /// Without one, refusals have error_response()'s form.
    void set_refusal_form(RefusalForm form);

    /// Starts accepting.
    void start();
    /// Stops accepting; requests in flight go on, idle connections close. `drained` resolves when none is left or
    /// after the time-out, when the rest is cut.
    boost::asio::awaitable<void> drain(std::chrono::milliseconds timeout);
    /// Cuts everything now.
    void stop();

    size_t connections() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace gantry::http
