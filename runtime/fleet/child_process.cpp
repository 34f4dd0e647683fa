#include "runtime/fleet/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

extern char** environ;

namespace gantry::fleet {
namespace asio = boost::asio;
using boost::system::error_code;
namespace {

constexpr size_t kMaxLine = size_t{4} << 20;

Error system_error(const std::string& what, int number) {
    return {Code::kInternal, what + ": " + std::strerror(number)};
}

/// A file descriptor that closes itself.
struct Fd {
    Fd() = default;
    explicit Fd(int value) : fd(value) {}
    Fd(Fd&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd, other.fd);
        return *this;
    }
    ~Fd() {
        if (fd >= 0) {
            ::close(fd);
        }
    }
    int release() { return std::exchange(fd, -1); }
    int fd = -1;
};

struct SpawnActions {
    SpawnActions() { ::posix_spawn_file_actions_init(&actions); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions); }
    posix_spawn_file_actions_t actions;
};

struct SpawnAttributes {
    SpawnAttributes() {
        ::posix_spawnattr_init(&attributes);
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setpgroup(&attributes, 0);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    SpawnAttributes(const SpawnAttributes&) = delete;
    SpawnAttributes& operator=(const SpawnAttributes&) = delete;
    ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes); }
    posix_spawnattr_t attributes;
};

struct PipeEnds {
    Fd ours, theirs;
};

Result<std::vector<PipeEnds>> make_pipes(const std::vector<PipeSpec>& specs, int lowest) {
    std::vector<PipeEnds> out;
    for (const PipeSpec& spec : specs) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            return system_error("cannot make a pipe", errno);
        }
        Fd read_end(ends[0]), write_end(ends[1]);
        PipeEnds pipe;
        pipe.ours = std::move(spec.direction == PipeDirection::kFromChild ? read_end : write_end);
        // Above every number that the child gets, so that no dup2 overwrites what a later one needs.
        const int moved =
            ::fcntl(spec.direction == PipeDirection::kFromChild ? write_end.fd : read_end.fd, F_DUPFD_CLOEXEC, lowest);
        if (moved < 0) {
            return system_error("cannot make a pipe", errno);
        }
        pipe.theirs = Fd(moved);
        out.push_back(std::move(pipe));
    }
    return out;
}

}  // namespace

std::string ExitStatus::text() const {
    return signal != 0 ? "signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")"
                       : "exit code " + std::to_string(code);
}

ChildProcess::ChildProcess(asio::any_io_executor executor, int pid, int pid_fd)
    : pid_(pid), pid_fd_(std::move(executor), pid_fd) {}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(asio::any_io_executor executor,
                                                          const std::vector<std::string>& arguments,
                                                          const std::vector<PipeSpec>& pipes) {
    int lowest = STDERR_FILENO + 1;
    for (const PipeSpec& spec : pipes) {
        lowest = std::max(lowest, spec.child_fd + 1);
    }
    GANTRY_TRY(std::vector<PipeEnds> ends, make_pipes(pipes, lowest));
    SpawnActions files;
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        const bool asked = std::ranges::any_of(pipes, [&](const PipeSpec& p) { return p.child_fd == standard; });
        if (!asked) {
            ::posix_spawn_file_actions_addopen(&files.actions, standard, "/dev/null", O_RDWR, 0);
        }
    }
    for (size_t i = 0; i < pipes.size(); ++i) {
        ::posix_spawn_file_actions_adddup2(&files.actions, ends[i].theirs.fd, pipes[i].child_fd);
    }
    const auto asked = [&](int fd) {
        return std::ranges::any_of(pipes, [&](const PipeSpec& p) { return p.child_fd == fd; });
    };
    if (asked(STDERR_FILENO) && !asked(STDOUT_FILENO)) {
        // What a library prints (oneDNN's verbose lines, say) belongs into the log.
        ::posix_spawn_file_actions_adddup2(&files.actions, STDERR_FILENO, STDOUT_FILENO);
    }
    ::posix_spawn_file_actions_addclosefrom_np(&files.actions, lowest);
    const SpawnAttributes attributes;
    std::vector<char*> argv;
    for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int failed =
        ::posix_spawn(&pid, arguments.front().c_str(), &files.actions, &attributes.attributes, argv.data(), environ);
    if (failed != 0) {
        return system_error("cannot start " + arguments.front(), failed);
    }
    const auto pid_fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pid_fd < 0) {
        const int number = errno;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return system_error("cannot watch a child process", number);
    }
    std::unique_ptr<ChildProcess> child(new ChildProcess(executor, pid, pid_fd));
    for (PipeEnds& end : ends) {
        child->pipes_.emplace_back(executor, end.ours.release());
    }
    return child;
}

ChildProcess::~ChildProcess() {
    if (!ended_) {
        ::kill(pid_, SIGKILL);
        reap(true);
    }
}

void ChildProcess::kill(int signal) {
    if (!ended_) {
        ::kill(pid_, signal);
    }
}

std::optional<ExitStatus> ChildProcess::reap(bool block) {
    int status = 0;
    pid_t got = 0;
    do {
        got = ::waitpid(pid_, &status, block ? 0 : WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (!ended_ && got == pid_) {
        ended_ = WIFSIGNALED(status) ? ExitStatus{0, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0};
    }
    return ended_;
}

asio::awaitable<std::optional<ExitStatus>> ChildProcess::wait(std::optional<std::chrono::milliseconds> timeout) {
    using namespace asio::experimental::awaitable_operators;
    if (ended_ || reap(false)) {
        co_return ended_;
    }
    error_code readable, timed;
    asio::steady_timer timer(pid_fd_.get_executor(), asio::steady_timer::time_point::max());
    if (timeout) {
        timer.expires_after(*timeout);
    }
    // A pidfd becomes readable when the process has ended.
    co_await (pid_fd_.async_wait(asio::posix::stream_descriptor::wait_read,
                                 asio::redirect_error(asio::use_awaitable, readable)) ||
              timer.async_wait(asio::redirect_error(asio::use_awaitable, timed)));
    co_return reap(false);
}

asio::awaitable<Status> write_all(asio::posix::stream_descriptor& fd, std::string text) {
    error_code ec;
    co_await asio::async_write(fd, asio::buffer(text), asio::redirect_error(asio::use_awaitable, ec));
    if (ec) {
        co_return Error{Code::kUnavailable, "a child process does not read: " + ec.message()};
    }
    co_return ok();
}

asio::awaitable<std::optional<std::string>> PipeLines::next() {
    while (true) {
        const size_t end = buffer_.find('\n');
        if (end != std::string::npos || buffer_.size() > kMaxLine || (ended_ && !buffer_.empty())) {
            std::string line = buffer_.substr(0, end);
            buffer_.erase(0, end == std::string::npos ? end : end + 1);
            co_return line;
        }
        if (ended_) {
            co_return std::nullopt;
        }
        std::array<char, 8192> piece{};
        error_code ec;
        const size_t n =
            co_await fd_.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, ec));
        buffer_.append(piece.data(), n);
        ended_ = static_cast<bool>(ec);
    }
}

}  // namespace gantry::fleet
