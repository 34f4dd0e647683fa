#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace gantry::fleet {

/// Who holds how much of the memory for models. One thread.
class MemoryLedger {
  public:
    explicit MemoryLedger(uint64_t total) : total_(total) {}

    uint64_t total() const { return total_; }
    uint64_t reserved() const;
    uint64_t free() const;

    /// kOutOfMemory when it is not free; what `uid` held before is replaced.
    Status reserve(const std::string& uid, uint64_t bytes);
    /// Gives back all that `uid` holds; unknown ones are fine.
    void release(const std::string& uid) { held_.erase(uid); }

    /// For refusals: "4.0 GiB in all, of which 3.0 GiB are reserved: 'a' 2.0 GiB, 'b' 1.0 GiB".
    std::string text() const;

  private:
    uint64_t total_;
    std::map<std::string, uint64_t> held_;
};

}  // namespace gantry::fleet
