#pragma once

/// A child process with pipes, for io threads with coroutines.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace gantry::fleet {

/// How a process ended.
struct ExitStatus {
    int code = 0;  ///< where signal is 0
    int signal = 0;
    /// "exit code 3", "signal 9 (Killed)".
    std::string text() const;
};

/// A pipe between us and the child; our end is non-blocking and closes on exec.
enum class PipeDirection { kToChild, kFromChild };
struct PipeSpec {
    int child_fd;
    PipeDirection direction;
};

/// One running child. It gets a process group of its own (a terminal's Ctrl-C is ours to handle), default signals, the
/// pipes that were asked for, /dev/null for other standard streams, and no other descriptor. Used on the io thread.
class ChildProcess {
  public:
    /// `arguments` with the program's path first.
    static Result<std::unique_ptr<ChildProcess>> start(boost::asio::any_io_executor executor,
                                                       const std::vector<std::string>& arguments,
                                                       const std::vector<PipeSpec>& pipes);
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    /// Kills and reaps it, if it still runs.
    ~ChildProcess();

    int pid() const { return pid_; }
    /// Our end of pipes[index].
    boost::asio::posix::stream_descriptor& pipe(size_t index) { return pipes_.at(index); }

    /// Sends a signal; nothing happens after the end.
    void kill(int signal);

    /// Waits for the end and reaps. nullopt after `timeout`. One waiter at a time.
    boost::asio::awaitable<std::optional<ExitStatus>> wait(
        std::optional<std::chrono::milliseconds> timeout = std::nullopt);

  private:
    ChildProcess(boost::asio::any_io_executor executor, int pid, int pid_fd);
    std::optional<ExitStatus> reap(bool block);

    int pid_;
    boost::asio::posix::stream_descriptor pid_fd_;
    std::vector<boost::asio::posix::stream_descriptor> pipes_;
    std::optional<ExitStatus> ended_;
};

/// Writes all; kUnavailable when the reader is gone.
boost::asio::awaitable<Status> write_all(boost::asio::posix::stream_descriptor& fd, std::string text);

/// Reads lines until the end of `fd`. A line longer than 4 MiB is cut there.
class PipeLines {
  public:
    explicit PipeLines(boost::asio::posix::stream_descriptor& fd) : fd_(fd) {}
    /// The next line without its end; nullopt at the end.
    boost::asio::awaitable<std::optional<std::string>> next();

  private:
    boost::asio::posix::stream_descriptor& fd_;
    std::string buffer_;
    bool ended_ = false;
};

}  // namespace gantry::fleet
