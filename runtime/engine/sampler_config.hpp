#pragma once

/// How a request's tokens are drawn: SamplingParams with every default filled in and every text turned into tokens.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gantry::text {
class Tokenizer;
}

namespace gantry::engine {

struct SamplingParams;

/// The meaning of each field stands at the field of the same name in SamplingParams (types.hpp).
struct SamplerConfig {
    float temperature = 1;  ///< 0: greedy, lowest id on a tie
    float dynatemp_range = 0;
    float dynatemp_exponent = 1;
    uint32_t top_k = 0;     ///< 0: off
    float top_n_sigma = 0;  ///< 0: off
    float typical_p = 1;    ///< 1: off
    float top_p = 1;        ///< 1: off
    float min_p = 0;        ///< 0: off
    float xtc_threshold = 0.1f;
    float xtc_probability = 0;  ///< 0: off
    uint32_t mirostat = 0;      ///< 0: off; else the version, 1 or 2
    float mirostat_tau = 5;     ///< bits
    float mirostat_eta = 0.1f;
    float repetition_penalty = 1;
    float frequency_penalty = 0;
    float presence_penalty = 0;
    int32_t repeat_last_n = -1;  ///< tokens; -1: all
    float dry_multiplier = 0;    ///< 0: off
    float dry_base = 1.75f;
    uint32_t dry_allowed_length = 2;
    int32_t dry_penalty_last_n = -1;  ///< tokens; -1: all
    std::vector<std::string> dry_sequence_breakers{"\n", ":", "\"", "*"};
    std::vector<std::pair<int32_t, float>> logit_bias;
    std::vector<std::vector<int32_t>> bad_words;  ///< as tokens; none empty
    std::vector<uint32_t> allowed;                ///< bit t: token t may be drawn; empty: all may
    uint64_t seed = 0;
    std::optional<uint32_t> top_logprobs;  ///< set: logprobs wanted, with so many alternatives
    bool processed_logprobs = false;       ///< they are of the distribution drawn from, not of the model's

    bool penalises() const {
        return repeat_last_n != 0 && (repetition_penalty != 1 || frequency_penalty != 0 || presence_penalty != 0);
    }
    bool dry() const { return dry_multiplier > 0 && dry_base >= 1 && dry_penalty_last_n != 0; }
};

/// Unset fields come from `publisher` where it has such a field, then from SamplerConfig. `seed` is used where `params`
/// has none. `tokenizer` turns bad words into tokens: each as it is and as it follows a space, as vLLM does.
SamplerConfig resolve(const SamplingParams& params, const SamplingParams& publisher, uint64_t seed,
                      const text::Tokenizer& tokenizer);

}  // namespace gantry::engine
