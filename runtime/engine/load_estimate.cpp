#include "runtime/engine/load_estimate.hpp"

#include <cmath>

namespace gantry::engine {
namespace {
constexpr double kHalfLife = 30;  // seconds
}

void LoadEstimate::add(const Step& step) {
    const double keep = std::exp2(-step.seconds / kHalfLife);
    if (step.prefill) {
        prefill_seconds_ = prefill_seconds_ * keep + step.seconds;
        prefill_tokens_ = prefill_tokens_ * keep + step.tokens;
    }
    if (backlog_) {  // what is admitted before a queue has formed says nothing about how fast one moves
        backlog_seconds_ = backlog_seconds_ * keep + step.seconds;
        admissions_ = admissions_ * keep + step.admitted;
    }
    backlog_ = step.backlog;
}

std::optional<double> LoadEstimate::seconds_per_admission() const {
    return admissions_ >= 1 ? std::optional(backlog_seconds_ / admissions_) : std::nullopt;
}

std::optional<double> LoadEstimate::first_token_seconds(size_t ahead, size_t prompt_tokens) const {
    const auto each = seconds_per_admission();
    if ((ahead > 0 && !each) || prefill_tokens_ < 1) {
        return std::nullopt;
    }
    const double queue = ahead > 0 ? static_cast<double>(ahead) * *each : 0;
    return queue + static_cast<double>(prompt_tokens) * prefill_seconds_ / prefill_tokens_;
}

}  // namespace gantry::engine
