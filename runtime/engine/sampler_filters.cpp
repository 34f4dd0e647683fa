// The filters: which tokens of a row may be drawn.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/engine/logit_kernels.hpp"
#include "runtime/engine/sampler.hpp"

namespace gantry::engine {
namespace {

using kernels::kLogitBlock;

constexpr size_t kSortAtMost = 1024;    ///< candidates; below this a sort is cheaper than another pass
constexpr uint32_t kXtcStream = 1;      ///< its chance is independent of the token's
constexpr size_t kMirostatSlope = 100;  ///< tokens that Mirostat 1 estimates the distribution's exponent from

/// Likeliest first, of equals the lowest id.
bool likelier(const std::pair<float, size_t>& a, const std::pair<float, size_t>& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
}

double mass_of(const std::vector<std::pair<float, size_t>>& candidates) {
    return std::accumulate(candidates.begin(), candidates.end(), 0.0,
                           [](double sum, const auto& c) { return sum + static_cast<double>(c.first); });
}

}  // namespace

Sampler::Cut Sampler::filter(const Edited& edited, const SamplerConfig& config, float mirostat_mu) {
    const size_t n = edited.row.size();
    terms_.resize(n);
    const float scale = edited.scale();
    double total = kernels::softmax_terms(edited.row.data(), n, edited.max, scale, terms_.data(), block_max_.data());
    if (config.mirostat != 0) {
        return mirostat_cut(config, mirostat_mu, total);
    }
    Cut cut;
    if (config.top_n_sigma > 0) {
        const double deviation = kernels::spread(edited.row.data(), n, edited.max).deviation;
        const double reach = static_cast<double>(config.top_n_sigma * scale) * deviation;
        cut = {static_cast<float>(std::exp(-reach)), n};
    }
    if (config.top_k > 0 && config.top_k < n) {
        const Cut best = top_k(n, config.top_k);
        cut = best.above >= cut.above ? best : cut;
    }
    if (config.typical_p < 1) {
        return cut;  // what follows it is done on the list
    }
    if (config.top_p < 1) {
        total = cut.above >= 0 ? kept_masses(n, cut) : total;
        // Terms below `negligible` cannot sum up to what top-p leaves out, even all together.
        const double negligible = (1 - static_cast<double>(config.top_p)) * total / static_cast<double>(n) * 0.999;
        const double mass = static_cast<double>(config.top_p) * total;
        cut = shortest_prefix(n, {1, mass}, std::max(static_cast<float>(negligible), cut.above));
    }
    if (config.min_p > cut.above) {
        cut = {config.min_p, n};
    }
    return cut;
}

bool Sampler::removes_top(const SamplerConfig& config, DrawPlace place) {
    return config.mirostat == 0 && config.xtc_probability > 0 && config.xtc_threshold <= 0.5f &&
           uniform(config.seed, place, kXtcStream) < static_cast<double>(config.xtc_probability);
}

bool Sampler::lists(const SamplerConfig& config, DrawPlace place) {
    return (config.mirostat == 0 && config.typical_p < 1) || removes_top(config, place);
}

double Sampler::list(Cut cut, const SamplerConfig& config, DrawPlace place) {
    candidates_.clear();
    const float low = std::max(cut.above, std::numeric_limits<float>::min());
    kernels::collect(terms_.data(), terms_.size(), block_max_.data(), low, std::numeric_limits<float>::infinity(),
                     candidates_);
    std::erase_if(candidates_, [&](const auto& c) { return !cut.has(c.first, c.second); });
    if (config.mirostat == 0 && config.typical_p < 1) {
        keep_typical(config.typical_p);
        if (config.top_p < 1) {
            keep_nucleus(static_cast<double>(config.top_p) * mass_of(candidates_));
        }
        if (config.min_p > 0) {
            const float most = std::ranges::max_element(candidates_)->first;
            std::erase_if(candidates_, [&](const auto& c) { return c.first < config.min_p * most; });
        }
    }
    if (removes_top(config, place)) {
        remove_top(config.xtc_threshold);
    }
    return mass_of(candidates_);
}

/// Locally typical sampling (Meister et al., arXiv:2202.00666): the smallest set with this mass of the tokens whose
/// information is nearest to the entropy.
void Sampler::keep_typical(float mass) {
    const double total = mass_of(candidates_);
    double entropy = 0;
    scratch_.resize(candidates_.size());
    for (const auto& [term, id] : candidates_) {
        const double p = static_cast<double>(term) / total;
        entropy -= p * std::log(p);
    }
    for (size_t i = 0; i < candidates_.size(); ++i) {
        const double information = -std::log(static_cast<double>(candidates_[i].first) / total);
        scratch_[i] = static_cast<float>(std::abs(information - entropy));
    }
    std::vector<size_t> order(candidates_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    // [0, begin) has less than the mass, [0, end) has it: halve what is between, sorting nothing.
    double wanted = static_cast<double>(mass) * total;
    size_t begin = 0;
    size_t end = order.size();
    const auto at = [&](size_t i) { return order.begin() + static_cast<std::ptrdiff_t>(i); };
    while (end - begin > 1) {
        const size_t middle = begin + (end - begin) / 2;
        std::nth_element(at(begin), at(middle), at(end), [&](size_t a, size_t b) {
            return scratch_[a] != scratch_[b] ? scratch_[a] < scratch_[b] : a < b;
        });
        double sum = 0;
        for (size_t i = begin; i < middle; ++i) {
            sum += static_cast<double>(candidates_[order[i]].first);
        }
        if (sum >= wanted) {
            end = middle;
        } else {
            wanted -= sum;
            begin = middle;
        }
    }
    order.resize(end);
    std::ranges::sort(order);  // by id again
    for (size_t i = 0; i < end; ++i) {
        candidates_[i] = candidates_[order[i]];
    }
    candidates_.resize(end);
}

void Sampler::keep_nucleus(double wanted) {
    std::ranges::sort(candidates_, likelier);
    double sum = 0;
    size_t kept = 0;
    while (kept < candidates_.size() && sum < wanted) {
        sum += static_cast<double>(candidates_[kept++].first);
    }
    candidates_.resize(std::max<size_t>(kept, 1));
    std::ranges::sort(candidates_, {}, [](const auto& c) { return c.second; });
}

/// Exclude Top Choices (p-e-w, text-generation-webui pull request 6335): of the tokens that reach the threshold only
/// the least likely stays.
void Sampler::remove_top(float threshold) {
    const double least = static_cast<double>(threshold) * mass_of(candidates_);
    const std::pair<float, size_t>* last = nullptr;
    for (const auto& c : candidates_) {
        if (static_cast<double>(c.first) >= least && (last == nullptr || likelier(*last, c))) {
            last = &c;
        }
    }
    if (last != nullptr) {
        const auto spared = *last;
        std::erase_if(candidates_, [&](const auto& c) { return static_cast<double>(c.first) >= least && c != spared; });
    }
}

/// Mirostat (Basu et al., arXiv:2007.14966) as llama.cpp has it: version 1 turns the wanted surprise into a top-k under
/// the assumption of Zipf's law, version 2 leaves out what would surprise more.
Sampler::Cut Sampler::mirostat_cut(const SamplerConfig& config, float mu, double total) {
    const size_t n = terms_.size();
    if (config.mirostat == 2) {
        const double least = std::exp2(-static_cast<double>(mu)) * total;
        return least > 1 ? top_k(n, 1) : Cut{static_cast<float>(least), n};
    }
    const size_t looked_at = std::min(kMirostatSlope, n);
    const Cut best = top_k(n, looked_at);
    candidates_.clear();
    kernels::collect(terms_.data(), n, block_max_.data(), std::max(best.above, std::numeric_limits<float>::min()),
                     std::numeric_limits<float>::infinity(), candidates_);
    std::ranges::sort(candidates_, likelier);
    candidates_.resize(std::min(candidates_.size(), looked_at));
    double products = 0;
    double squares = 0;
    for (size_t i = 0; i + 1 < candidates_.size(); ++i) {
        const double t = std::log(static_cast<double>(i + 2) / static_cast<double>(i + 1));
        products +=
            t * std::log(static_cast<double>(candidates_[i].first) / static_cast<double>(candidates_[i + 1].first));
        squares += t * t;
    }
    const double slope = squares > 0 ? products / squares : 0;
    const double excess = slope - 1;
    const double k = std::pow(
        excess * std::exp2(static_cast<double>(mu)) / (1 - std::pow(static_cast<double>(n), -excess)), 1 / slope);
    const double most = static_cast<double>(n);
    return top_k(n, static_cast<size_t>(k >= 1 ? std::min(k, most) : k < 1 ? 1.0 : most));
}

float Sampler::reached_by(size_t count, float otherwise) {
    if (count > block_max_.size()) {
        return otherwise;
    }
    scratch_ = block_max_;
    const auto nth = scratch_.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::ranges::nth_element(scratch_, nth, std::greater<>());
    return *nth;
}

Sampler::Cut Sampler::shortest_prefix(size_t n, Target target, float low) {
    // Positive floats are ordered like their bits, so bisecting on the bits is bisecting on the logarithm. All the time
    // the prefix that ends at `from` reaches the target and the one that ends at `to` does not.
    // Terms of zero are never drawn, so it does not matter whether a prefix has them.
    low = std::max(low, std::numeric_limits<float>::min());
    auto from = std::bit_cast<uint32_t>(low);
    auto to = std::bit_cast<uint32_t>(1.0f) + 1;
    kernels::Tail inside = kernels::tail(terms_.data(), n, block_max_.data(), low);
    kernels::Tail outside;
    bool last_reached = true;
    for (int pass = 0; inside.count - outside.count > kSortAtMost && to - from > 1; ++pass) {
        // Every third try halves the range; the others interpolate, aiming a little beyond the target as seen from the
        // border that moved last, so that both borders close in.
        double way = 0.5;
        const auto between = static_cast<double>(inside.count - outside.count);
        if (pass % 3 != 2) {
            way = target.mass > 0 ? (inside.mass - target.mass) / (inside.mass - outside.mass)
                                  : static_cast<double>(inside.count - target.count) / between;
            way += (last_reached ? 0.25 : -0.25) * static_cast<double>(kSortAtMost) / between;
        }
        const auto offset = static_cast<uint32_t>(static_cast<double>(to - from) * std::clamp(way, 0.01, 0.99));
        const uint32_t middle = from + std::clamp(offset, 1u, to - from - 1);
        const auto tail = kernels::tail(terms_.data(), n, block_max_.data(), std::bit_cast<float>(middle));
        last_reached = tail.count >= target.count && tail.mass >= target.mass;
        (last_reached ? from : to) = middle;
        (last_reached ? inside : outside) = tail;
    }
    const auto lowest = std::bit_cast<float>(from);
    candidates_.clear();
    kernels::collect(terms_.data(), n, block_max_.data(), lowest, std::bit_cast<float>(to), candidates_);
    if (to - from > 1) {  // else all candidates are equal, and in order
        std::ranges::sort(candidates_, likelier);
    }
    for (const auto& [term, i] : candidates_) {
        ++outside.count;
        outside.mass += static_cast<double>(term);
        if (outside.count >= target.count && outside.mass >= target.mass) {
            return {term, i + 1};
        }
    }
    return {lowest, n};  // the sums were rounded differently: the whole of it is the prefix
}

double Sampler::kept_masses(size_t n, Cut cut) {
    double total = 0;
    block_mass_.assign(block_max_.size(), 0);
    for (size_t block = 0; block < block_max_.size(); ++block) {
        if (block_max_[block] < cut.above) {
            continue;
        }
        const size_t begin = block * kLogitBlock;
        block_mass_[block] = static_cast<float>(
            kernels::kept_mass(terms_.data(), begin, std::min(begin + kLogitBlock, n), cut.above, cut.equal_end));
        total += static_cast<double>(block_mass_[block]);
    }
    return total;
}

}  // namespace gantry::engine
