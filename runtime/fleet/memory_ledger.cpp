#include "runtime/fleet/memory_ledger.hpp"

#include "runtime/plugins/memory_plan.hpp"

namespace gantry::fleet {

using plugins::bytes_text;

uint64_t MemoryLedger::reserved() const {
    uint64_t sum = 0;
    for (const auto& [uid, bytes] : held_) {
        sum += bytes;
    }
    return sum;
}

uint64_t MemoryLedger::free() const {
    const uint64_t taken = reserved();
    return taken < total_ ? total_ - taken : 0;
}

Status MemoryLedger::reserve(const std::string& uid, uint64_t bytes) {
    release(uid);
    if (bytes > free()) {
        return Error{Code::kOutOfMemory,
                     "'" + uid + "' needs " + bytes_text(bytes) + ", but of the memory for models (" + text() +
                         ") only " + bytes_text(free()) + " are free",
                     "stop another model, or choose a smaller one"};
    }
    held_[uid] = bytes;
    return ok();
}

std::string MemoryLedger::text() const {
    std::string out = bytes_text(total_) + " in all";
    if (held_.empty()) {
        return out + ", nothing of it reserved";
    }
    out += ", of which " + bytes_text(reserved()) + " are reserved:";
    const char* separator = " ";
    for (const auto& [uid, bytes] : held_) {
        out += separator + ("'" + uid + "' ") + bytes_text(bytes);
        separator = ", ";
    }
    return out;
}

}  // namespace gantry::fleet
