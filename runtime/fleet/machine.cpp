#include "runtime/fleet/machine.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace gantry::fleet {
namespace fs = std::filesystem;
namespace {

/// The folders of this process's cgroup (version 2), innermost first: each may set a limit.
std::vector<fs::path> cgroup_folders(const fs::path& root) {
    std::ifstream file(root / "proc/self/cgroup");
    std::string line;
    std::vector<fs::path> out;
    while (std::getline(file, line)) {
        if (line.rfind("0::/", 0) == 0) {
            const fs::path top = root / "sys/fs/cgroup";
            for (fs::path inner = line.substr(4);; inner = inner.parent_path()) {
                out.push_back(inner.empty() ? top : top / inner);
                if (inner.empty()) {
                    break;
                }
            }
        }
    }
    out.push_back(root / "sys/fs/cgroup/memory");  // version 1
    return out;
}

uint64_t read_number(const fs::path& path, uint64_t otherwise) {
    std::ifstream file(path);
    uint64_t value = 0;
    return file >> value ? value : otherwise;  // "max" is no number
}

uint64_t physical_memory(const fs::path& root) {
    std::ifstream file(root / "proc/meminfo");
    std::string name, unit;
    uint64_t kib = 0;
    while (file >> name >> kib >> unit) {
        if (name == "MemTotal:") {
            return kib * 1024;
        }
    }
    return 0;
}

uint32_t quota_cores(const fs::path& root) {
    uint32_t cores = UINT32_MAX;
    for (const fs::path& folder : cgroup_folders(root)) {
        std::ifstream file(folder / "cpu.max");
        double quota = 0, period = 0;
        if (file >> quota >> period && period > 0) {
            cores = std::min(cores, static_cast<uint32_t>(std::max(1.0, std::floor(quota / period))));
        }
    }
    return cores;
}

}  // namespace

uint64_t memory_total(const fs::path& root) {
    uint64_t total = physical_memory(root);
    for (const fs::path& folder : cgroup_folders(root)) {
        for (const char* name : {"memory.max", "memory.limit_in_bytes"}) {
            total = std::min(total, read_number(folder / name, total));
        }
    }
    return total;
}

uint64_t memory_for_models(uint64_t total) {
    const uint64_t reserve = std::max(total / 16, uint64_t{256} << 20);
    return total > reserve ? total - reserve : 0;
}

uint32_t usable_cores(const fs::path& root) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    // Two hardware threads of one core share its arithmetic units: a second busy thread there gains nothing.
    std::set<std::pair<uint64_t, uint64_t>> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) {
            const fs::path topology = root / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) / "topology";
            const auto self = static_cast<uint64_t>(cpu);
            cores.emplace(read_number(topology / "physical_package_id", 0), read_number(topology / "core_id", self));
        }
    }
    const auto count = static_cast<uint32_t>(std::max<size_t>(cores.size(), 1));
    return std::min(count, quota_cores(root));
}

}  // namespace gantry::fleet
