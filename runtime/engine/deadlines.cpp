#include "runtime/engine/deadlines.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/retry.hpp"

namespace gantry::engine {

void Deadlines::remove(uint64_t arrival, TimePoint deadline) {
    for (auto [it, end] = by_time_.equal_range(deadline); it != end; ++it) {
        if (it->second == arrival) {
            by_time_.erase(it);
            return;
        }
    }
}

std::vector<uint64_t> Deadlines::expired(TimePoint now) {
    std::vector<uint64_t> out;
    const auto end = by_time_.upper_bound(now);
    for (auto it = by_time_.begin(); it != end; ++it) {
        out.push_back(it->second);
    }
    by_time_.erase(by_time_.begin(), end);
    return out;
}

std::optional<Error> hopeless(Duration left, const LoadEstimate& load, size_t ahead, size_t prompt_tokens) {
    const auto needed = load.first_token_seconds(ahead, prompt_tokens);
    const double seconds = std::chrono::duration<double>(left).count();
    if (!needed || *needed <= seconds) {
        return std::nullopt;
    }
    return Error{Code::kDeadlineExceeded,
                 fmt::format("the deadline cannot be met: {} requests are ahead of it and {} prompt tokens have to be "
                             "computed, so that the first token would come after about {:.1f} s, but {:.1f} s are left",
                             ahead, prompt_tokens, *needed, seconds),
                 retry_hint(*needed - seconds) + ", or allow more time"};
}

Error deadline_passed(uint32_t deadline_ms, uint64_t answer_tokens) {
    return {
        Code::kDeadlineExceeded,
        fmt::format("the deadline of {} ms has passed; the answer had {} tokens by then", deadline_ms, answer_tokens),
        "allow more time, or ask for a shorter answer"};
}

}  // namespace gantry::engine
