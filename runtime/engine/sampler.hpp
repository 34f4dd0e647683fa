#pragma once

/// Draws a token from a row of logits.
///
/// In this order: logit bias, penalties, forbidden tokens, temperature, top-k, top-p, min-p, draw. The three filters
/// each keep a prefix of the tokens sorted by (probability, then lowest id first); top-p counts the probability mass
/// that top-k has left, min-p compares with the likeliest token. The draw walks the kept tokens by id.
///
/// Nothing is ever sorted but a handful of candidates: a prefix is found by bisecting on the probability of its last
/// member, each try one vectorised pass that skips blocks of the vocabulary without a candidate.

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "runtime/engine/random.hpp"

namespace gantry::engine {

struct SamplingParams;

/// SamplingParams with every default filled in.
struct SamplerConfig {
    float temperature = 1;  ///< 0: greedy, lowest id on a tie
    uint32_t top_k = 0;     ///< 0: off
    float top_p = 1;
    float min_p = 0;
    float repetition_penalty = 1;
    float frequency_penalty = 0;
    float presence_penalty = 0;
    std::vector<std::pair<int32_t, float>> logit_bias;
    uint64_t seed = 0;
    std::optional<uint32_t> top_logprobs;  ///< set: logprobs wanted, with so many alternatives

    bool penalises() const { return repetition_penalty != 1 || frequency_penalty != 0 || presence_penalty != 0; }
};

/// Unset fields come from `publisher`, then from SamplerConfig. `seed` is used where `params` has none.
SamplerConfig resolve(const SamplingParams& params, const SamplingParams& publisher, uint64_t seed);

/// The distinct tokens that the penalties look at.
class TokenHistory {
  public:
    struct Entry {
        int32_t id = 0;
        uint32_t in_answer = 0;  ///< times
    };
    void add_prompt(std::span<const int32_t> ids);
    void add_answer(int32_t id);
    std::span<const Entry> entries() const { return entries_; }

  private:
    Entry& entry(int32_t id);
    std::vector<Entry> entries_;
    std::unordered_map<int32_t, size_t> index_;
};

struct SampledToken {
    int32_t id = 0;
    double logprob = 0;                           ///< log-softmax of the unmodified logits; only if wanted
    std::vector<std::pair<int32_t, double>> top;  ///< best first
};

/// Owns scratch memory of two vocabularies at most. Used by one thread.
class Sampler {
  public:
    /// `row` is changed during the call and as it was after it. `history` matters where config.penalises(); `forbidden`
    /// tokens get no probability; ids outside the row are ignored. kInternal when the logits are not numbers or leave
    /// no token to choose.
    Result<SampledToken> sample(std::span<float> row, const SamplerConfig& config, const TokenHistory& history,
                                std::span<const int32_t> forbidden, DrawPlace place);

  private:
    /// A prefix of the sorted order: terms above `above`, and those equal to it with an index < equal_end.
    struct Cut {
        float above = -1;
        size_t equal_end = 0;
    };
    struct Target {
        size_t count = 0;
        double mass = 0;
    };
    size_t draw(std::span<const float> row, float max, const SamplerConfig& config, DrawPlace place);
    Cut filter(size_t n, double total, const SamplerConfig& config);
    /// The shortest prefix that has at least the target's count and mass; the one that ends at `low` has.
    Cut shortest_prefix(size_t n, Target target, float low);
    double kept_masses(size_t n, Cut cut);
    void add_logprobs(std::span<const float> row, float max, uint32_t top, SampledToken& token);
    /// A value that at least `count` elements reach, from the maxima of the blocks.
    float reached_by(size_t count, float otherwise);

    std::vector<float> terms_;      ///< exp of the scaled logits, relative to the largest
    std::vector<float> block_max_;  ///< of the row or of the terms
    std::vector<float> scratch_;
    std::vector<double> block_mass_;
    std::vector<std::pair<float, size_t>> candidates_;
};

}  // namespace gantry::engine
