#include "runtime/engine/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gantry::engine {
namespace {

using kernels::kLogitBlock;

constexpr float kImpossible = -std::numeric_limits<float>::infinity();
constexpr float kColdestDraw = 1e-5f;  ///< below this temperature 1/t overflows: greedy is the limit anyway

Error bad_logits(std::string_view what) {
    return {Code::kInternal, "the model's logits " + std::string(what),
            "its weights may be damaged, or the backend has a fault; try another backend"};
}

/// llama.cpp's dynamic temperature: between temperature - range and temperature + range, by the entropy as a part of
/// the largest possible one.
float dynamic_temperature(std::span<const float> row, float max, const SamplerConfig& config) {
    const auto spread = kernels::spread(row.data(), row.size(), max);
    if (spread.count < 2) {
        return config.temperature;
    }
    const float low = std::max(config.temperature - config.dynatemp_range, 0.0f);
    const float high = config.temperature + config.dynatemp_range;
    const double part = std::clamp(spread.entropy / std::log(static_cast<double>(spread.count)), 0.0, 1.0);
    return low + (high - low) * static_cast<float>(std::pow(part, static_cast<double>(config.dynatemp_exponent)));
}

}  // namespace

std::span<float> Sampler::masked(std::span<float> row, const SamplerConfig& config, std::span<const uint32_t> mask) {
    if (mask.empty() && config.allowed.empty()) {
        return row;
    }
    const std::span<const uint32_t> first = mask.empty() ? config.allowed : mask;
    const std::span<const uint32_t> second = config.allowed.empty() ? first : config.allowed;
    mask_.assign((row.size() + 31) / 32, 0);
    for (size_t i = 0; i < std::min({mask_.size(), first.size(), second.size()}); ++i) {
        mask_[i] = first[i] & second[i];
    }
    masked_.resize(row.size());
    kernels::copy_masked(row.data(), row.size(), mask_.data(), masked_.data());
    return masked_;
}

kernels::RowMasses Sampler::look_over(std::span<const float> row, float scale) {
    if (scale > 0) {
        return kernels::row_masses(row.data(), row.size(), scale, block_max_.data(), block_mass_.data());
    }
    return {kernels::row_max(row.data(), row.size(), block_max_.data())};
}

kernels::RowMasses Sampler::look_over(std::span<const float> row, float scale, const LogitEdits& edits,
                                      const RowSummary& summary) {
    const size_t blocks = block_max_.size();
    std::ranges::copy(summary.peaks, block_max_.begin());
    if (scale > 0) {
        std::ranges::copy(summary.masses, block_mass_.begin());
    }
    edited_blocks_.assign(blocks, false);
    for (const auto& [at, before] : edits.changed()) {
        const size_t block = at / kLogitBlock;
        const size_t begin = block * kLogitBlock;
        const size_t count = std::min(kLogitBlock, row.size() - begin);
        if (edited_blocks_[block]) {
            continue;
        }
        edited_blocks_[block] = true;
        const auto stats = scale > 0
                               ? kernels::row_masses(&row[begin], count, scale, &block_max_[block], &block_mass_[block])
                               : kernels::RowMasses{kernels::row_max(&row[begin], count, &block_max_[block])};
        if (stats.has_nan) {
            return stats;
        }
        if (scale > 0 && stats.max == kImpossible) {
            block_mass_[block] = 0;
        }
    }
    kernels::RowMasses result{kernels::peak_max(block_max_.data(), blocks)};
    if (scale > 0 && std::isfinite(result.max)) {
        result.total = kernels::rescale_masses(block_mass_.data(), block_max_.data(), blocks, result.max, scale);
    }
    return result;
}

