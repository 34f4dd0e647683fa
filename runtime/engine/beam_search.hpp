#pragma once

/// Beam search as transformers has it (generation/utils.py, _beam_search): which beams go on, which are finished, and
/// when nothing better can come. Pure: candidates in, decisions out.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/engine/types.hpp"

namespace gantry::engine {

struct BeamOptions {
    BeamParams params;
    uint32_t max_tokens = 1;
    std::vector<int32_t> end_ids;
};

/// A finished beam. The end token, if any, is its last and counts.
struct Hypothesis {
    std::vector<int32_t> ids;
    double logprob = 0;
    double score = 0;
};

/// Used by one thread.
class BeamSearch {
  public:
    /// A token that may follow, with its log-probability.
    using Candidate = std::pair<int32_t, double>;
    /// A running beam of the next step: the beam it continues, and its new token.
    struct Step {
        uint32_t parent = 0;
        int32_t id = 0;
    };

    explicit BeamSearch(BeamOptions options);

    /// How many candidates of each beam advance() can make use of.
    uint32_t candidates_wanted() const;
    uint32_t running() const { return static_cast<uint32_t>(beams_.size()); }
    bool done() const { return done_; }

    /// Takes one list for each running beam, best first. Returns what runs on, best first; of no use once done().
    std::vector<Step> advance(const std::vector<std::vector<Candidate>>& candidates);

    /// The finished beams, best first; the running ones where none has finished.
    std::vector<Hypothesis> hypotheses() const;

  private:
    struct Beam {
        std::vector<int32_t> ids;
        double logprob = 0;
    };
    double scored(double logprob, size_t length) const;
    void finish(Beam beam);
    bool can_improve() const;

    BeamOptions options_;
    std::vector<Beam> beams_{Beam()};
    std::vector<Hypothesis> finished_;  ///< best first
    uint32_t length_ = 0;
    bool done_ = false;
};

}  // namespace gantry::engine
