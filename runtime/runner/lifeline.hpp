#pragma once

/// Ties a runner's life to its fleet's, twice over: by the parent-death signal, and by a pipe that ends with the
/// parent.

#include <string>

#include "base/result.hpp"

namespace gantry::runner {

/// Asks the kernel to kill this process when the thread that started it ends.
void die_with_parent();

/// kFailedPrecondition when the parent is not `pid`: it died before die_with_parent. 0 accepts any.
Status check_parent(int pid);

/// Reads up to the first line end, byte by byte, so that nothing after it is taken. kDataLoss when the pipe ends first,
/// kTooLarge past 1 MiB.
Result<std::string> read_line(int fd);

/// Starts a thread that ends this process (exit code 3) at the end of `fd`.
void watch_lifeline(int fd);

}  // namespace gantry::runner
