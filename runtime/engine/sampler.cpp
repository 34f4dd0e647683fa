#include "runtime/engine/sampler.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "runtime/engine/logit_kernels.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::engine {
namespace {

using kernels::kLogitBlock;
using kernels::logit_blocks;

constexpr float kImpossible = -std::numeric_limits<float>::infinity();
constexpr size_t kSortAtMost = 1024;   ///< candidates; below this a sort is cheaper than another pass
constexpr float kColdestDraw = 1e-5f;  ///< below this temperature 1/t overflows: greedy is the limit anyway

/// Changes to a row that are taken back at the end of the scope.
class RowEdits {
  public:
    explicit RowEdits(std::span<float> row) : row_(row) {}
    RowEdits(const RowEdits&) = delete;
    RowEdits& operator=(const RowEdits&) = delete;
    ~RowEdits() { undo(); }

    template <class F>
    void change(int32_t id, F&& to) {
        if (id < 0 || static_cast<size_t>(id) >= row_.size()) {
            return;
        }
        float& value = row_[static_cast<size_t>(id)];
        saw_nan_ = saw_nan_ || std::isnan(value);
        saved_.emplace_back(static_cast<size_t>(id), value);
        value = to(value);
    }
    void undo() {
        for (size_t i = saved_.size(); i-- > 0;) {
            row_[saved_[i].first] = saved_[i].second;
        }
        saved_.clear();
    }
    bool empty() const { return saved_.empty(); }
    bool saw_nan() const { return saw_nan_; }

  private:
    std::span<float> row_;
    std::vector<std::pair<size_t, float>> saved_;
    bool saw_nan_ = false;
};

void edit(RowEdits& edits, const SamplerConfig& config, const TokenHistory& history,
          std::span<const int32_t> forbidden) {
    for (const auto& [id, bias] : config.logit_bias) {
        edits.change(id, [bias = bias](float x) { return x + bias; });
    }
    if (config.penalises()) {
        for (const auto& entry : history.entries()) {
            const auto times = static_cast<float>(entry.in_answer);
            const float penalty =
                times * config.frequency_penalty + (entry.in_answer > 0 ? config.presence_penalty : 0.0f);
            edits.change(entry.id, [&](float x) {
                return (x > 0 ? x / config.repetition_penalty : x * config.repetition_penalty) - penalty;
            });
        }
    }
    for (int32_t id : forbidden) {
        edits.change(id, [](float) { return kImpossible; });
    }
}

size_t argmax(std::span<const float> row, float max, const std::vector<float>& block_max) {
    const auto block = static_cast<size_t>(std::ranges::find(block_max, max) - block_max.begin());
    const auto from = row.begin() + static_cast<std::ptrdiff_t>(block * kLogitBlock);
    return static_cast<size_t>(std::find(from, row.end(), max) - row.begin());
}

Error bad_logits(std::string_view what) {
    return {Code::kInternal, "the model's logits " + std::string(what),
            "its weights may be damaged, or the backend has a fault; try another backend"};
}

}  // namespace

SamplerConfig resolve(const SamplingParams& params, const SamplingParams& publisher, uint64_t seed) {
    const SamplerConfig base;
    const auto pick = [](const std::optional<double>& mine, const std::optional<double>& theirs, float otherwise) {
        return static_cast<float>(mine ? *mine : theirs.value_or(static_cast<double>(otherwise)));
    };
    SamplerConfig c;
    c.temperature = pick(params.temperature, publisher.temperature, base.temperature);
    const int64_t top_k = params.top_k ? *params.top_k : publisher.top_k.value_or(0);
    c.top_k = static_cast<uint32_t>(std::clamp<int64_t>(top_k, 0, INT32_MAX));
    c.top_p = pick(params.top_p, publisher.top_p, base.top_p);
    c.min_p = pick(params.min_p, publisher.min_p, base.min_p);
    c.repetition_penalty = pick(params.repetition_penalty, publisher.repetition_penalty, base.repetition_penalty);
    c.frequency_penalty = static_cast<float>(params.frequency_penalty);
    c.presence_penalty = static_cast<float>(params.presence_penalty);
    for (const auto& [id, bias] : params.logit_bias) {
        c.logit_bias.emplace_back(id, static_cast<float>(bias));
    }
    c.seed = params.seed.value_or(seed);
    return c;
}

