#pragma once

/// Draws a token from a row of logits.
///
/// In this order: mask (`allowed`, a grammar), logit bias, penalties, DRY, bad words and forbidden tokens; temperature
/// (dynamic where asked for); top-n-sigma, top-k, typical-p, top-p, min-p, XTC; draw. Mirostat, where on, takes the
/// place of all filters. Each filter sees the probabilities that the one before has left. docs/engine.md has their
/// definitions.
///
/// The usual requests cost one pass over the row, which finds the largest logit of each block of the vocabulary (and,
/// where a filter or the draw needs it, the block's mass): few tokens can get through top-k, top-p or min-p then, those
/// are in few blocks, and only their probabilities are computed. Where the model has summed the row up (RowSummary),
/// that pass is not needed either, but for the blocks whose logits the request has changed; under a mask it is.
///
/// For the rest: all filters but typical-p and XTC keep a prefix of the tokens sorted by (probability, then lowest id
/// first), and nothing is ever sorted for them but a handful of candidates: a prefix is found by bisecting on the
/// probability of its last member, each try one vectorised pass that skips blocks of the vocabulary without a
/// candidate. The draw walks the kept tokens by id.

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "runtime/engine/logit_edits.hpp"
#include "runtime/engine/logit_kernels.hpp"
#include "runtime/engine/logit_summary.hpp"
#include "runtime/engine/random.hpp"
#include "runtime/engine/sampler_config.hpp"
#include "runtime/engine/token_history.hpp"

namespace gantry::engine {

struct SampledToken {
    int32_t id = 0;
    double logprob = 0;                           ///< of the unmodified logits, or the processed; only if wanted
    std::vector<std::pair<int32_t, double>> top;  ///< best first
    float surprise = 0;                           ///< bits, among the kept tokens; what Mirostat steers
};

/// What one draw depends on beside its logits and the request.
struct SampleInput {
    const TokenHistory& history;
    std::span<const int32_t> forbidden = {};  ///< ids outside the row are ignored
    DrawPlace place = {};
    std::span<const uint32_t> mask = {};  ///< bit t: token t may be drawn; beyond its end none may; empty: all may
    RowSummary summary = {};              ///< of the row as it is; masses are used where its scale is mass_scale()
};

struct TokenProbability {
    int32_t id = 0;
    double probability = 0;
};

/// Owns scratch memory of a few vocabularies at most. Used by one thread.
class Sampler {
  public:
    /// The scale at which block masses spare sample() a pass over a row of n logits; 0: it needs none.
    static float mass_scale(const SamplerConfig& config, size_t n) {
        return needs_masses(config, n) ? 1.0f / config.temperature : 0.0f;
    }

    /// `row` is changed during the call and as it was after it. kInternal when the logits are not numbers or leave no
    /// token to choose; kFailedPrecondition when masks and forbidden tokens leave none.
    Result<SampledToken> sample(std::span<float> row, const SamplerConfig& config, const SampleInput& in);

    /// The distribution that sample() draws from with the same arguments: tokens with their probabilities (above 0,
    /// sum 1), by id. Valid until the next call. For verifying drafts: a draft is kept with the ratio of the two
    /// models' probabilities, else the token is drawn from what they differ by.
    Result<std::span<const TokenProbability>> distribution(std::span<float> row, const SamplerConfig& config,
                                                           const SampleInput& in);

    /// The tokens with the highest log-probabilities after the edits and masks, without temperature and filters: what
    /// beam search goes on with. At most `count`, best first, of equals the lowest id first.
    Result<std::vector<std::pair<int32_t, double>>> likeliest(std::span<float> row, const SamplerConfig& config,
                                                              const SampleInput& in, uint32_t count);

    /// Adds to a token its log-probability and the `top` best ones, by the row as it is. kInternal as for sample().
    Result<SampledToken> logprobs(std::span<const float> row, SampledToken token, uint32_t top);

