// Load generator for the server's front: small requests on kept-alive connections, one after the other on each, from
// one thread.
//
//   front_load --port P [--target /v1/models] [--connections 64] [--seconds 5] [--warm-up 1]
//
// Every answer must have status 200. Prints one object of JSON: answers a second, and the time from a request's sending
// to its answer's last byte.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    uint16_t port = 9997;
    std::string target = "/v1/models";
    size_t connections = 64;
    double seconds = 5, warm_up = 1;
};

[[noreturn]] void die(const std::string& why) {
    std::fprintf(stderr, "front_load: %s\n", why.c_str());
    std::exit(1);
}

/// One connection with the request that it waits for.
class Caller {
  public:
    Caller(const Options& options, const std::string& request) : options_(options), request_(request) {}

    void open(int epoll) {
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(options_.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
            die(std::string("cannot connect: ") + std::strerror(errno));
        }
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = this;
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd_, &event);
    }

    void send() {
        answer_.clear();
        need_ = 0;
        sent_ = Clock::now();
        if (::send(fd_, request_.data(), request_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request_.size())) {
            die("the request could not be sent at once");
        }
    }

    /// Takes what has come; whether the answer is whole.
    bool receive(std::string& buffer) {
        const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            return false;
        }
        if (count <= 0) {
            die("the server closed a connection");
        }
        answer_.append(buffer.data(), static_cast<size_t>(count));
        if (need_ == 0) {
            take_head();
        }
        return need_ != 0 && answer_.size() >= need_;
    }

    double milliseconds() const { return std::chrono::duration<double, std::milli>(Clock::now() - sent_).count(); }

  private:
    void take_head() {
        constexpr std::string_view kLength = "Content-Length: ";
        const size_t end = answer_.find("\r\n\r\n");
        if (end == std::string::npos) {
            return;
        }
        const size_t length = answer_.find(kLength);
        if (!answer_.starts_with("HTTP/1.1 200") || length == std::string::npos || length > end) {
            die("answered " + answer_.substr(0, end));
        }
        need_ = end + 4 + std::strtoull(answer_.c_str() + length + kLength.size(), nullptr, 10);
    }

    const Options& options_;
    const std::string& request_;
    int fd_ = -1;
    std::string answer_;
    size_t need_ = 0;  ///< bytes of the whole answer; 0: not known yet
    Clock::time_point sent_;
};

Options parse(int argc, char** argv) {
    Options out;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const char* value = argv[i + 1];
        if (name == "--port") {
            out.port = static_cast<uint16_t>(std::strtoul(value, nullptr, 10));
        } else if (name == "--target") {
            out.target = value;
        } else if (name == "--connections") {
            out.connections = std::strtoul(value, nullptr, 10);
        } else if (name == "--seconds") {
            out.seconds = std::strtod(value, nullptr);
        } else if (name == "--warm-up") {
            out.warm_up = std::strtod(value, nullptr);
        } else {
            die("unknown option " + std::string(name));
        }
    }
    if (out.connections == 0 || !(out.seconds > 0)) {
        die("connections and seconds must be positive");
    }
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    const std::string request = "GET " + options.target +
                                " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options.port) +
                                "\r\nAccept: application/json\r\n\r\n";
    const int epoll = ::epoll_create1(0);
    std::vector<Caller> callers(options.connections, Caller(options, request));
    for (Caller& caller : callers) {
        caller.open(epoll);
        caller.send();
    }
    const auto span = [](double seconds) {
        return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    };
    const auto begin = Clock::now() + span(options.warm_up), end = begin + span(options.seconds);
    std::vector<float> times;
    times.reserve(static_cast<size_t>(options.seconds * 200'000));
    std::string buffer(64 * 1024, '\0');
    std::array<epoll_event, 256> events{};
    for (auto now = Clock::now(); now < end; now = Clock::now()) {
        const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 10'000);
        if (count == 0) {
            die("nothing has come for 10 s");
        }
        for (int i = 0; i < count; ++i) {
            auto& caller = *static_cast<Caller*>(events[static_cast<size_t>(i)].data.ptr);
            if (caller.receive(buffer)) {
                if (now >= begin) {
                    times.push_back(static_cast<float>(caller.milliseconds()));
                }
                caller.send();
            }
        }
    }
    if (times.empty()) {
        die("no answer came in time");
    }
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
        return static_cast<double>(
            times[std::min(times.size() - 1, static_cast<size_t>(share * static_cast<double>(times.size())))]);
    };
    std::printf(
        "{\"connections\":%zu,\"answers\":%zu,\"per_second\":%.0f,\"ms\":{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,"
        "\"max\":%.3f}}\n",
        options.connections, times.size(), static_cast<double>(times.size()) / options.seconds, at(0.5), at(0.99),
        at(0.999), at(1));
}
