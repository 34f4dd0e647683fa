// The short way through the usual filters: from the largest logits of the blocks to the few tokens that can matter.

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/engine/logit_kernels.hpp"
#include "runtime/engine/sampler.hpp"

namespace gantry::engine {
namespace {

constexpr size_t kFew = 4096;  ///< candidates; of more the passes over terms are quicker
constexpr float kImpossible = -std::numeric_limits<float>::infinity();

/// Filters that need more than the largest logits.
bool looks_at_all(const SamplerConfig& config) {
    return config.mirostat != 0 || config.top_n_sigma > 0 || config.typical_p < 1;
}

bool cuts_at_k(const SamplerConfig& config, size_t n) { return config.top_k > 0 && config.top_k < n; }

double mass_of(const std::vector<std::pair<float, size_t>>& candidates) {
    double sum = 0;
    for (const auto& [term, id] : candidates) {
        sum += static_cast<double>(term);
    }
    return sum;
}

}  // namespace

bool Sampler::needs_masses(const SamplerConfig& config, size_t n) {
    constexpr float kColdest = 1e-5f;  // colder draws are greedy
    return config.temperature > kColdest && config.dynatemp_range == 0 && !looks_at_all(config) &&
           !cuts_at_k(config, n) && (config.top_p < 1 || config.min_p <= 0);
}

std::optional<double> Sampler::list_few(const Edited& edited, const SamplerConfig& config, DrawPlace place) {
    const size_t n = edited.row.size();
    const bool first_k = cuts_at_k(config, n);
    if (looks_at_all(config)) {
        return std::nullopt;
    }
    if (first_k) {
        if (!collect_few(edited, reached_by(config.top_k, kImpossible))) {
            return std::nullopt;
        }
        keep_likeliest(config.top_k);
        if (config.top_p < 1) {
            keep_nucleus(static_cast<double>(config.top_p) * mass_of(candidates_));
        } else {
            std::ranges::sort(candidates_, {}, [](const auto& c) { return c.second; });
        }
    } else if (config.top_p < 1) {
        if (!edited.total || !collect_nucleus(edited, static_cast<double>(config.top_p) * *edited.total)) {
            return std::nullopt;
        }
    } else if (config.min_p <= 0 ||
               !collect_few(edited, edited.max + (std::log(config.min_p) - 1e-3f) * edited.temperature)) {
        return std::nullopt;
    }
    std::erase_if(candidates_, [&](const auto& c) { return c.first < config.min_p; });
    if (removes_top(config, place)) {
        remove_top(config.xtc_threshold);
    }
    return mass_of(candidates_);
}

/// The tokens with logits from `low` on, by id, with their terms. False where they are not few.
bool Sampler::collect_few(const Edited& edited, float low) {
    const size_t n = edited.row.size();
    low = std::max(low, std::numeric_limits<float>::lowest());
    if (low == std::numeric_limits<float>::lowest() && n > kFew) {
        return false;
    }
    candidates_.clear();
    kernels::collect(edited.row.data(), n, block_max_.data(), low, -kImpossible, candidates_);
    if (candidates_.size() > kFew) {
        return false;
    }
    kernels::to_terms(candidates_, edited.max, edited.scale());
    std::erase_if(candidates_, [](const auto& c) { return c.first < std::numeric_limits<float>::min(); });
    return true;
}

/// The likeliest tokens that have the mass `wanted`, by id. False where they may not be few.
bool Sampler::collect_nucleus(const Edited& edited, double wanted) {
    for (const float depth : {4.0f, 9.0f}) {
        const float low = edited.max - depth * edited.temperature;
        double reach = 0;  // no less than what the tokens from `low` on have
        for (size_t block = 0; block < block_max_.size(); ++block) {
            reach += block_max_[block] >= low ? static_cast<double>(block_mass_[block]) : 0.0;
        }
        if (reach < wanted) {
            continue;
        }
        if (!collect_few(edited, low)) {
            return false;
        }
        if (mass_of(candidates_) >= wanted) {
            keep_nucleus(wanted);
            return true;
        }
    }
    if (edited.row.size() > kFew || !collect_few(edited, kImpossible)) {
        return false;
    }
    keep_nucleus(wanted);
    return true;
}

}  // namespace gantry::engine