TokenHistory::Entry& TokenHistory::entry(int32_t id) {
    const auto [it, added] = index_.emplace(id, entries_.size());
    if (added) {
        entries_.push_back({id, 0});
    }
    return entries_[it->second];
}

void TokenHistory::add_prompt(std::span<const int32_t> ids) {
    for (int32_t id : ids) {
        entry(id);
    }
}

void TokenHistory::add_answer(int32_t id) { ++entry(id).in_answer; }

Result<SampledToken> Sampler::sample(std::span<float> row, const SamplerConfig& config, const TokenHistory& history,
                                     std::span<const int32_t> forbidden, DrawPlace place) {
    block_max_.resize(logit_blocks(row.size()));
    RowEdits edits(row);
    edit(edits, config, history, forbidden);
    auto stats = kernels::row_max(row.data(), row.size(), block_max_.data());
    if (stats.has_nan || edits.saw_nan()) {
        return bad_logits("are not numbers (NaN)");
    }
    if (!std::isfinite(stats.max)) {
        return bad_logits(stats.max > 0 ? "are infinite" : "leave no token to choose");
    }
    const bool greedy = config.temperature < kColdestDraw || config.top_k == 1;
    SampledToken token;
    token.id = static_cast<int32_t>(greedy ? argmax(row, stats.max, block_max_) : draw(row, stats.max, config, place));
    if (config.top_logprobs) {
        if (!edits.empty() || !greedy) {
            edits.undo();
            stats = kernels::row_max(row.data(), row.size(), block_max_.data());
        }
        if (!std::isfinite(stats.max)) {
            return bad_logits("are infinite");
        }
        add_logprobs(row, stats.max, *config.top_logprobs, token);
    }
    return token;
}

size_t Sampler::draw(std::span<const float> row, float max, const SamplerConfig& config, DrawPlace place) {
    const size_t n = row.size();
    terms_.resize(n);
    const double total =
        kernels::softmax_terms(row.data(), n, max, 1.0f / config.temperature, terms_.data(), block_max_.data());
    const Cut cut = filter(n, total, config);
    double left = uniform(config.seed, place) * kept_masses(n, cut);
    size_t block = 0;
    size_t last_block = 0;  // where rounding makes `left` outlast the sums, the last kept token is meant
    for (; block < block_mass_.size(); ++block) {
        if (block_mass_[block] <= 0) {
            continue;
        }
        last_block = block;
        if (left < block_mass_[block]) {
            break;
        }
        left -= block_mass_[block];
    }
    size_t chosen = 0;
    const size_t begin = last_block * kLogitBlock;
    for (size_t i = begin; i < std::min(begin + kLogitBlock, n); ++i) {
        if (terms_[i] > 0 && (terms_[i] > cut.above || (terms_[i] == cut.above && i < cut.equal_end))) {
            chosen = i;
            left -= static_cast<double>(terms_[i]);
            if (left < 0) {
                break;
            }
        }
    }
    return chosen;
}

Sampler::Cut Sampler::filter(size_t n, double total, const SamplerConfig& config) {
    Cut cut;
    if (config.top_k > 0 && config.top_k < n) {
        cut = shortest_prefix(n, {config.top_k, 0}, reached_by(config.top_k, 0));
        total = config.top_p < 1 ? kept_masses(n, cut) : total;
    }
    if (config.top_p < 1) {
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
        std::ranges::sort(candidates_, [](const auto& a, const auto& b) {
            return a.first != b.first ? a.first > b.first : a.second < b.second;
        });
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
        block_mass_[block] =
            kernels::kept_mass(terms_.data(), begin, std::min(begin + kLogitBlock, n), cut.above, cut.equal_end);
        total += block_mass_[block];
    }
    return total;
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
    const auto wanted = static_cast<std::ptrdiff_t>(std::min<size_t>(top, candidates_.size()));
    std::ranges::partial_sort(candidates_, candidates_.begin() + wanted, [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    for (std::ptrdiff_t i = 0; i < wanted; ++i) {
        const auto& [logit, id] = candidates_[static_cast<size_t>(i)];
        token.top.emplace_back(static_cast<int32_t>(id), static_cast<double>(logit) - log_sum);
    }
}

}  // namespace gantry::engine