Result<Sampler::Edited> Sampler::inspect(std::span<const float> row, const SamplerConfig& config,
                                         const LogitEdits& edits, bool copied, const RowSummary& summary) {
    const bool restricted = copied || !edits.empty();
    const size_t blocks = logit_blocks(row.size());
    const bool masses = needs_masses(config, row.size());
    const float scale = mass_scale(config, row.size());
    block_max_.resize(blocks);
    block_mass_.resize(masses ? blocks : block_mass_.size());
    const bool known = !copied && summary.peaks.size() == blocks &&
                       (!masses || (summary.masses.size() == blocks && summary.scale == scale));
    const kernels::RowMasses stats = known ? look_over(row, scale, edits, summary) : look_over(row, scale);
    if (stats.has_nan || edits.saw_nan()) {
        return bad_logits("are not numbers (NaN)");
    }
    if (!std::isfinite(stats.max)) {
        if (stats.max < 0 && restricted) {
            return Error{Code::kFailedPrecondition, "the request's rules forbid every token",
                         "allow more in allowed_token_ids, or forbid less by bad_words and min_tokens"};
        }
        return bad_logits(stats.max > 0 ? "are infinite" : "leave no token to choose");
    }
    Edited edited{row, stats.max, config.temperature, false, masses ? std::optional(stats.total) : std::nullopt};
    if (config.dynatemp_range > 0) {
        edited.temperature = dynamic_temperature(row, stats.max, config);
    }
    edited.greedy = edited.temperature < kColdestDraw || (config.top_k == 1 && config.mirostat == 0);
    return edited;
}

Result<SampledToken> Sampler::sample(std::span<float> original, const SamplerConfig& config, const SampleInput& in) {
    const std::span<float> row = masked(original, config, in.mask);
    const bool is_copy = row.data() != original.data();
    LogitEdits edits(row);
    edits.apply(config, in.history, in.forbidden);
    GANTRY_TRY(const Edited edited, inspect(row, config, edits, is_copy, in.summary));
    SampledToken token;
    if (edited.greedy) {
        token.id = static_cast<int32_t>(argmax(row, edited.max));
    } else {
        draw(edited, config, in, token);
    }
    if (!config.top_logprobs || (config.processed_logprobs && !edited.greedy)) {
        return token;
    }
    if (config.processed_logprobs || (!is_copy && edits.empty() && edited.greedy)) {
        add_logprobs(row, edited.max, *config.top_logprobs, token);
        return token;
    }
    edits.undo();
    return logprobs(original, token, *config.top_logprobs);
}

Result<SampledToken> Sampler::logprobs(std::span<const float> row, SampledToken token, uint32_t top) {
    block_max_.resize(logit_blocks(row.size()));
    const auto stats = kernels::row_max(row.data(), row.size(), block_max_.data());
    if (stats.has_nan) {
        return bad_logits("are not numbers (NaN)");
    }
    if (!std::isfinite(stats.max)) {
        return bad_logits("are infinite");
    }
    add_logprobs(row, stats.max, top, token);
    return token;
}

Result<std::span<const TokenProbability>> Sampler::distribution(std::span<float> original, const SamplerConfig& config,
                                                                const SampleInput& in) {
    const std::span<float> row = masked(original, config, in.mask);
    LogitEdits edits(row);
    edits.apply(config, in.history, in.forbidden);
    const bool is_copy = row.data() != original.data();
    GANTRY_TRY(const Edited edited, inspect(row, config, edits, is_copy, in.summary));
    probabilities_.clear();
    if (edited.greedy) {
        probabilities_.push_back({static_cast<int32_t>(argmax(row, edited.max)), 1.0});
    } else {
        auto few = list_few(edited, config, in.place);
        const double mass = few ? *few : list(filter(edited, config, in.history.mirostat_mu()), config, in.place);
        for (const auto& [term, id] : candidates_) {
            probabilities_.push_back({static_cast<int32_t>(id), static_cast<double>(term) / mass});
        }
    }
    return std::span<const TokenProbability>(probabilities_);
}

size_t Sampler::argmax(std::span<const float> row, float max) const {
    const auto block = static_cast<size_t>(std::ranges::find(block_max_, max) - block_max_.begin());
    const size_t begin = block * kLogitBlock;
    const auto part = row.subspan(begin, std::min(kLogitBlock, row.size() - begin));
    return begin + static_cast<size_t>(std::ranges::max_element(part) - part.begin());
}

