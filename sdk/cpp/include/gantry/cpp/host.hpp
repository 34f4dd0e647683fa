#pragma once

/// The host as a plugin sees it: logging and extensions, all of which may be missing.

#include <gantry/host.h>
#include <gantry/cpp/error.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <thread>

namespace gantry::sdk {

/// Borrows the host's table, which lives until the backend's destroy has returned; null is allowed and answers nothing.
/// [any]
class Host {
  public:
    explicit Host(const gantry_host_t* host = nullptr) : abi_(host) {}

    /// level: GANTRY_LOG_*.
    void log(int32_t level, std::string_view message) const {
        if (abi_ != nullptr && GANTRY_HAS(abi_, gantry_host_t, log)) abi_->log(abi_, level, to_abi(message));
    }

    /// The table of an extension, or null: extension<gantry_host_threads_t>(GANTRY_HOST_THREADS).
    template <class Table>
    const Table* extension(const char* id) const {
        if (abi_ == nullptr || !GANTRY_HAS(abi_, gantry_host_t, get_extension)) return nullptr;
        return static_cast<const Table*>(abi_->get_extension(abi_, id));
    }

    /// Busy threads that the plugin may have: the host's budget, or the machine's processors where it names none.
    uint32_t thread_budget() const {
        const auto* threads = extension<gantry_host_threads_t>(GANTRY_HOST_THREADS);
        if (threads != nullptr && GANTRY_COVERS(threads, gantry_host_threads_t, thread_count)) {
            return std::max(1U, threads->thread_count);
        }
        return std::max(1U, std::thread::hardware_concurrency());
    }

    const gantry_host_t* abi() const { return abi_; }

  private:
    const gantry_host_t* abi_;
};

}  // namespace gantry::sdk
