#pragma once

/// One request's beam search on the engine: every running beam is a sequence of the scheduler, forked so that beams
/// share the blocks of what they have in common.
///
/// A step of the search needs the logits of all beams, but a step of the engine may not have room for all. Beams that
/// have given theirs early leave the scheduler until the others have (they come back through the prefix cache), so that
/// a search never holds what it waits for.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/engine/beam_search.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/engine/scheduler.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::engine {

struct BeamContext {
    SequenceId first_id =
        0;  ///< the beams' sequences are first_id .. first_id + width - 1; the first is in the scheduler
    int32_t priority = 0;
    std::string share_key;
    std::string cache_salt;
    uint32_t adapter = 0;
    TimePoint submitted{};
    bool isolated = false;
    uint32_t min_tokens = 0;
    std::vector<int32_t> prompt;
    std::function<void(SequenceId)> remove;  ///< takes a sequence off the scheduler
};

/// Used by one thread. `scheduler` and `config` must outlive it.
class BeamRun {
  public:
    BeamRun(BeamOptions options, BeamContext context, const SamplerConfig& config, TokenHistory history,
            Scheduler& scheduler);

    /// Takes the logits of one beam.
    Status take(SequenceId id, std::span<float> row, Sampler& sampler);
    /// After a step of the engine: goes on with the search where all beams have given their logits.
    void settle();
    /// Takes all beams off the scheduler.
    void leave();

    bool done() const { return search_.done(); }
    std::vector<Hypothesis> hypotheses() const { return search_.hypotheses(); }

  private:
    struct Live {
        SequenceId id = 0;
        TokenHistory history;
        std::vector<int32_t> answer;
        std::vector<BeamSearch::Candidate> candidates;
        bool scored = false;  ///< candidates are there
        bool parked = false;  ///< not in the scheduler
    };
    void park(Live& beam);
    void go_on(const std::vector<BeamSearch::Step>& steps);
    void add(const Live& beam);

    BeamOptions options_;
    BeamContext context_;
    const SamplerConfig& config_;
    Scheduler& scheduler_;
    BeamSearch search_;
    std::vector<Live> live_;
};

}  // namespace gantry::engine
