#pragma once

/// Kernels on the CPU, checked: every access against its buffer's bounds, and with Checks::kRaces every pair of
/// accesses to a byte of shared or global memory that no barrier orders; barriers that only some threads of a block
/// reach. A cooperative kernel's threads are fibers, the others a plain loop.

#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugins/gpu/portable.hpp"

namespace gantry::gpu::emulator {

enum class Checks {
    kBounds,  ///< buffers' bounds and divergent barriers
    kRaces    ///< those and races; slow
};

/// One launch's checks. The first fault is kept; execution goes on with zeros for what must not be read.
class Inspector {
  public:
    explicit Inspector(Checks checks) : races_(checks == Checks::kRaces) {}
    struct Place {
        uint32_t block = 0;   ///< in the grid
        uint32_t thread = 0;  ///< in the block
        uint32_t epoch = 0;   ///< barriers that the block has passed
    };
    void begin_block() { shared_.clear(); }
    void fault(std::string what);
    void global(const void* at, size_t bytes, bool writes, const Place& place) {
        if (races_) note(global_, reinterpret_cast<uintptr_t>(at), bytes, writes, place, "global");
    }
    void shared(uint32_t i, bool writes, const Place& place) {
        if (races_) note(shared_, i, 1, writes, place, "shared");
    }
    const std::string& found() const { return fault_; }

  private:
    struct Access {
        Place place;
        bool any = false;
    };
    struct Shadow {
        Access read, other_read, write;
    };
    using Map = std::unordered_map<uintptr_t, Shadow>;
    void note(Map& map, uintptr_t first, size_t count, bool writes, const Place& place, const char* memory);

    bool races_;
    Map global_, shared_;
    std::string fault_;
};

/// Memory for fibers, kept from launch to launch.
using Stacks = boost::context::pooled_fixedsize_stack;
inline constexpr size_t kStackBytes = size_t{32} << 10;

class Block;

/// One emulated thread; what kernels call `t`.
class Thread {
  public:
    uint32_t block_x() const { return block_x_; }
    uint32_t block_y() const { return block_y_; }
    uint32_t index() const { return place_.thread; }
    uint32_t count() const { return count_; }
    uint32_t warp_size() const { return warp_size_; }

    void barrier();
    float warp_sum(float value);
    float warp_max(float value);
    float shared_load(uint32_t i);
    void shared_store(uint32_t i, float value);
    void load(const void* data, uint64_t size, uint64_t at, void* to, size_t bytes) {
        if (!inside(size, at, bytes)) {
            std::memset(to, 0, bytes);
            return;
        }
        const auto* from = static_cast<const std::byte*>(data) + at;
        inspector_->global(from, bytes, false, place_);
        std::memcpy(to, from, bytes);
    }
    void store(void* data, uint64_t size, uint64_t at, const void* from, size_t bytes) {
        if (!inside(size, at, bytes)) return;
        auto* to = static_cast<std::byte*>(data) + at;
        inspector_->global(to, bytes, true, place_);
        std::memcpy(to, from, bytes);
    }

  private:
    friend class Block;
    bool inside(uint64_t size, uint64_t at, size_t bytes);

    Inspector* inspector_ = nullptr;
    Block* owner_ = nullptr;  // of cooperative kernels
    Inspector::Place place_;
    uint32_t block_x_ = 0, block_y_ = 0, count_ = 1, warp_size_ = 32;
};

/// Runs one block after the other.
class Block {
  public:
    Block(const Grid& grid, uint32_t warp_size, Inspector& inspector, Stacks& stacks);
    /// A kernel without barriers.
    template <class K>
    void run_plain(const K& kernel, uint32_t x, uint32_t y) {
        place(x, y);
        for (Thread& thread : threads_) kernel(thread);
    }
    /// With fibers.
    void run(const std::function<void(Thread&)>& kernel, uint32_t x, uint32_t y);

  private:
    friend class Thread;
    enum class Wait { kNone, kWarp, kBlock, kDone };
    struct Fiber {
        boost::context::fiber self, back;
        Wait wait = Wait::kNone;
        uint32_t exchanges = 0;
    };

    void place(uint32_t x, uint32_t y);
    void park(uint32_t thread, Wait wait);
    void resume(uint32_t thread);
    bool release_warps();
    bool release_block();
    /// Parks until all lanes brought a value; then those lie from the returned pointer on, one a lane.
    const float* exchange(uint32_t thread, float value);
    uint32_t lanes(uint32_t thread) const;

    Grid grid_;
    uint32_t warp_size_;
    Inspector& inspector_;
    Stacks& stacks_;
    std::vector<Thread> threads_;
    std::vector<Fiber> fibers_;
    std::vector<float> shared_, exchanged_;
    bool abandoned_ = false;  // after a divergent barrier: nobody waits any more
};

/// Runs a kernel on the whole grid; throws std::runtime_error with the first fault.
void throw_fault(const Inspector& inspector);
template <class K>
void launch(const K& kernel, const Grid& grid, uint32_t warp_size, Checks checks, Stacks& stacks) {
    Inspector inspector(checks);
    Block block(grid, warp_size, inspector, stacks);
    for (uint32_t y = 0; y < grid.y; ++y) {
        for (uint32_t x = 0; x < grid.x; ++x) {
            if constexpr (K::kCooperative) {
                block.run([&](Thread& t) { kernel(t); }, x, y);
            } else {
                block.run_plain(kernel, x, y);
            }
        }
    }
    throw_fault(inspector);
}

}  // namespace gantry::gpu::emulator
