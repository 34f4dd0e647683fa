#pragma once

/// What the device needs of a GPU's runtime; the emulator, CUDA and HIP each implement it in one file. One engine
/// thread calls it; copies and launches run in order. Failures throw gantry::sdk::Error.

#include <gantry/backend.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "plugins/gpu/kernels/attention.hpp"
#include "plugins/gpu/kernels/cooperative.hpp"
#include "plugins/gpu/kernels/rows.hpp"

namespace gantry::gpu {

using Kernel = std::variant<Pointwise, Lookup, AddScaledRows, MeanRows, Rotate, Norm, MatVec, MatMat, StoreKv,
                            Attention<PagedKeys>, Attention<DenseKeys>>;

class Backend {
  public:
    virtual ~Backend() = default;
    virtual void* allocate(size_t bytes) = 0;
    virtual void release(void* memory) noexcept = 0;
    /// Host to device; the source may be reused when it returns.
    virtual void copy_in(void* to, const void* from, size_t bytes) = 0;
    /// Device to host; waits.
    virtual void copy_out(void* to, const void* from, size_t bytes) = 0;
    virtual void copy(void* to, const void* from, size_t bytes) = 0;
    virtual void run(const Kernel& kernel, const Grid& grid) = 0;
    virtual void sync() = 0;
    virtual uint32_t warp_size() const = 0;
    virtual std::string name() const = 0;
};

/// Which GPUs there are; made once a plugin.
class Runtime {
  public:
    virtual ~Runtime() = default;
    virtual std::string_view id() const = 0;
    virtual int32_t score() const = 0;
    /// With the memory that is free now. Names live as long as the runtime.
    virtual const std::vector<gantry_device_t>& devices() = 0;
    /// Empty where there are some.
    virtual std::string_view why_no_devices() const = 0;
    virtual std::unique_ptr<Backend> open(uint32_t device_index) = 0;
};

/// Device memory with an owner; `backend` outlives it.
class Memory {
  public:
    Memory() = default;
    Memory(Backend& backend, size_t bytes) : backend_(&backend), data_(backend.allocate(bytes)), bytes_(bytes) {}
    Memory(Memory&& other) noexcept { *this = std::move(other); }
    Memory& operator=(Memory&& other) noexcept {
        std::swap(backend_, other.backend_);
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Memory() {
        if (data_ != nullptr) backend_->release(data_);
    }
    void* data() const { return data_; }
    size_t bytes() const { return bytes_; }

  private:
    Backend* backend_ = nullptr;
    void* data_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace gantry::gpu
