#include "runtime/runner/lifeline.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

namespace gantry::runner {
namespace {

constexpr int kExitOrphaned = 3;
constexpr size_t kMaxLine = 1 << 20;

}  // namespace

void die_with_parent() { ::prctl(PR_SET_PDEATHSIG, SIGKILL); }

Status check_parent(int pid) {
    if (pid != 0 && ::getppid() != pid) {
        return Error{Code::kFailedPrecondition, "the process that started this runner is gone"};
    }
    return ok();
}

Result<std::string> read_line(int fd) {
    std::string line;
    while (line.size() < kMaxLine) {
        char c = 0;
        const ssize_t n = ::read(fd, &c, 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return Error{Code::kDataLoss, "the runner's specification ends before its line end"};
        }
        if (c == '\n') {
            return line;
        }
        line += c;
    }
    return Error{Code::kTooLarge, "the runner's specification is longer than 1 MiB"};
}

void watch_lifeline(int fd) {
    // Detached: it sits in read() until the process ends, one way or the other.
    std::thread([fd] {
        std::array<char, 64> ignored{};
        while (true) {
            const ssize_t n = ::read(fd, ignored.data(), ignored.size());
            if (n == 0 || (n < 0 && errno != EINTR)) {
                ::_exit(kExitOrphaned);
            }
        }
    }).detach();
}

}  // namespace gantry::runner