  private:
    /// A prefix of the sorted order: terms above `above`, and those equal to it with an index < equal_end.
    struct Cut {
        float above = -1;
        size_t equal_end = 0;
        bool has(float term, size_t i) const { return term > above || (term == above && i < equal_end); }
    };
    struct Target {
        size_t count = 0;
        double mass = 0;
    };
    /// A row as edits and masks have left it.
    struct Edited {
        std::span<const float> row;
        float max = 0;
        float temperature = 1;
        bool greedy = false;
        std::optional<double> total = std::nullopt;  ///< of the terms, where block_mass_ has them by block
        float scale() const { return 1.0f / temperature; }
    };
    /// The row itself, or a copy of it with what may not be drawn at minus infinity.
    std::span<float> masked(std::span<float> row, const SamplerConfig& config, std::span<const uint32_t> mask);
    /// Looks the edited row over, which may be a masked copy; block_max_ is the row's afterwards.
    Result<Edited> inspect(std::span<const float> row, const SamplerConfig& config, const LogitEdits& edits,
                           bool copied, const RowSummary& summary);
    /// Fills block_max_ and, with a scale, block_mass_: from the row, or from the summary and the edited blocks.
    kernels::RowMasses look_over(std::span<const float> row, float scale);
    kernels::RowMasses look_over(std::span<const float> row, float scale, const LogitEdits& edits,
                                 const RowSummary& summary);
    size_t argmax(std::span<const float> row, float max) const;
    void draw(const Edited& edited, const SamplerConfig& config, const SampleInput& in, SampledToken& token);
    size_t draw_listed(double left, float& term) const;
    /// By block_mass_: the block that a point of the mass is in; `left` is how far behind the block's beginning.
    size_t block_at(double& left) const;
    /// By terms_ of that block.
    size_t draw_in_block(size_t block, size_t n, Cut cut, double left) const;
    void add_logprobs(std::span<const float> row, float max, uint32_t top, SampledToken& token);
    /// From the list of kept tokens.
    void add_listed_logprobs(float term, double mass, uint32_t top, SampledToken& token);
    /// Sorts candidates_ and keeps the best.
    void keep_likeliest(size_t count);

    // sampler_few.cpp
    /// Whether inspect() should sum the blocks up.
    static bool needs_masses(const SamplerConfig& config, size_t n);
    /// Lists in candidates_, by id, what the filters keep, and gives its mass; none where that may be many tokens or
    /// the filters need more than the logits' order. Every way through is as good: this one is short.
    std::optional<double> list_few(const Edited& edited, const SamplerConfig& config, DrawPlace place);
    bool collect_few(const Edited& edited, float low);
    bool collect_nucleus(const Edited& edited, double wanted);

    // sampler_filters.cpp
    /// Fills terms_ and applies the filters that keep a prefix.
    Cut filter(const Edited& edited, const SamplerConfig& config, float mirostat_mu);
    static bool removes_top(const SamplerConfig& config, DrawPlace place);
    /// Whether the kept tokens are more than a prefix can say, so that they are listed.
    static bool lists(const SamplerConfig& config, DrawPlace place);
    /// Lists the prefix in candidates_ by id, and applies the other filters. Returns the mass.
    double list(Cut cut, const SamplerConfig& config, DrawPlace place);
    void keep_typical(float mass);
    void keep_nucleus(double wanted);
    void remove_top(float threshold);
    Cut mirostat_cut(const SamplerConfig& config, float mu, double total);
    /// The shortest prefix that has at least the target's count and mass; the one that ends at `low` has.
    Cut shortest_prefix(size_t n, Target target, float low);
    Cut top_k(size_t n, size_t k) { return shortest_prefix(n, {k, 0}, reached_by(k, 0)); }
    double kept_masses(size_t n, Cut cut);
    /// A value that at least `count` elements reach, from the maxima of the blocks.
    float reached_by(size_t count, float otherwise);

    std::vector<float> terms_;      ///< exp of the scaled logits, relative to the largest
    std::vector<float> block_max_;  ///< of the row or of the terms
    std::vector<float> scratch_;
    std::vector<float> masked_;
    std::vector<uint32_t> mask_;
    std::vector<float> block_mass_;
    std::vector<std::pair<float, size_t>> candidates_;
    std::vector<TokenProbability> probabilities_;
    std::vector<bool> edited_blocks_;
};

}  // namespace gantry::engine
