#pragma once

/// What this machine can do, measured: the limits that a model's speed is up against.

#include <cstdint>
#include <optional>

namespace gantry::cli {

struct MachineLimits {
    double read_bandwidth = 0;              ///< bytes a second out of memory
    std::optional<double> int8_per_second;  ///< multiplications and additions of int8 numbers a second, where known
};

/// Takes about half a second of `threads` threads and 256 MiB of memory.
MachineLimits measure_machine(uint32_t threads);

}  // namespace gantry::cli
