/// The emulator finds what it is there to find.

#include "plugins/gpu/emulator/emulator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace gantry::gpu::emulator {
namespace {

using testing::HasSubstr;

/// Every thread brings a value to its neighbour through shared memory.
struct Neighbour {
    static constexpr bool kCooperative = true;
    bool barrier = true;
    Global<float> out;
    void operator()(Thread& t) const {
        t.shared_store(t.index(), static_cast<float>(t.index()));
        if (barrier) t.barrier();
        out.set(t, t.index(), t.shared_load((t.index() + 1) % t.count()));
    }
};

/// Threads of the same block, or of different ones, write the same element.
struct SameElement {
    static constexpr bool kCooperative = false;
    bool per_block = false;
    Global<float> out;
    void operator()(Thread& t) const {
        if (!per_block || t.index() == 0) out.set(t, per_block ? 0 : t.block_x(), 1);
    }
};

struct Divergent {
    static constexpr bool kCooperative = true;
    void operator()(Thread& t) const {
        if (t.index() < 3) t.barrier();
    }
};

struct Sums {
    static constexpr bool kCooperative = true;
    Global<float> out;
    void operator()(Thread& t) const {
        const float sum = t.warp_sum(1) + t.warp_max(static_cast<float>(t.index()));
        out.set(t, t.index(), sum);
    }
};

template <class K>
std::string fault_of(const K& kernel, const Grid& grid, Checks checks = Checks::kRaces, uint32_t warp = 32) {
    Stacks stacks(kStackBytes);
    try {
        launch(kernel, grid, warp, checks, stacks);
    } catch (const std::runtime_error& fault) {
        return fault.what();
    }
    return {};
}

class Emulator : public testing::Test {
  protected:
    std::vector<float> values_ = std::vector<float>(128);
    Global<float> all() { return {values_.data(), values_.size()}; }
};

TEST_F(Emulator, RunsThreadsThatABarrierOrders) {
    EXPECT_EQ(fault_of(Neighbour{true, all()}, {1, 1, 64, 64}), "");
    EXPECT_EQ(values_[0], 1);
    EXPECT_EQ(values_[63], 0);
}

TEST_F(Emulator, FindsARaceInSharedMemory) {
    EXPECT_THAT(fault_of(Neighbour{false, all()}, {1, 1, 64, 64}), HasSubstr("race in shared memory"));
}

TEST_F(Emulator, FindsARaceWithinABlockInGlobalMemory) {
    EXPECT_THAT(fault_of(SameElement{false, all()}, {2, 1, 64, 0}), HasSubstr("race in global memory"));
}

TEST_F(Emulator, FindsARaceBetweenBlocks) {
    EXPECT_THAT(fault_of(SameElement{true, all()}, {2, 1, 64, 0}),
                HasSubstr("race in global memory between block 0 thread 0 and block 1 thread 0"));
}

TEST_F(Emulator, FindsADivergentBarrier) {
    EXPECT_THAT(fault_of(Divergent{}, {1, 1, 64, 0}, Checks::kBounds), HasSubstr("divergent barrier"));
}

TEST_F(Emulator, FindsAnAccessBeyondABuffer) {
    EXPECT_THAT(fault_of(Neighbour{true, {values_.data(), 10}}, {1, 1, 64, 64}, Checks::kBounds),
                HasSubstr("of a buffer of 40"));
}

TEST_F(Emulator, ReducesWithinWarpsOf32And64) {
    EXPECT_EQ(fault_of(Sums{all()}, {1, 1, 128, 0}, Checks::kRaces, 32), "");
    EXPECT_EQ(values_[0], 32 + 31);
    EXPECT_EQ(values_[127], 32 + 127);
    EXPECT_EQ(fault_of(Sums{all()}, {1, 1, 128, 0}, Checks::kRaces, 64), "");
    EXPECT_EQ(values_[0], 64 + 63);
}

}  // namespace
}  // namespace gantry::gpu::emulator
