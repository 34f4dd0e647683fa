// Load generator for the whole way of a token: many completions streamed at once from one thread, at little cost a
// token.
//
//   stream_load --port P --model UID [--streams 256] [--tokens 400] [--rounds 1] [--pid N]...
//               [--stamp-us U --alphabet TEXT]
//
// Every answer is checked: its tokens are counted in its text (one character a token, as the null plugin writes it),
// and must be as many as were asked for and as its usage says. With the null plugin's option stamp_us each character
// tells when its token was made, on the clock that this process reads too: (microseconds / U) mod the alphabet's
// length. So the time from the model to the client is measured token by token; it must stay below U times that length.
//
// Prints one object of JSON. CPU time is that of the processes named by --pid (server and runner) and of this one.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr useconds_t kNap = 200;  ///< microseconds between looks at the sockets; counted into the times that are told

struct Options {
    uint16_t port = 9997;
    std::string model = "null";
    size_t streams = 256;
    size_t tokens = 400;
    size_t rounds = 1;
    int64_t stamp_us = 0;
    std::string alphabet;
    std::vector<int> pids;
};

[[noreturn]] void die(const std::string& why) {
    std::fprintf(stderr, "stream_load: %s\n", why.c_str());
    std::exit(1);
}

int64_t microseconds() {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count();
}

/// Counts of 10 us each, up to a second; what is longer counts as a second.
class Times {
  public:
    void add(int64_t us) {
        const auto at = static_cast<size_t>(std::clamp<int64_t>(us / kUnit, 0, int64_t{kCount} - 1));
        ++counts_[at];
        ++total_;
    }
    double milliseconds_at(double share) const {
        const auto rank = static_cast<uint64_t>(share * static_cast<double>(total_));
        uint64_t seen = 0;
        for (size_t i = 0; i < kCount; ++i) {
            seen += counts_[i];
            if (seen > rank) {
                return static_cast<double>((static_cast<int64_t>(i) + 1) * kUnit) / 1e3;
            }
        }
        return 0;
    }
    std::string json() const {
        std::array<char, 160> text{};
        std::snprintf(text.data(), text.size(), "{\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f}",
                      milliseconds_at(0.5), milliseconds_at(0.9), milliseconds_at(0.99), milliseconds_at(0.999),
                      milliseconds_at(0.9999999));
        return text.data();
    }

  private:
    static constexpr int64_t kUnit = 10;
    static constexpr size_t kCount = 100'000;
    std::vector<uint64_t> counts_ = std::vector<uint64_t>(kCount);
    uint64_t total_ = 0;
};

/// What all streams share.
struct Tally {
    uint64_t tokens = 0, chunks = 0, reads = 0, bytes = 0;
    size_t done = 0;
    Times first, gap, added;
    int64_t begin_us = 0, last_us = 0;
};

/// One connection: sends its request, reads its answer, checks it, and again.
class Stream {
  public:
    Stream(const Options& options, Tally& tally) : options_(options), tally_(tally) {
        const std::string body = "{\"model\":\"" + options.model +
                                 "\",\"prompt\":\"Hello\",\"temperature\":0,\"stream\":true,\"ignore_eos\":true,"
                                 "\"max_tokens\":" +
                                 std::to_string(options.tokens) + "}";
        request_ =
            "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Content-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body;
    }

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
        asked_us_ = microseconds();
        got_ = 0;
        last_us_ = 0;
        usage_ = 0;
        state_ = State::kHead;
        line_.clear();
        if (::send(fd_, request_.data(), request_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request_.size())) {
            die("the request could not be sent at once");
        }
    }

    /// Takes what has come; `buffer` is scratch space.
    void receive(std::string& buffer) {
        const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (count <= 0) {
            die("the server closed a connection");
        }
        now_us_ = microseconds();
        ++tally_.reads;
        tally_.bytes += static_cast<uint64_t>(count);
        std::string_view data(buffer.data(), static_cast<size_t>(count));
        // A whole line is handled where it lies; only a cut one is copied.
        while (!data.empty()) {
            const size_t end = data.find('\n');
            if (end == std::string_view::npos) {
                line_.append(data);
                return;
            }
            if (line_.empty()) {
                take_line(data.substr(0, end));
            } else {
                line_.append(data.substr(0, end));
                take_line(line_);
                line_.clear();
            }
            data.remove_prefix(end + 1);
        }
    }

    bool done() const { return state_ == State::kDone; }
    void close() { ::close(fd_); }

  private:
    enum class State { kHead, kEvents, kEnd, kDone };

    void take_line(std::string_view line) {
        if (state_ == State::kHead) {
            if (line.starts_with("HTTP/1.1") && !line.starts_with("HTTP/1.1 200")) {
                die("answered " + std::string(line));
            }
            if (line == "\r" || line.empty()) {
                state_ = State::kEvents;
            }
        } else if (state_ == State::kEvents && line.starts_with("data: ")) {
            line == "data: [DONE]" ? finish() : take_event(line);
        } else if (state_ == State::kEnd && line.starts_with("0")) {
            state_ = State::kDone;
            ++tally_.done;
        }
    }

    void take_event(std::string_view line) {
        constexpr std::string_view kText = "\"text\":\"", kUsage = "\"completion_tokens\":";
        size_t at = line.find(kText);
        if (at == std::string_view::npos) {
            die("an event without text: " + std::string(line));
        }
        size_t count = 0;
        for (at += kText.size(); at < line.size() && line[at] != '"'; ++at, ++count) {
            at += line[at] == '\\' ? 1 : 0;
            if (options_.stamp_us > 0) {
                take_stamp(line[at]);
            }
        }
        if (count > 0) {
            ++tally_.chunks;
            tally_.tokens += count;
            got_ += count;
            (last_us_ == 0 ? tally_.first : tally_.gap).add(now_us_ - (last_us_ == 0 ? asked_us_ : last_us_));
            last_us_ = now_us_;
            tally_.last_us = now_us_;
        }
        if (const size_t found = line.find(kUsage, at); found != std::string_view::npos) {
            usage_ = std::strtoull(line.data() + found + kUsage.size(), nullptr, 10);
        }
    }

    void take_stamp(char letter) {
        const size_t value = options_.alphabet.find(letter);
        if (value == std::string::npos) {
            die(std::string("the letter ") + letter + " is not in the alphabet");
        }
        const auto size = static_cast<int64_t>(options_.alphabet.size());
        const int64_t units = (now_us_ / options_.stamp_us - static_cast<int64_t>(value)) % size;
        tally_.added.add((units + size) % size * options_.stamp_us);
    }

    void finish() {
        if (got_ != options_.tokens || usage_ != options_.tokens) {
            die("an answer has " + std::to_string(got_) + " tokens and claims " + std::to_string(usage_) + ", not " +
                std::to_string(options_.tokens));
        }
        state_ = State::kEnd;
    }

    const Options& options_;
    Tally& tally_;
    std::string request_, line_;
    State state_ = State::kHead;
    int fd_ = -1;
    size_t got_ = 0;
    uint64_t usage_ = 0;
    int64_t asked_us_ = 0, last_us_ = 0, now_us_ = 0;
};

