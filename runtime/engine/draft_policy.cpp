#include "runtime/engine/draft_policy.hpp"

#include <algorithm>
#include <bit>
#include <queue>
#include <utility>

namespace gantry::engine {
namespace {

constexpr double kNewStepWeight = 0.15;
constexpr double kOutlier = 3;  ///< times the mean: somebody else had the machine
constexpr double kNewTokenWeight = 0.12;
constexpr double kUnseenSlope = 0.1;  ///< of the mean cost of a token, beyond what was seen
constexpr double kUnseenBase = 0.3;   ///< of a step's cost is there without tokens; rather low, likewise
constexpr double kHopeless = 0.02;    ///< less hope than this is not worth a row of logits
constexpr double kWorthwhile = 1.02;  ///< gains below this are within the noise of the measurements

}  // namespace

size_t StepCost::bucket(uint32_t tokens) {
    // 1, 2, 3, 4, then four to an octave.
    if (tokens <= 4) {
        return tokens == 0 ? 0 : tokens - 1;
    }
    const auto octave = static_cast<uint32_t>(std::bit_width(tokens - 1)) - 1;  // (2^octave, 2^(octave+1)]
    const uint32_t quarter = ((tokens - 1) >> (octave - 2)) & 3u;
    return std::min<size_t>(size_t{4} + (octave - 2) * size_t{4} + quarter, 47);
}

void StepCost::observe(uint32_t tokens, double seconds) {
    Bucket& b = buckets_[bucket(tokens)];
    if (++b.count == 1) {
        b.tokens = tokens;
        b.seconds = seconds;
        return;
    }
    const double weight = std::max(kNewStepWeight, 1.0 / b.count);
    if (b.count > 3) {
        seconds = std::min(seconds, kOutlier * b.seconds);
    }
    b.tokens += weight * (tokens - b.tokens);
    b.seconds += weight * (seconds - b.seconds);
}

double StepCost::estimate(uint32_t tokens) const {
    const auto n = static_cast<double>(tokens);
    const Bucket* below = nullptr;
    double floor = 0;  // a larger step is not taken for cheaper than a smaller one
    for (const Bucket& b : buckets_) {
        if (b.count == 0) {
            continue;
        }
        const double seconds = std::max(floor, b.seconds);
        if (b.tokens >= n) {
            if (below == nullptr) {
                return seconds * (kUnseenBase + (1 - kUnseenBase) * n / b.tokens);
            }
            const double way = b.tokens > below->tokens ? (n - below->tokens) / (b.tokens - below->tokens) : 1.0;
            return floor + way * (seconds - floor);
        }
        below = &b;
        floor = seconds;
    }
    return below == nullptr ? 0 : floor + kUnseenSlope * floor / below->tokens * (n - below->tokens);
}

void Acceptance::observe(uint32_t accepted, bool refused) {
    for (uint32_t i = 0; i < accepted; ++i) {
        rate_ += kNewTokenWeight * (1 - rate_);
    }
    if (refused) {
        rate_ -= kNewTokenWeight * rate_;
    }
}

bool ProbeTimer::due() {
    if (++idle_ < interval_) {
        return false;
    }
    idle_ = 0;
    return true;
}

void ProbeTimer::verified(bool useful) {
    idle_ = 0;
    interval_ = useful ? kSoonest : std::min(interval_ * 2, kLatest);
}

std::vector<uint32_t> choose_lengths(std::span<const DraftCandidate> candidates, uint32_t tokens, uint32_t outputs,
                                     uint32_t budget, const StepCost& cost, double draft_seconds) {
    // The next token of each draft, likeliest first: every beginning of that order is the best use of so many tokens.
    std::vector<uint32_t> order;
    std::priority_queue<std::pair<double, uint32_t>> next;
    std::vector<uint32_t> taken(candidates.size());
    for (uint32_t i = 0; i < candidates.size(); ++i) {
        if (candidates[i].limit > 0) {
            next.emplace(candidates[i].acceptance, i);
        }
    }
    double expected = outputs;
    const double plain = cost.estimate(tokens);
    double best = plain > 0 ? kWorthwhile * expected / plain : 0;
    size_t best_count = 0;
    while (!next.empty() && order.size() < budget) {
        const auto [hope, i] = next.top();
        next.pop();
        if (hope < kHopeless) {
            break;
        }
        order.push_back(i);
        expected += hope;
        const auto extra = static_cast<uint32_t>(order.size());
        const double seconds = cost.estimate(tokens + extra) + draft_seconds * extra;
        if (seconds <= 0 || expected / seconds > best) {
            best = seconds > 0 ? expected / seconds : best;
            best_count = order.size();
        }
        if (++taken[i] < candidates[i].limit) {
            next.emplace(hope * candidates[i].acceptance, i);
        }
    }
    std::vector<uint32_t> lengths(candidates.size());
    for (size_t k = 0; k < best_count; ++k) {
        ++lengths[order[k]];
    }
    return lengths;
}

}  // namespace gantry::engine
