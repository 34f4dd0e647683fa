#include <gantry/transformer/experts.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gantry::transformer {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

Router::Router(const ExpertConfig& config, uint32_t max_tokens) : config_(config) {
    const size_t uses = size_t{max_tokens} * config.used;
    products_.resize(size_t{max_tokens} * config.count);
    ranked_.resize(config.count);
    group_.resize(config.groups);
    chosen_.resize(uses);
    weights_.resize(uses);
    begin_.resize(config.count + size_t{1});
    rows_.resize(uses);
    factors_.resize(uses);
}

void Router::route(size_t tokens, std::span<const float> bias) {
    for (size_t t = 0; t < tokens; ++t) {
        float* scores = products_.data() + t * config_.count;
        score(scores);
        choose(scores, bias, static_cast<uint32_t>(t));
    }
    const size_t uses = tokens * config_.used;
    std::fill(begin_.begin(), begin_.end(), 0U);
    for (size_t i = 0; i < uses; ++i) ++begin_[chosen_[i] + size_t{1}];
    for (size_t e = 0; e < config_.count; ++e) begin_[e + 1] += begin_[e];
    // Fills each expert's part from its start; what that moves is moved back below.
    for (size_t i = 0; i < uses; ++i) {
        const uint32_t at = begin_[chosen_[i]]++;
        rows_[at] = static_cast<uint32_t>(i / config_.used);
        factors_[at] = weights_[i];
    }
    for (size_t e = config_.count; e > 0; --e) begin_[e] = begin_[e - 1];
    begin_[0] = 0;
}

std::span<const uint32_t> Router::rows(uint32_t expert) const {
    return {rows_.data() + begin_[expert], begin_[expert + size_t{1}] - begin_[expert]};
}

std::span<const float> Router::factors(uint32_t expert) const {
    return {factors_.data() + begin_[expert], begin_[expert + size_t{1}] - begin_[expert]};
}

void Router::score(float* products) const {
    float* end = products + config_.count;
    if (config_.sigmoid) {
        for (float* p = products; p != end; ++p) *p = 1 / (1 + std::exp(-*p));
        return;
    }
    const float highest = *std::max_element(products, end);
    double sum = 0;
    for (float* p = products; p != end; ++p) sum += static_cast<double>(*p = std::exp(*p - highest));
    for (float* p = products; p != end; ++p) *p = static_cast<float>(static_cast<double>(*p) / sum);
}

/// A group counts as much as its best two experts.
void Router::keep_best_groups(float* ranked) {
    const uint32_t size = config_.count / config_.groups;
    for (uint32_t g = 0; g < config_.groups; ++g) {
        float first = kNever;
        float second = kNever;
        for (uint32_t i = 0; i < size; ++i) {
            const float value = ranked[g * size + i];
            second = std::max(second, std::min(first, value));
            first = std::max(first, value);
        }
        group_[g] = size == 1 ? first : first + second;
    }
    for (uint32_t dropped = config_.groups; dropped > config_.groups_used; --dropped) {
        // Of equals the later one goes, as a stable sort would have it.
        uint32_t worst = config_.groups;
        for (uint32_t g = 0; g < config_.groups; ++g) {
            if (std::isfinite(group_[g]) && (worst == config_.groups || group_[g] <= group_[worst])) worst = g;
        }
        group_[worst] = kNever;
        std::fill_n(ranked + size_t{worst} * size, size, kNever);
    }
}

void Router::choose(const float* scores, std::span<const float> bias, uint32_t token) {
    for (uint32_t e = 0; e < config_.count; ++e) ranked_[e] = scores[e] + (bias.empty() ? 0 : bias[e]);
    if (config_.groups_used < config_.groups) keep_best_groups(ranked_.data());
    float sum = 0;
    for (uint32_t k = 0; k < config_.used; ++k) {
        const auto best = static_cast<uint32_t>(std::max_element(ranked_.begin(), ranked_.end()) - ranked_.begin());
        ranked_[best] = kNever;
        chosen_[size_t{token} * config_.used + k] = best;
        weights_[size_t{token} * config_.used + k] = scores[best];
        sum += scores[best];
    }
    const float factor = config_.normalize && sum > 0 ? config_.scale / sum : config_.scale;
    for (uint32_t k = 0; k < config_.used; ++k) weights_[size_t{token} * config_.used + k] *= factor;
}

}  // namespace gantry::transformer
