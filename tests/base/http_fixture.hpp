#pragma once

/// A server on its own thread, and a client that is nothing but a blocking socket, so that tests decide on every byte.

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <cstring>
#include <future>
#include <string>
#include <thread>
#include <type_traits>

#include "base/http/server.hpp"

namespace gantry::http::test {

namespace asio = boost::asio;

inline std::string temp_path(const std::string& name) {
    std::string pattern = "/tmp/gantry-test-XXXXXX";
    const char* dir = ::mkdtemp(pattern.data());
    return std::string(dir ? dir : "/tmp") + "/" + name;
}

class RawClient {
  public:
    explicit RawClient(const Endpoint& to) {
        if (to.unix_socket) {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::strncpy(address.sun_path, to.host.c_str(), sizeof(address.sun_path) - 1);
            fd_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
            connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
        } else {
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(to.port);
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
            connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
        }
    }
    RawClient(RawClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
    RawClient& operator=(RawClient&&) = delete;
    ~RawClient() { close(); }

    bool connected() const { return connected_; }
    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }
    void reset() {  ///< closes with RST
        const linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close();
    }
    void shutdown_send() { ::shutdown(fd_, SHUT_WR); }

    /// Sends all of it; false when the server is gone.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) {
                return false;
            }
            bytes.remove_prefix(static_cast<size_t>(count));
        }
        return true;
    }
    /// Whatever comes next; empty at the end or after `timeout_ms` of silence.
    std::string receive(int timeout_ms = 10'000) {
        pollfd state{fd_, POLLIN, 0};
        if (::poll(&state, 1, timeout_ms) <= 0) {
            return {};
        }
        std::string buffer(65536, '\0');
        const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
        buffer.resize(count > 0 ? static_cast<size_t>(count) : 0);
        return buffer;
    }
    /// Reads until `text` has been seen, or the end.
    std::string receive_until(std::string_view text) {
        std::string all;
        while (all.find(text) == std::string::npos) {
            const std::string piece = receive();
            if (piece.empty()) {
                break;
            }
            all += piece;
        }
        return all;
    }
    std::string receive_all() {
        std::string all;
        for (std::string piece = receive(); !piece.empty(); piece = receive()) {
            all += piece;
        }
        return all;
    }

  private:
    int fd_ = -1;
    bool connected_ = false;
};

/// Runs `handler` behind a loopback port (and whatever else is listened on) until it goes out of scope.
class RunningServer {
  public:
    explicit RunningServer(Handler handler, ServerLimits limits = {}, Endpoint endpoint = {false, "127.0.0.1", 0})
        : server_(io_, std::move(handler), limits) {
        listened_ = server_.listen(endpoint);
        server_.start();
        thread_ = std::thread([this] { io_.run(); });
    }
    ~RunningServer() {
        run([this] { server_.stop(); });
        work_.reset();
        thread_.join();
    }

    const Status& listened() const { return listened_; }
    Endpoint endpoint() const { return server_.endpoints().at(0); }
    Server& server() { return server_; }
    asio::io_context& io() { return io_; }
    RawClient connect() { return RawClient(endpoint()); }

    /// Runs on the io thread and waits.
    template <class F>
    std::invoke_result_t<F> run(F f) {
        std::packaged_task<std::invoke_result_t<F>()> task(std::move(f));
        auto done = task.get_future();
        asio::post(io_, [&task] { task(); });
        return done.get();
    }

  private:
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
    Server server_;
    Status listened_ = ok();
    std::thread thread_;
};

inline Response text_response(std::string body, int status = 200) {
    Response response;
    response.status = status;
    response.headers.set("Content-Type", "text/plain");
    response.body = std::move(body);
    return response;
}

/// Answers with "METHOD path?query body", once at a time.
inline Handler echo_handler() {
    return [](Request request, Responder& responder) -> asio::awaitable<void> {
        std::string text = request.method + " " + request.path;
        for (const auto& [key, value] : request.query) {
            text += " " + key + "=" + value;
        }
        text += " [" + request.body + "]";
        (void)co_await responder.send(text_response(std::move(text)));
    };
}

}  // namespace gantry::http::test
