#pragma once

/// What a kernel is written with. A kernel is a struct of parameters with
///     template <class Thread> GANTRY_GPU void operator()(Thread& t) const
/// and knows the machine only through `t`: DeviceThread where nvcc or hipcc compiles it, emulator::Thread in plain C++.
/// A Thread has block_x(), block_y(), index() (in the block), count() (threads a block), warp_size(), barrier(),
/// warp_sum(v), warp_max(v) (all lanes take part and get the result), shared_load(i), shared_store(i, v) (floats of
/// dynamic shared memory) and load/store of global memory, which the emulator checks.

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__) || defined(__HIPCC__)
#define GANTRY_GPU __host__ __device__
#else
#define GANTRY_GPU
#endif

namespace gantry::gpu {

/// Device memory that a kernel was given: `size` elements. Borrowed.
template <class T>
struct Global {
    T* data = nullptr;
    uint64_t size = 0;

    template <class Thread>
    GANTRY_GPU T get(Thread& t, uint64_t i) const {
        T value;
        t.load(data, size * sizeof(T), i * sizeof(T), &value, sizeof(T));
        return value;
    }
    template <class Thread>
    GANTRY_GPU void set(Thread& t, uint64_t i, T value) const {
        t.store(data, size * sizeof(T), i * sizeof(T), &value, sizeof(T));
    }
};

using Bytes = Global<uint8_t>;

/// A value at a byte offset that is a multiple of its size.
template <class T, class Thread>
GANTRY_GPU T load_as(Thread& t, Bytes from, uint64_t offset) {
    T value;
    t.load(from.data, from.size, offset, &value, sizeof(T));
    return value;
}
template <class T, class Thread>
GANTRY_GPU void store_as(Thread& t, Bytes to, uint64_t offset, T value) {
    t.store(to.data, to.size, offset, &value, sizeof(T));
}

template <class To, class From>
GANTRY_GPU inline To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

/// Blocks and threads of a launch, and its dynamic shared memory in floats.
struct Grid {
    uint32_t x = 1;
    uint32_t y = 1;
    uint32_t threads = 1;
    uint32_t shared_floats = 0;
};

}  // namespace gantry::gpu
