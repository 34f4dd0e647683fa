#include "sampler.hpp"

#include <algorithm>
#include <cmath>
#include <gantry/cpp/error.hpp>
#include <limits>
#include <numeric>
#include <vector>

namespace gantry::null_plugin {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

/// The row after bias, penalties and mask.
std::vector<float> edited_row(uint32_t likely, uint32_t vocab, const gantry_sample_params_t& p) {
    std::vector<float> row(vocab, kUnlikely);
    row[likely] = kLikely;
    for (uint32_t i = 0; i < p.bias_count; ++i) {
        row[static_cast<uint32_t>(p.bias_ids[i])] += p.bias_values[i];
    }
    std::vector<int32_t> seen(p.history, p.history + p.history_count);
    std::sort(seen.begin(), seen.end());
    for (auto at = seen.begin(); at != seen.end();) {
        const auto end = std::upper_bound(at, seen.end(), *at);
        float& x = row[static_cast<uint32_t>(*at)];
        x = x > 0 ? x / p.repetition_penalty : x * p.repetition_penalty;
        x -= static_cast<float>(end - at) * p.frequency_penalty + p.presence_penalty;
        at = end;
    }
    for (uint32_t t = 0; p.mask != nullptr && t < vocab; ++t) {
        if ((p.mask[t / 32] >> (t % 32) & 1U) == 0) {
            row[t] = kForbidden;
        }
    }
    return row;
}

/// SplitMix64 over the pair that a draw depends on.
double uniform(uint64_t seed, uint64_t counter) {
    uint64_t x = seed + counter * 0x9e3779b97f4a7c15U + 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1.0p-53;
}

/// Sorts everything: it is only reached where a request has wishes that the likely token alone cannot answer.
int32_t draw(const std::vector<float>& row, const gantry_sample_params_t& p) {
    std::vector<uint32_t> order(row.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return row[a] > row[b]; });
    const float best = row[order.front()];
    if (best == kForbidden) {
        throw sdk::Error(GANTRY_ERR_FAILED_PRECONDITION, "sample: the mask allows no token");
    }
    if (p.temperature <= 0) {
        return static_cast<int32_t>(order.front());
    }
    const auto term = [&](uint32_t t) { return std::exp(static_cast<double>((row[t] - best) / p.temperature)); };
    size_t kept = p.top_k > 0 ? std::min(static_cast<size_t>(p.top_k), order.size()) : order.size();
    const auto mass = [&] {
        return std::accumulate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), 0.0,
                               [&](double sum, uint32_t t) { return sum + term(t); });
    };
    const double wanted = static_cast<double>(p.top_p) * mass();
    double sum = 0;
    for (size_t i = 0; i < kept && p.top_p < 1; ++i) {
        sum += term(order[i]);
        if (sum >= wanted) {
            kept = i + 1;
        }
    }
    while (kept > 1 && term(order[kept - 1]) < static_cast<double>(p.min_p)) {
        --kept;
    }
    double left = uniform(p.seed, p.counter) * mass();
    size_t chosen = 0;
    for (; chosen + 1 < kept; ++chosen) {
        left -= term(order[chosen]);
        if (left < 0) {
            break;
        }
    }
    return static_cast<int32_t>(order[chosen]);
}

}  // namespace

void sample(uint32_t likely, uint32_t vocab, const gantry_sample_params_t& p, gantry_sample_result_t& result) {
    const bool plain = p.mask == nullptr && p.bias_count == 0 && p.history_count == 0;
    // The others together are out of a double's sight of the likely one, at any temperature that is not absurd.
    result.token = plain && p.temperature < 4 ? static_cast<int32_t>(likely) : draw(edited_row(likely, vocab, p), p);
    constexpr double kGap = double{kUnlikely} - double{kLikely};
    const double log_sum = std::log1p((static_cast<double>(vocab) - 1) * std::exp(kGap));
    const auto logprob = [&](uint32_t t) { return static_cast<float>((t == likely ? 0 : kGap) - log_sum); };
    result.logprob = logprob(static_cast<uint32_t>(result.token));
    result.top_count = std::min(p.top_logprobs, vocab);
    for (uint32_t i = 0; i < result.top_count; ++i) {
        const uint32_t t = i == 0 ? likely : i - 1 < likely ? i - 1 : i;
        result.top_ids[i] = static_cast<int32_t>(t);
        result.top_logprobs[i] = logprob(t);
    }
}

}  // namespace gantry::null_plugin
