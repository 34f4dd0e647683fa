#include "runtime/plugins/host_table.hpp"

#include <gantry/abi.h>
#include <malloc.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "runtime/plugins/abi_convert.hpp"

namespace gantry::plugins {
namespace {

/// A plugin may name its metrics freely; this many is a leak of names, not a set of metrics.
constexpr size_t kMaxMetrics = 1000;

log::Level log_level(int32_t level) {
    switch (level) {
        case GANTRY_LOG_TRACE:
            return log::Level::kTrace;
        case GANTRY_LOG_DEBUG:
            return log::Level::kDebug;
        case GANTRY_LOG_WARN:
            return log::Level::kWarn;
        case GANTRY_LOG_ERROR:
            return log::Level::kError;
        default:
            return log::Level::kInfo;
    }
}

/// No exception may cross into the plugin; a line of log or a metric that is lost for want of memory harms nobody.
template <class F>
void quietly(F&& f) noexcept {
    try {
        std::forward<F>(f)();
    } catch (...) {
    }
}

}  // namespace

HostTable::HostTable(std::string plugin_id, uint32_t thread_count)
    : plugin_id_(std::move(plugin_id)),
      host_{GANTRY_SIZE(gantry_host_t, get_extension),
            GANTRY_ABI_VERSION,
            this,
            to_abi("gantry"),
            to_abi("0.1.0"),
            &HostTable::log,
            &HostTable::get_extension},
      threads_{GANTRY_SIZE(gantry_host_threads_t, numa_node), std::max(thread_count, 1U), nullptr, 0, -1},
      metrics_table_{GANTRY_SIZE(gantry_host_metrics_t, gauge_set), 0, &HostTable::counter_add, &HostTable::gauge_set},
      scratch_table_{GANTRY_SIZE(gantry_host_scratch_t, release), 0, &HostTable::allocate, &HostTable::release} {}

std::map<std::string, double> HostTable::metrics() const {
    const std::lock_guard lock(mutex_);
    return {values_.begin(), values_.end()};
}

void HostTable::log(const gantry_host_t* host, int32_t level, gantry_str_t message) {
    quietly([&] { gantry::log::emit(log_level(level), "[{}] {}", self(host).plugin_id_, from_abi(message)); });
}

const void* HostTable::get_extension(const gantry_host_t* host, const char* id) {
    HostTable& table = self(host);
    const std::pair<std::string_view, const void*> extensions[] = {
        {GANTRY_HOST_THREADS, &table.threads_},
        {GANTRY_HOST_METRICS, &table.metrics_table_},
        {GANTRY_HOST_SCRATCH, &table.scratch_table_},
    };
    for (const auto& [name, extension] : extensions) {
        if (id != nullptr && name == id) {
            return extension;
        }
    }
    return nullptr;
}

void HostTable::counter_add(const gantry_host_t* host, gantry_str_t name, double delta) {
    quietly([&] {
        HostTable& table = self(host);
        const std::lock_guard lock(table.mutex_);
        if (table.values_.size() < kMaxMetrics) {
            table.values_[std::string(from_abi(name))] += delta;
        }
    });
}

void HostTable::gauge_set(const gantry_host_t* host, gantry_str_t name, double value) {
    quietly([&] {
        HostTable& table = self(host);
        const std::lock_guard lock(table.mutex_);
        if (table.values_.size() < kMaxMetrics) {
            table.values_[std::string(from_abi(name))] = value;
        }
    });
}

void* HostTable::allocate(const gantry_host_t* host, uint64_t size, uint64_t alignment) {
    if (size == 0 || !std::has_single_bit(alignment)) {
        return nullptr;
    }
    void* memory = nullptr;
    if (::posix_memalign(&memory, std::max<size_t>(alignment, sizeof(void*)), size) != 0) {
        return nullptr;
    }
    self(host).scratch_bytes_ += ::malloc_usable_size(memory);
    return memory;
}

void HostTable::release(const gantry_host_t* host, void* memory) {
    if (memory != nullptr) {
        self(host).scratch_bytes_ -= ::malloc_usable_size(memory);
        std::free(memory);
    }
}

}  // namespace gantry::plugins
