#include "runtime/engine/device_draws.hpp"

#include <string>

namespace gantry::engine {
namespace {

bool counts_answer(const SamplerConfig& c) { return c.frequency_penalty != 0 || c.presence_penalty != 0; }

/// The extension has one history for all penalties: the answer for those on frequency and presence, else everything.
std::vector<int32_t> history_of(const SamplerConfig& config, const TokenHistory& history) {
    std::vector<int32_t> out;
    if (!config.penalises()) {
        return out;
    }
    for (const auto& entry : history.entries()) {
        out.insert(out.end(), counts_answer(config) ? entry.in_answer : 1, entry.id);
    }
    return out;
}

}  // namespace

bool device_can_draw(const SamplerConfig& c, bool seeded) {
    const bool plain_filters =
        c.dynatemp_range == 0 && c.top_n_sigma == 0 && c.typical_p == 1 && c.xtc_probability == 0 && c.mirostat == 0;
    const bool plain_penalties =
        !c.penalises() || (c.repeat_last_n < 0 && !(c.repetition_penalty != 1 && counts_answer(c)));
    return !seeded && plain_filters && plain_penalties && !c.dry() && c.bad_words.empty() && !c.processed_logprobs;
}

std::vector<uint32_t> DeviceDraws::mask_of(const SamplerConfig& config, const SampleInput& in) const {
    std::vector<uint32_t> mask;
    if (in.mask.empty() && config.allowed.empty() && in.forbidden.empty()) {
        return mask;
    }
    mask.assign((size_t{vocab_size_} + 31) / 32, ~0u);
    const auto also = [&](std::span<const uint32_t> other) {
        for (size_t i = 0; i < mask.size() && !other.empty(); ++i) {
            mask[i] &= i < other.size() ? other[i] : 0u;
        }
    };
    also(in.mask);
    also(config.allowed);
    for (const int32_t id : in.forbidden) {
        if (id >= 0 && static_cast<uint32_t>(id) < vocab_size_) {
            mask[static_cast<uint32_t>(id) / 32] &= ~(1u << (static_cast<uint32_t>(id) % 32));
        }
    }
    return mask;
}

void DeviceDraws::add(uint64_t key, uint32_t row, const SamplerConfig& config, const SampleInput& in) {
    auto draw = std::make_unique<Draw>();
    Draw& d = *draw;
    d.history = history_of(config, in.history);
    d.mask = mask_of(config, in);
    for (const auto& [id, bias] : config.logit_bias) {
        d.bias_ids.push_back(id);
        d.bias_values.push_back(bias);
    }
    d.top_ids.resize(config.top_logprobs.value_or(0));
    d.top_logprobs.resize(d.top_ids.size());
    gantry_sample_params_t& p = d.params;
    p.struct_size = sizeof(p);
    p.logit_row = row;
    p.temperature = config.temperature;
    p.top_p = config.top_p;
    p.min_p = config.min_p;
    p.top_k = static_cast<int32_t>(config.top_k);
    p.repetition_penalty = config.repetition_penalty;
    p.frequency_penalty = config.frequency_penalty;
    p.presence_penalty = config.presence_penalty;
    p.history_count = static_cast<uint32_t>(d.history.size());
    p.history = d.history.data();
    p.mask = d.mask.empty() ? nullptr : d.mask.data();
    p.bias_ids = d.bias_ids.data();
    p.bias_values = d.bias_values.data();
    p.bias_count = static_cast<uint32_t>(d.bias_ids.size());
    p.top_logprobs = static_cast<uint32_t>(d.top_ids.size());
    p.seed = config.seed;
    p.counter = (uint64_t{in.place.answer} << 48) | in.place.position;
    d.result.struct_size = sizeof(d.result);
    d.result.top_ids = d.top_ids.data();
    d.result.top_logprobs = d.top_logprobs.data();
    draws_.emplace(key, std::move(draw));
}

Status DeviceDraws::make(CausalModel& model) {
    std::vector<const gantry_sample_params_t*> params;
    std::vector<gantry_sample_result_t*> results;
    for (const auto& [key, draw] : draws_) {
        params.push_back(&draw->params);
        results.push_back(&draw->result);
    }
    GANTRY_CHECK_OK(model.sample(params, results));
    const auto known = [&](int32_t id) { return id >= 0 && static_cast<uint32_t>(id) < vocab_size_; };
    for (const auto& [key, draw] : draws_) {
        bool good = known(draw->result.token) && draw->result.top_count <= draw->top_ids.size();
        for (uint32_t i = 0; good && i < draw->result.top_count; ++i) {
            good = known(draw->top_ids[i]);
        }
        if (!good) {
            return Error{Code::kInternal, "the plugin's sampler gave the token " + std::to_string(draw->result.token) +
                                              ", or more or other alternatives than there are"};
        }
    }
    return ok();
}

SampledToken DeviceDraws::take(uint64_t key) const {
    const Draw& draw = *draws_.at(key);
    SampledToken token;
    token.id = draw.result.token;
    token.logprob = static_cast<double>(draw.result.logprob);
    for (uint32_t i = 0; i < draw.result.top_count; ++i) {
        token.top.emplace_back(draw.top_ids[i], static_cast<double>(draw.top_logprobs[i]));
    }
    return token;
}

}  // namespace gantry::engine