/// User and system seconds of another process.
double cpu_seconds(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) {
        die("there is no process " + std::to_string(pid));
    }
    unsigned long user = 0, system = 0;
    if (std::sscanf(text.c_str() + name_end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                    &system) != 2) {
        die("cannot read the times of process " + std::to_string(pid));
    }
    return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double own_cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Options parse(int argc, char** argv) {
    Options out;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const char* value = argv[i + 1];
        const auto number = [&] { return std::strtoull(value, nullptr, 10); };
        if (name == "--port") {
            out.port = static_cast<uint16_t>(number());
        } else if (name == "--model") {
            out.model = value;
        } else if (name == "--streams") {
            out.streams = number();
        } else if (name == "--tokens") {
            out.tokens = number();
        } else if (name == "--rounds") {
            out.rounds = number();
        } else if (name == "--stamp-us") {
            out.stamp_us = static_cast<int64_t>(number());
        } else if (name == "--alphabet") {
            out.alphabet = value;
        } else if (name == "--pid") {
            out.pids.push_back(static_cast<int>(number()));
        } else {
            die("unknown option " + std::string(name));
        }
    }
    if (out.streams == 0 || out.tokens == 0 || (out.stamp_us > 0 && out.alphabet.empty())) {
        die("streams and tokens must be positive, and stamps need an alphabet");
    }
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    Tally tally;
    const int epoll = ::epoll_create1(0);
    std::vector<Stream> streams(options.streams, Stream(options, tally));
    for (Stream& stream : streams) {
        stream.open(epoll);
    }
    std::vector<double> before;
    for (const int pid : options.pids) {
        before.push_back(cpu_seconds(pid));
    }
    tally.begin_us = microseconds();
    std::vector<size_t> rounds(streams.size(), 1);
    for (Stream& stream : streams) {
        stream.send();
    }
    std::string buffer(256 * 1024, '\0');
    std::array<epoll_event, 512> events{};
    ::prctl(PR_SET_TIMERSLACK, 1);
    while (tally.done < streams.size() * options.rounds) {
        // To be woken by each of the server's writes would cost both sides more than the reading.
        ::usleep(kNap);
        const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 30'000);
        if (count == 0) {
            die("nothing has come for 30 s");
        }
        for (int i = 0; i < count; ++i) {
            auto& stream = *static_cast<Stream*>(events[static_cast<size_t>(i)].data.ptr);
            stream.receive(buffer);
            size_t& round = rounds[static_cast<size_t>(&stream - streams.data())];
            if (stream.done() && round < options.rounds) {
                ++round;
                stream.send();
            }
        }
    }
    const double seconds = static_cast<double>(tally.last_us - tally.begin_us) * 1e-6;
    const auto total = static_cast<double>(tally.tokens);
    std::string cpu;
    for (size_t i = 0; i < options.pids.size(); ++i) {
        std::array<char, 48> text{};
        std::snprintf(text.data(), text.size(), "%s%.2f", i == 0 ? "" : ",",
                      (cpu_seconds(options.pids[i]) - before[i]) * 1e6 / total);
        cpu += text.data();
    }
    std::printf(
        "{\"streams\":%zu,\"tokens\":%llu,\"seconds\":%.3f,\"tokens_per_second\":%.0f,\"chunks\":%llu,\"reads\":%llu,"
        "\"bytes_per_token\":%.1f,\"cpu_us_per_token\":[%s],\"own_cpu_us_per_token\":%.2f,\"first_ms\":%s,\"gap_ms\":%"
        "s,"
        "\"added_ms\":%s}\n",
        options.streams, static_cast<unsigned long long>(tally.tokens), seconds, total / seconds,
        static_cast<unsigned long long>(tally.chunks), static_cast<unsigned long long>(tally.reads),
        static_cast<double>(tally.bytes) / total, cpu.c_str(), own_cpu_seconds() * 1e6 / total,
        tally.first.json().c_str(), tally.gap.json().c_str(),
        options.stamp_us > 0 ? tally.added.json().c_str() : "null");
    for (Stream& stream : streams) {
        stream.close();
    }
}
