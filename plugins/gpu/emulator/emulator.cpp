#include "plugins/gpu/emulator/emulator.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

namespace gantry::gpu::emulator {
namespace {

constexpr size_t kMostLanes = 64;

bool unordered(const Inspector::Place& a, const Inspector::Place& b) {
    if (a.block != b.block) return true;
    return a.thread != b.thread && a.epoch == b.epoch;
}

std::string describe(const Inspector::Place& place) {
    return "block " + std::to_string(place.block) + " thread " + std::to_string(place.thread);
}

}  // namespace

void Inspector::fault(std::string what) {
    if (fault_.empty()) fault_ = std::move(what);
}

void Inspector::note(Map& map, uintptr_t first, size_t count, bool writes, const Place& place, const char* memory) {
    for (size_t i = 0; i < count; ++i) {
        Shadow& seen = map[first + i];
        const auto check = [&](const Access& other) {
            if (!other.any || !unordered(other.place, place)) return;
            fault(std::string("race in ") + memory + " memory between " + describe(other.place) + " and " +
                  describe(place));
        };
        check(seen.write);
        if (!writes) {
            // Of two different readers at least one conflicts with any writer. Readers of an earlier epoch conflict
            // with other blocks only, for which a later reader of the same block stands as well.
            if (!seen.read.any || (seen.read.place.block == place.block && seen.read.place.epoch != place.epoch)) {
                seen.read = {place, true};
            } else if (seen.read.place.thread != place.thread || seen.read.place.block != place.block) {
                seen.other_read = {place, true};
            }
            continue;
        }
        check(seen.read);
        check(seen.other_read);
        seen.write = {place, true};
    }
}

bool Thread::inside(uint64_t size, uint64_t at, size_t bytes) {
    if (at <= size && bytes <= size - at) return true;
    inspector_->fault("access to bytes " + std::to_string(at) + " to " + std::to_string(at + bytes) +
                      " of a buffer of " + std::to_string(size) + " by " + describe(place_));
    return false;
}

void Thread::barrier() { owner_->park(place_.thread, Block::Wait::kBlock); }

float Thread::warp_sum(float value) {
    // A butterfly, as on the hardware: all lanes get the same bits.
    const float* values = owner_->exchange(place_.thread, value);
    std::array<float, kMostLanes> sums{};
    std::copy_n(values, warp_size_, sums.begin());
    for (uint32_t distance = warp_size_ / 2; distance != 0; distance /= 2) {
        for (uint32_t i = 0; i < distance; ++i) sums[i] += sums[i + distance];
    }
    return sums.front();
}

float Thread::warp_max(float value) {
    const float* values = owner_->exchange(place_.thread, value);
    return *std::max_element(values, values + warp_size_);
}

float Thread::shared_load(uint32_t i) {
    if (!inside(owner_->shared_.size(), i, 1)) return 0;
    inspector_->shared(i, false, place_);
    return owner_->shared_[i];
}

void Thread::shared_store(uint32_t i, float value) {
    if (!inside(owner_->shared_.size(), i, 1)) return;
    inspector_->shared(i, true, place_);
    owner_->shared_[i] = value;
}

Block::Block(const Grid& grid, uint32_t warp_size, Inspector& inspector, Stacks& stacks)
    : grid_(grid),
      warp_size_(warp_size),
      inspector_(inspector),
      stacks_(stacks),
      threads_(grid.threads),
      shared_(grid.shared_floats),
      exchanged_(size_t{2} * ((grid.threads + warp_size - 1) / warp_size) * warp_size) {}

void Block::place(uint32_t x, uint32_t y) {
    inspector_.begin_block();
    for (uint32_t i = 0; i < threads_.size(); ++i) {
        Thread& t = threads_[i];
        t.inspector_ = &inspector_;
        t.owner_ = this;
        t.place_ = {y * grid_.x + x, i, 0};
        t.block_x_ = x;
        t.block_y_ = y;
        t.count_ = grid_.threads;
        t.warp_size_ = warp_size_;
    }
}

uint32_t Block::lanes(uint32_t thread) const {
    const uint32_t first = thread / warp_size_ * warp_size_;
    return std::min(warp_size_, grid_.threads - first);
}

void Block::park(uint32_t thread, Wait wait) {
    if (abandoned_) return;
    Fiber& fiber = fibers_[thread];
    fiber.wait = wait;
    fiber.back = std::move(fiber.back).resume();
}

const float* Block::exchange(uint32_t thread, float value) {
    // Two sets in turn: who reads one cannot be overtaken by who writes the next but one.
    const size_t set = fibers_[thread].exchanges++ % 2 * (exchanged_.size() / 2);
    float* warp = exchanged_.data() + set + thread / warp_size_ * warp_size_;
    warp[thread % warp_size_] = value;
    park(thread, Wait::kWarp);
    return warp;
}

void Block::resume(uint32_t thread) {
    Fiber& fiber = fibers_[thread];
    fiber.wait = Wait::kNone;
    fiber.self = std::move(fiber.self).resume();
    if (!fiber.self) fiber.wait = Wait::kDone;
}

bool Block::release_warps() {
    bool released = false;
    for (uint32_t first = 0; first < fibers_.size(); first += warp_size_) {
        const auto begin = fibers_.begin() + first;
        const auto end = begin + lanes(first);
        if (!std::all_of(begin, end, [](const Fiber& f) { return f.wait == Wait::kWarp; })) continue;
        for (auto f = begin; f != end; ++f) f->wait = Wait::kNone;
        released = true;
    }
    return released;
}

bool Block::release_block() {
    if (!std::all_of(fibers_.begin(), fibers_.end(), [](const Fiber& f) { return f.wait == Wait::kBlock; })) {
        return false;
    }
    for (Thread& thread : threads_) ++thread.place_.epoch;
    for (Fiber& fiber : fibers_) fiber.wait = Wait::kNone;
    return true;
}

void Block::run(const std::function<void(Thread&)>& kernel, uint32_t x, uint32_t y) {
    place(x, y);
    // What a GPU's shared memory and idle lanes hold is anything; NaN shows who relies on it.
    std::fill(shared_.begin(), shared_.end(), std::numeric_limits<float>::quiet_NaN());
    std::fill(exchanged_.begin(), exchanged_.end(), 0.0F);
    fibers_ = std::vector<Fiber>(threads_.size());
    for (uint32_t i = 0; i < threads_.size(); ++i) {
        fibers_[i].self = boost::context::fiber(std::allocator_arg, stacks_, [&, i](boost::context::fiber&& back) {
            fibers_[i].back = std::move(back);
            kernel(threads_[i]);
            return std::move(fibers_[i].back);
        });
    }
    for (;;) {
        for (uint32_t i = 0; i < fibers_.size(); ++i) {
            if (fibers_[i].wait == Wait::kNone) resume(i);
        }
        if (std::all_of(fibers_.begin(), fibers_.end(), [](const Fiber& f) { return f.wait == Wait::kDone; })) return;
        if (release_warps() || release_block()) continue;
        inspector_.fault("divergent barrier in block " + std::to_string(y * grid_.x + x) +
                         ": some of its threads wait where the others never come");
        abandoned_ = true;
        for (Fiber& fiber : fibers_) {
            if (fiber.wait != Wait::kDone) fiber.wait = Wait::kNone;
        }
    }
}

void throw_fault(const Inspector& inspector) {
    if (!inspector.found().empty()) throw std::runtime_error("emulated kernel: " + inspector.found());
}

}  // namespace gantry::gpu::emulator
