#include "runtime/engine/sampler_config.hpp"

#include <algorithm>
#include <string_view>

#include "runtime/engine/types.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::engine {
namespace {

std::vector<std::vector<int32_t>> tokens_of(const std::vector<std::string>& words, const text::Tokenizer& tokenizer) {
    std::vector<std::vector<int32_t>> out;
    const auto add = [&](const std::string& text) {
        auto ids = tokenizer.encode(text, {false, false});
        if (!ids.empty() && std::ranges::find(out, ids) == out.end()) {
            out.push_back(std::move(ids));
        }
    };
    for (const std::string& word : words) {
        add(word);
        const size_t begin = word.find_first_not_of(' ');
        add(" " + (begin == std::string::npos ? std::string() : word.substr(begin)));
    }
    return out;
}

std::vector<uint32_t> mask_of(const std::vector<int32_t>& ids) {
    std::vector<uint32_t> mask;
    for (const int32_t id : ids) {
        const auto bit = static_cast<uint32_t>(id);
        mask.resize(std::max<size_t>(mask.size(), bit / 32 + 1));
        mask[bit / 32] |= 1u << (bit % 32);
    }
    return mask;
}

}  // namespace

SamplerConfig resolve(const SamplingParams& params, const SamplingParams& publisher, uint64_t seed,
                      const text::Tokenizer& tokenizer) {
    SamplerConfig c;
    const auto pick = [](const std::optional<double>& mine, const std::optional<double>& theirs, float& value) {
        value = static_cast<float>(mine ? *mine : theirs.value_or(static_cast<double>(value)));
    };
    const auto take = [](const auto& mine, auto& value) {
        if (mine) {
            value = static_cast<std::remove_reference_t<decltype(value)>>(*mine);
        }
    };
    pick(params.temperature, publisher.temperature, c.temperature);
    const int64_t top_k = params.top_k ? *params.top_k : publisher.top_k.value_or(0);
    c.top_k = static_cast<uint32_t>(std::clamp<int64_t>(top_k, 0, INT32_MAX));
    pick(params.top_p, publisher.top_p, c.top_p);
    pick(params.min_p, publisher.min_p, c.min_p);
    pick(params.repetition_penalty, publisher.repetition_penalty, c.repetition_penalty);
    c.frequency_penalty = static_cast<float>(params.frequency_penalty);
    c.presence_penalty = static_cast<float>(params.presence_penalty);
    take(params.repeat_last_n, c.repeat_last_n);
    take(params.dynatemp_range, c.dynatemp_range);
    take(params.dynatemp_exponent, c.dynatemp_exponent);
    take(params.top_n_sigma, c.top_n_sigma);
    c.top_n_sigma = std::max(c.top_n_sigma, 0.0f);
    take(params.typical_p, c.typical_p);
    take(params.xtc_threshold, c.xtc_threshold);
    take(params.xtc_probability, c.xtc_probability);
    take(params.mirostat, c.mirostat);
    take(params.mirostat_tau, c.mirostat_tau);
    take(params.mirostat_eta, c.mirostat_eta);
    take(params.dry_multiplier, c.dry_multiplier);
    take(params.dry_base, c.dry_base);
    take(params.dry_allowed_length, c.dry_allowed_length);
    take(params.dry_penalty_last_n, c.dry_penalty_last_n);
    if (params.dry_sequence_breakers) {
        c.dry_sequence_breakers = *params.dry_sequence_breakers;
    }
    for (const auto& [id, bias] : params.logit_bias) {
        c.logit_bias.emplace_back(id, static_cast<float>(bias));
    }
    c.bad_words = tokens_of(params.bad_words, tokenizer);
    if (params.allowed_token_ids) {
        c.allowed = mask_of(*params.allowed_token_ids);
    }
    c.seed = params.seed.value_or(seed);
    return c;
}

}  // namespace gantry::engine
