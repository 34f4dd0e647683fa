#pragma once

/// How much to draft. Pure arithmetic on what was observed: no clock, no model.
///
/// A draft of k tokens, each right with probability a where the ones before it were, gives a + a^2 + ... + a^k tokens
/// on top of the one that the step gives anyway, and makes the step longer by what its tokens cost. The lengths are
/// chosen that give the most tokens a second over all sequences of the step. Where the step is bound by memory, more
/// tokens cost next to nothing and drafts are long; where it is bound by arithmetic (large batches, a small machine)
/// they pay only if nearly all are right, and shrink to none.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace gantry::engine {

/// The measured time of a step by its number of tokens.
class StepCost {
  public:
    void observe(uint32_t tokens, double seconds);
    /// Interpolated between what was seen; outside a guess that is rather too low, so that it gets tried. 0 before the
    /// first observation.
    double estimate(uint32_t tokens) const;

  private:
    struct Bucket {
        double tokens = 0, seconds = 0;  ///< running means
        uint32_t count = 0;
    };
    static size_t bucket(uint32_t tokens);
    std::array<Bucket, 48> buckets_{};
};

/// Running share of drafted tokens that turned out right, given that those before them were.
class Acceptance {
  public:
    explicit Acceptance(double prior = 0.6) : rate_(prior) {}
    /// `accepted` tokens of a chain were right; `refused` says that one after them was wrong.
    void observe(uint32_t accepted, bool refused);
    double rate() const { return rate_; }

  private:
    double rate_;
};

/// When to try again though it has not paid: ever more rarely while it goes on not paying.
class ProbeTimer {
  public:
    /// A step without a draft. True: draft a little in this one.
    bool due();
    /// A draft was verified.
    void verified(bool useful);

  private:
    static constexpr uint32_t kSoonest = 16, kLatest = 1024;
    uint32_t interval_ = kSoonest, idle_ = 0;
};

struct DraftCandidate {
    double acceptance = 0;
    uint32_t limit = 0;  ///< at most so many
};

/// Draft lengths, parallel to `candidates`, for a step that has `tokens` tokens and gives `outputs` without them.
/// `draft_seconds` is what drafting one token takes. At most `budget` in all.
std::vector<uint32_t> choose_lengths(std::span<const DraftCandidate> candidates, uint32_t tokens, uint32_t outputs,
                                     uint32_t budget, const StepCost& cost, double draft_seconds);

}  // namespace gantry::engine