void Sampler::draw(const Edited& edited, const SamplerConfig& config, const SampleInput& in, SampledToken& token) {
    const double u = uniform(config.seed, in.place);
    const bool processed = config.top_logprobs && config.processed_logprobs;
    const size_t n = edited.row.size();
    size_t chosen = 0;
    float term = 0;
    auto mass = list_few(edited, config, in.place);
    bool listed = mass.has_value();
    if (!mass && edited.total && config.top_p == 1 && !processed && !removes_top(config, in.place)) {
        double left = u * *edited.total;
        const size_t block = block_at(left);
        const size_t begin = block * kLogitBlock;
        float largest = 0;
        terms_.resize(n);
        kernels::softmax_terms(edited.row.data() + begin, std::min(kLogitBlock, n - begin), edited.max, edited.scale(),
                               terms_.data() + begin, &largest);
        chosen = draw_in_block(block, n, {}, left);
        term = terms_[chosen];
        mass = edited.total;
    } else if (!mass) {
        const Cut cut = filter(edited, config, in.history.mirostat_mu());
        listed = lists(config, in.place) || processed;
        if (listed) {
            mass = list(cut, config, in.place);
        } else {
            mass = kept_masses(n, cut);
            double left = u * *mass;
            const size_t block = block_at(left);
            chosen = draw_in_block(block, n, cut, left);
            term = terms_[chosen];
        }
    }
    if (listed) {
        chosen = draw_listed(u * *mass, term);
    }
    token.id = static_cast<int32_t>(chosen);
    if (processed) {
        add_listed_logprobs(term, *mass, *config.top_logprobs, token);
    }
    token.surprise = static_cast<float>(-std::log2(static_cast<double>(term) / *mass));
}

size_t Sampler::draw_listed(double left, float& term) const {
    size_t chosen = 0;
    for (const auto& [its_term, id] : candidates_) {
        chosen = id;
        term = its_term;
        left -= static_cast<double>(its_term);
        if (left < 0) {
            break;
        }
    }
    return chosen;
}

size_t Sampler::block_at(double& left) const {
    size_t last_block = 0;  // where rounding makes `left` outlast the sums, the last kept token is meant
    for (size_t block = 0; block < block_mass_.size(); ++block) {
        const auto mass = static_cast<double>(block_mass_[block]);
        if (mass <= 0) {
            continue;
        }
        last_block = block;
        if (left < mass) {
            break;
        }
        left -= mass;
    }
    return last_block;
}

size_t Sampler::draw_in_block(size_t block, size_t n, Cut cut, double left) const {
    const size_t begin = block * kLogitBlock;
    size_t chosen = begin;
    for (size_t i = begin; i < std::min(begin + kLogitBlock, n); ++i) {
        if (terms_[i] > 0 && cut.has(terms_[i], i)) {
            chosen = i;
            left -= static_cast<double>(terms_[i]);
            if (left < 0) {
                break;
            }
        }
    }
    return chosen;
}

Result<std::vector<std::pair<int32_t, double>>> Sampler::likeliest(std::span<float> original,
                                                                   const SamplerConfig& config, const SampleInput& in,
                                                                   uint32_t count) {
    const std::span<float> row = masked(original, config, in.mask);
    LogitEdits edits(row);
    edits.apply(config, in.history, in.forbidden);
    const bool is_copy = row.data() != original.data();
    GANTRY_TRY(const Edited edited, inspect(row, config, edits, is_copy, in.summary));
    SampledToken best;
    add_logprobs(row, edited.max, count, best);
    return std::move(best.top);
}

void Sampler::add_logprobs(std::span<const float> row, float max, uint32_t top, SampledToken& token) {
    const double log_sum = kernels::log_sum_exp(row.data(), row.size(), max);
    token.logprob = static_cast<double>(row[static_cast<size_t>(token.id)]) - log_sum;
    if (top == 0) {
        return;
    }
    const float threshold = std::max(reached_by(top, kImpossible), std::numeric_limits<float>::lowest());
    candidates_.clear();
    kernels::collect(row.data(), row.size(), block_max_.data(), threshold, -kImpossible, candidates_);
    keep_likeliest(top);
    for (const auto& [logit, id] : candidates_) {
        token.top.emplace_back(static_cast<int32_t>(id), static_cast<double>(logit) - log_sum);
    }
}

void Sampler::add_listed_logprobs(float term, double mass, uint32_t top, SampledToken& token) {
    token.logprob = std::log(static_cast<double>(term) / mass);
    keep_likeliest(top);
    for (const auto& [term, id] : candidates_) {
        token.top.emplace_back(static_cast<int32_t>(id), std::log(static_cast<double>(term) / mass));
    }
}

void Sampler::keep_likeliest(size_t count) {
    count = std::min(count, candidates_.size());
    std::ranges::partial_sort(
        candidates_, candidates_.begin() + static_cast<std::ptrdiff_t>(count),
        [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
    candidates_.resize(count);
}

}  // namespace gantry::engine
