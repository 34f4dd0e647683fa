#include "runtime/runner/status.hpp"

#include <unistd.h>

#include <cerrno>

#include "runtime/plugins/json.hpp"

namespace gantry::runner {
namespace json = boost::json;

void StatusWriter::progress(std::string_view stage, uint64_t done, uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    const bool same_stage = stage == stage_;
    if (same_stage && ((done == done_ && total == total_) || now - last_ < std::chrono::milliseconds(50))) {
        return;
    }
    stage_ = stage;
    done_ = done;
    total_ = total;
    last_ = now;
    write({{"stage", stage}, {"done", done}, {"total", total}});
}

void StatusWriter::ready(const json::object& what) {
    const std::lock_guard lock(mutex_);
    write({{"ready", what}});
}

void StatusWriter::asleep() {
    const std::lock_guard lock(mutex_);
    stage_.clear();
    write({{"asleep", true}});
}

void StatusWriter::error(const Error& error) {
    const std::lock_guard lock(mutex_);
    write({{"error", plugins::error_to_json(error)}});
}

void StatusWriter::write(const json::object& line) {
    const std::string text = json::serialize(line) + '\n';
    std::string_view left = text;
    while (!left.empty()) {
        const ssize_t n = ::write(fd_, left.data(), left.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;  // nobody listens any more; the lifeline deals with that
        }
        left.remove_prefix(static_cast<size_t>(n));
    }
}

}  // namespace gantry::runner
