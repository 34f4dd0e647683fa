#pragma once

/// The host's side of the contract: what a plugin may ask of us.

#include <gantry/host.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace gantry::plugins {

/// One plugin's host. Its address is what the plugin holds, so it neither moves nor copies. Any thread.
class HostTable {
  public:
    HostTable(std::string plugin_id, uint32_t thread_count);
    HostTable(const HostTable&) = delete;
    HostTable& operator=(const HostTable&) = delete;

    const gantry_host_t* table() const { return &host_; }

    /// Counters and gauges that the plugin has set.
    std::map<std::string, double> metrics() const;
    /// Bytes that the plugin holds through the scratch extension.
    uint64_t scratch_bytes() const { return scratch_bytes_.load(); }

  private:
    static HostTable& self(const gantry_host_t* host) { return *static_cast<HostTable*>(host->ctx); }
    static void log(const gantry_host_t* host, int32_t level, gantry_str_t message);
    static const void* get_extension(const gantry_host_t* host, const char* id);
    static void counter_add(const gantry_host_t* host, gantry_str_t name, double delta);
    static void gauge_set(const gantry_host_t* host, gantry_str_t name, double value);
    static void* allocate(const gantry_host_t* host, uint64_t size, uint64_t alignment);
    static void release(const gantry_host_t* host, void* memory);

    std::string plugin_id_;
    gantry_host_t host_;
    gantry_host_threads_t threads_;
    gantry_host_metrics_t metrics_table_;
    gantry_host_scratch_t scratch_table_;
    mutable std::mutex mutex_;
    std::map<std::string, double, std::less<>> values_;  ///< guarded by mutex_
    std::atomic<uint64_t> scratch_bytes_{0};
};

}  // namespace gantry::plugins
