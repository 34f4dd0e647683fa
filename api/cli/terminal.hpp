#pragma once

/// What goes to a person's terminal: colours and progress only where one is there.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::cli {

/// Whether a stream is a terminal that takes colours (NO_COLOR and TERM=dumb say no).
bool colour_out();
bool colour_err();

std::string bold(std::string_view text);
std::string dim(std::string_view text);

/// "1.2 GiB"
std::string human_bytes(uint64_t bytes);

/// Prints "error: ..." and the hint on standard error; returns the exit code 1.
int fail(const Error& error);

/// Columns, aligned; the first row is the head.
std::string table(const std::vector<std::vector<std::string>>& rows);

/// One line on standard error that redraws itself: "loading  [#####.....]  45 %  0.3/0.7 GiB". Silent when standard
/// error is no terminal or `quiet`.
class ProgressLine {
  public:
    explicit ProgressLine(bool quiet);
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    void update(std::string_view label, uint64_t done, uint64_t total);
    void clear();

  private:
    bool active_;
    bool drawn_ = false;
};

}  // namespace gantry::cli
