#include "runtime/fleet/machine.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>

namespace gantry::fleet {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kGiB = uint64_t{1} << 30;

/// A made-up root with the files that matter.
class FakeRoot : public ::testing::Test {
  protected:
    FakeRoot() {
        std::string name = (fs::temp_directory_path() / "gantry-machine-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
        write("proc/meminfo", "MemTotal:       8388608 kB\nMemFree:        1000 kB\n");
    }
    ~FakeRoot() override {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }
    void write(const std::string& path, const std::string& text) const {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    fs::path root_;
};

TEST_F(FakeRoot, MemoryIsThePhysicalOne) { EXPECT_EQ(memory_total(root_), 8 * kGiB); }

TEST_F(FakeRoot, MemoryIsWhatTheCgroupAllows) {
    write("proc/self/cgroup", "0::/system.slice/gantry.service\n");
    write("sys/fs/cgroup/system.slice/gantry.service/memory.max", "max\n");
    EXPECT_EQ(memory_total(root_), 8 * kGiB);
    write("sys/fs/cgroup/system.slice/memory.max", "2147483648\n");
    EXPECT_EQ(memory_total(root_), 2 * kGiB);
    write("sys/fs/cgroup/system.slice/gantry.service/memory.max", "1073741824\n");
    EXPECT_EQ(memory_total(root_), kGiB);
}

TEST_F(FakeRoot, CoresFollowTheQuota) {
    EXPECT_GE(usable_cores(root_), 1u);
    write("proc/self/cgroup", "0::/box\n");
    write("sys/fs/cgroup/box/cpu.max", "100000 100000\n");
    EXPECT_EQ(usable_cores(root_), 1u);
    write("sys/fs/cgroup/box/cpu.max", "50000 100000\n");
    EXPECT_EQ(usable_cores(root_), 1u);
}

TEST(Machine, IsThere) {
    EXPECT_GT(memory_total(), 0u);
    EXPECT_GE(usable_cores(), 1u);
}

TEST(Machine, LeavesSomethingForTheRest) {
    EXPECT_EQ(memory_for_models(16 * kGiB), 15 * kGiB);
    EXPECT_EQ(memory_for_models(kGiB), kGiB * 3 / 4);
    EXPECT_EQ(memory_for_models(100), 0u);
}

}  // namespace
}  // namespace gantry::fleet
