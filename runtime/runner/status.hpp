#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::runner {

/// Writes the lines that a runner tells its fleet; runner.hpp has their form. Any thread.
class StatusWriter {
  public:
    explicit StatusWriter(int fd) : fd_(fd) {}

    /// Progress within a stage. Reports that say nothing new are left out (the fleet takes every line for a sign of
    /// life), and so are those that follow each other within 50 ms, unless the stage changes.
    void progress(std::string_view stage, uint64_t done, uint64_t total);
    void ready(const boost::json::object& what);
    /// The model has gone to sleep, or has not woken.
    void asleep();
    void error(const Error& error);

  private:
    void write(const boost::json::object& line);

    int fd_;
    std::mutex mutex_;
    std::string stage_;
    uint64_t done_ = 0, total_ = 0;
    std::chrono::steady_clock::time_point last_{};
};

}  // namespace gantry::runner
