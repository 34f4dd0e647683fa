#include "plugins/cpu/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <new>
#include <optional>
#include <string>

namespace gantry::cpu {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

/// The number after "key:" in /proc/meminfo, in bytes.
std::optional<uint64_t> meminfo(const std::string& key) {
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(key + ":", 0) == 0) return std::stoull(line.substr(key.size() + 1)) * 1024;
    }
    return std::nullopt;
}

std::optional<uint64_t> read_number(const std::string& path) {
    std::ifstream file(path);
    uint64_t value = 0;
    if (file >> value) return value;  // "max" is no number: no limit
    return std::nullopt;
}

/// The process's own control group, version 2, or "".
std::string own_group() {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("0::", 0) == 0) return line.substr(3);
    }
    return {};
}

}  // namespace

Pages::Pages(size_t bytes) : size_(bytes) {
    if (bytes == 0) return;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    if (bytes >= kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
    data_ = static_cast<std::byte*>(memory);
}

Pages::~Pages() {
    if (data_ != nullptr) munmap(data_, size_);
}

HostMemory host_memory() {
    HostMemory m{meminfo("MemTotal").value_or(0), meminfo("MemAvailable").value_or(0)};
    // Every group above this process can have a limit.
    std::string group = own_group();
    while (true) {
        const std::string folder = "/sys/fs/cgroup" + (group == "/" ? std::string() : group);
        if (const auto limit = read_number(folder + "/memory.max")) {
            const uint64_t used = read_number(folder + "/memory.current").value_or(0);
            m.total = std::min(m.total, *limit);
            m.available = std::min(m.available, *limit > used ? *limit - used : 0);
        }
        if (group.empty() || group == "/") break;
        group.resize(group.rfind('/'));
    }
    return m;
}

}  // namespace gantry::cpu
