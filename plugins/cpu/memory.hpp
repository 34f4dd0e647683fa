#pragma once

/// Zero-filled, page-aligned memory, on huge pages where the system gives them: packed weights are read from end to
/// end for every token, and the TLB would otherwise be a part of the bill.

#include <cstddef>
#include <cstdint>
#include <utility>

namespace gantry::cpu {

class Pages {
  public:
    Pages() = default;
    /// Throws std::bad_alloc.
    explicit Pages(size_t bytes);
    ~Pages();
    Pages(Pages&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Pages& operator=(Pages&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }

    std::byte* data() { return data_; }
    const std::byte* data() const { return data_; }
    template <class T>
    T* as() {
        return reinterpret_cast<T*>(data_);
    }
    template <class T>
    const T* as() const {
        return reinterpret_cast<const T*>(data_);
    }
    size_t size() const { return size_; }

  private:
    std::byte* data_ = nullptr;
    size_t size_ = 0;
};

/// Total and available memory for this process: the machine's, or its control group's where that is less.
struct HostMemory {
    uint64_t total = 0;
    uint64_t available = 0;
};
HostMemory host_memory();

}  // namespace gantry::cpu
